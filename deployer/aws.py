"""The one door to AWS: the session's clients, tags and names; and AWS's errors, told apart once."""

from __future__ import annotations

import contextlib
import copy
import re
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import botocore.exceptions as faults
from botocore.config import Config as ClientConfig
from botocore.parsers import ResponseParserError

from deployer.errors import AwsError, DeployerError, ForeignError
from deployer.resource import Found
from deployer.shared import Shared

SERVICES = ("ec2", "elbv2", "iam", "ecs", "ecr", "logs", "secretsmanager")
THROTTLED = frozenset({
    "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestThrottledException",
    "TooManyRequestsException", "RequestLimitExceeded", "BandwidthLimitExceeded", "EC2ThrottledException",
    "PriorRequestNotComplete", "SlowDown",
})  # fmt: skip
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403"})
BAD_CREDENTIALS = frozenset({
    "AuthFailure", "InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch",
    "InvalidAccessKeyId", "IncompleteSignature", "MissingAuthenticationToken", "OptInRequired",
})  # fmt: skip
POLICY = "`deployer policy` prints the IAM policy that this deploy.yaml needs."
QUOTAS = ("LimitExceeded", "QuotaExceeded", "TooMany", "ServiceQuota")


@dataclass
class Aws:
    """What the verbs of a resource type need: clients as attributes, the stack's name and id, where we are.

    `once` is the same with botocore's own retries off, for creating calls: botocore repeats `CreateVpc` after a cut
    connection and leaves two.
    """

    session: Any
    stack: str
    stack_id: str
    account: str
    region: str
    partition: str
    attempts: int = 8
    connections: int = 32
    extra_tags: dict[str, str] = field(default_factory=dict)
    caller: str = ""  # the ARN of who asks
    shared: Shared | None = None
    ec2: Any = None
    elbv2: Any = None
    iam: Any = None
    ecs: Any = None
    ecr: Any = None
    logs: Any = None
    secretsmanager: Any = None

    def __post_init__(self) -> None:
        """Clients are thread-safe, sessions are not (boto3#1592): all are made here, on the caller's thread."""
        for service in SERVICES:
            setattr(self, service, client(self.session, service, self.region, self.attempts, self.connections))

    def once(self) -> Aws:
        return replace(self, attempts=1)

    def sharing(self) -> Aws:
        """The same, for reads that belong together: what several ask is sent once."""
        same = copy.copy(self)
        same.shared = Shared()
        return same

    def arn(self, service: str, resource: str, *, region: str | None = None, account: str | None = None) -> str:
        place = self.region if region is None else region
        owner = self.account if account is None else account
        return f"arn:{self.partition}:{service}:{place}:{owner}:{resource}"

    def tags(self, key: str, fingerprint: str) -> dict[str, str]:
        return {
            **self.extra_tags,
            "deployer:stack": self.stack,
            "deployer:id": self.stack_id,
            "deployer:key": key,
            "deployer:inputs": fingerprint,
            "Name": f"{self.stack}-{key.partition('.')[2]}",
        }

    def owns(self, tags: dict[str, str]) -> bool:
        """Whether these tags are this stack's own (its name alone counts while its id is unknown)."""
        return tags.get("deployer:stack") == self.stack and self.stack_id in ("", tags.get("deployer:id"))

    def found(self, id: str, tags: dict[str, str]) -> Found | None:
        if not self.owns(tags) or "deployer:key" not in tags:
            return None
        return Found(tags["deployer:key"], id, tags.get("deployer:id", ""), tags.get("deployer:inputs", ""))

    def claim(self, key: str, id: str, tags: dict[str, str]) -> str:
        """`id`, if these tags say that it is this stack's own. Raises ForeignError naming both owners otherwise."""
        if self.owns(tags) and tags.get("deployer:key", key) == key:
            return id
        owner = tags.get("deployer:id")
        whose = f"stack {tags.get('deployer:stack')} with id {owner}" if owner else "nobody that deployer knows"
        raise ForeignError(
            f"{key}: {id} exists already and belongs to {whose}; this stack, {self.stack}, has id {self.stack_id}.",
            "Remove it if it is yours to remove, or choose another `name:` in deploy.yaml.",
        )


@contextlib.contextmanager
def ignoring(*codes: str, saying: str = "") -> Iterator[None]:
    """Passes over AWS's errors with one of these codes (and these words): already gone is success."""
    try:
        yield
    except faults.ClientError as error:
        if code(error) not in codes or saying not in said(error):
            raise


def unsuccessful(items: Iterable[dict[str, Any]] | None, operation: str) -> None:
    """Some EC2 calls answer 200 with errors inside: raises the first as what it is."""
    for item in items or ():
        raise faults.ClientError({"Error": item["Error"], "ResponseMetadata": {"HTTPStatusCode": 400}}, operation)


def tag_list(tags: dict[str, str], name: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    return [{name: key, value: text} for key, text in tags.items()]


def tag_dict(tags: Iterable[dict[str, str]] | None, name: str = "Key", value: str = "Value") -> dict[str, str]:
    return {tag[name]: tag[value] for tag in tags or ()}


def batches(items: Iterable[str], size: int) -> Iterator[list[str]]:
    listed = list(items)
    for start in range(0, len(listed), size):
        yield listed[start : start + size]


def describe(
    fetch: Callable[[list[str]], Iterable[dict[str, Any]]], ids: list[str], size: int, gone: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Describes `ids` in batches of `size`. One missing id fails AWS's whole call: then they are asked one by one."""
    seen: list[dict[str, Any]] = []
    for batch in batches(ids, size):
        try:
            seen.extend(fetch(batch))
        except faults.ClientError as error:
            if code(error) not in gone:
                raise
            if len(batch) > 1:
                seen.extend(describe(fetch, batch, 1, gone))
    return seen


def client(session: Any, service: str, region: str, attempts: int, connections: int, seconds: int = 60) -> Any:
    """`seconds`: of silence until a call is given up."""
    settings = ClientConfig(
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=connections,
        connect_timeout=min(seconds, 10),
        read_timeout=seconds,
        user_agent_extra="deployer",
    )
    return session.client(service, region_name=region, config=settings)


# Errors.

Fault = Literal["throttled", "lost", "refused"]


def code(error: BaseException) -> str:
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, faults.ClientError) else ""


def said(error: BaseException) -> str:
    if isinstance(error, faults.ClientError):
        return str(error.response.get("Error", {}).get("Message", ""))
    return str(error)


def fault(error: BaseException) -> Fault:
    """throttled: AWS did nothing, ask again; lost: it may or may not have happened; refused: it did not."""
    if isinstance(error, faults.ClientError):
        # LimitExceededException is a real quota, whatever botocore thinks of it, unless it speaks of a rate.
        if code(error) in THROTTLED or (code(error).startswith("LimitExceeded") and "Rate exceeded" in said(error)):
            return "throttled"
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return "lost" if status >= 500 else "refused"
    cut = (faults.HTTPClientError, faults.ConnectionError, faults.ReadTimeoutError, faults.ResponseStreamingError)
    return "lost" if isinstance(error, cut) else "refused"


def nonsense(doing: str) -> AwsError:
    return AwsError(
        f"{doing}: the endpoint does not answer as AWS does.",
        "Check AWS_ENDPOINT_URL and the region; is it an AWS-compatible endpoint?",
    )


def explain(error: BaseException, doing: str) -> DeployerError:
    """Any error of botocore's as one of ours: what was being done, AWS's code and words, what to do next."""
    if isinstance(error, DeployerError):
        return error
    if isinstance(error, faults.ClientError) and not _is_page(error):
        words = " ".join(said(error).split()).rstrip(".")
        return AwsError(f"{doing}: AWS said {code(error)}: {words}.", _hint(error), code(error), said(error))
    if _is_page(error) or isinstance(error, ResponseParserError | faults.UnknownServiceError | ValueError | KeyError):
        return nonsense(doing)
    if isinstance(error, faults.NoCredentialsError | faults.CredentialRetrievalError):
        return AwsError(f"{doing}: {error}.", "Sign in again; everything done so far is recorded.")
    if fault(error) == "lost":
        return AwsError(
            f"{doing}: no answer from AWS ({str(error).rstrip('.')}).",
            "Check the network and AWS_ENDPOINT_URL, then run the command again: it goes on from here.",
        )
    return AwsError(f"{doing}: {str(error).rstrip('.')}.", "Run again with --verbose for the details.")


def _is_page(error: BaseException) -> bool:
    """What came is no error of AWS's, or not even of the shape that botocore takes apart: a web page, some JSON."""
    if isinstance(error, faults.ClientError):
        return code(error) in ("", "301", "302", "307", "308", "404", "405")
    frames = list(traceback.walk_tb(error.__traceback__))
    within = frames and str(frames[-1][0].f_globals.get("__name__")).startswith("botocore.")
    return bool(within) and isinstance(error, AttributeError | TypeError)


def denied_action(error: faults.ClientError) -> str:
    """Such as `ecs:CreateCluster`: what AWS names, which is not always the call (`iam:PassRole`, `ec2:CreateTags`).

    EC2 hides it in an encoded text where the caller may not know it; then it is the call's own."""
    told = re.search(r"not authorized to perform:? ([\w-]+:\w+)", said(error))
    return told[1] if told else error.operation_name


def _hint(error: faults.ClientError) -> str:
    name = code(error)
    if name in EXPIRED:
        return "The credentials have expired: sign in again and run the command again; it goes on from here."
    if name in DENIED:
        return (
            f"The credentials may not call {denied_action(error)}: ask for that permission, then run this again; "
            + POLICY
        )
    if name in BAD_CREDENTIALS:
        return "AWS does not accept these credentials here: check the profile, and that the region is enabled."
    if any(mark in name for mark in QUOTAS):
        return "A quota of the account is reached: remove what is unused, or ask for more in Service Quotas."
    return "Run the command again once this is mended: it goes on from here."
