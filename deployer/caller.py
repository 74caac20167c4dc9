"""Who we are in AWS, and where: credentials, region and account, found by the standard chain."""

from __future__ import annotations

import os
from typing import Any

import boto3
import botocore.exceptions as faults

from deployer.aws import DENIED, Aws, client, code, explain, nonsense, said
from deployer.errors import UsageError

NOT_ENABLED = frozenset({"InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure", "OptInRequired"})


def connect(
    stack: str,
    stack_id: str = "",
    *,
    region: str | None,
    profile: str | None,
    account: str | None,
    connections: int = 32,
    tags: dict[str, str] | None = None,
) -> Aws:
    """Finds credentials and region by AWS's standard chain and asks who we are (one call to STS).

    Raises UsageError (nothing was changed): no region, no such profile, no credentials, another account than
    `account`; AwsError: the endpoint does not answer, or not as AWS does.
    """
    session, place, partition = configured(region, profile)
    try:
        sts = client(session, "sts", place, 3, 4)
        identity = sts.get_caller_identity()
        owner, caller = identity["Account"], identity["Arn"]
    except faults.InvalidRegionError as error:
        raise _no_region(place) from error
    except (faults.ConfigNotFound, faults.ConfigParseError) as error:  # of what a profile refers to
        raise _configuration(error) from error
    except (
        faults.NoCredentialsError,
        faults.PartialCredentialsError,
        faults.CredentialRetrievalError,
        faults.TokenRetrievalError,
        faults.UnauthorizedSSOTokenError,
        faults.SSOTokenLoadError,
    ) as error:
        raise UsageError(
            f"No AWS credentials: {error}.",
            "Sign in (`aws sso login`, `aws configure`) or set AWS_PROFILE or AWS_ACCESS_KEY_ID.",
        ) from error
    except KeyError as error:
        raise nonsense("Asking STS who we are") from error
    except (faults.EndpointConnectionError, faults.ClientError) as error:
        raise _elsewhere(session, place, partition, error) or explain(error, "Asking STS who we are") from error
    except Exception as error:
        raise explain(error, "Asking STS who we are") from error
    if account and owner != account:
        raise UsageError(
            f"deploy.yaml is for account {account}, and these credentials are for account {owner}. "
            "Nothing was changed.",
            "Choose another AWS_PROFILE, or correct `account:`.",
        )
    return Aws(session, stack, stack_id, owner, place, partition, connections=connections, extra_tags=tags or {},
               caller=caller)  # fmt: skip


def configured(region: str | None, profile: str | None) -> tuple[Any, str, str]:
    """The session, its region and its partition, without a call. Raises UsageError."""
    place = region or os.environ.get("AWS_REGION")
    try:
        session = boto3.Session(profile_name=profile, region_name=place)
        place = session.region_name
        if not place:
            raise UsageError("No AWS region is set.", "Give --region, set AWS_REGION, or put `region:` into the file.")
        return session, place, session.get_partition_for_region(place)
    except (faults.InvalidRegionError, faults.UnknownRegionError) as error:
        raise _no_region(place) from error
    except (faults.ProfileNotFound, faults.ConfigNotFound, faults.ConfigParseError) as error:
        raise _configuration(error) from error


def _no_region(place: str | None) -> UsageError:
    return UsageError(f"{place} is no AWS region.", "Write one such as us-east-1.")


def _configuration(error: Exception) -> UsageError:
    return UsageError(f"AWS configuration: {error}.", "See `aws configure list-profiles`.")


def _elsewhere(session: Any, place: str, partition: str, error: Exception) -> UsageError | None:
    """What is wrong with the region, if it is the region that is wrong."""
    if isinstance(error, faults.EndpointConnectionError):
        known = place in session.get_available_regions("sts", partition_name=partition)
        if known or os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT_URL_STS"):
            return None  # whatever stands in for AWS need know nothing of its regions
        return UsageError(
            f"{place} is no AWS region, as far as is known here: {error.kwargs['endpoint_url']} cannot be reached.",
            "Write one such as us-east-1; if it is a new region, check the network.",
        )
    if code(error) in NOT_ENABLED and _known_to_iam(session, place):
        return UsageError(
            f"The region {place} is not enabled in this account (AWS said {code(error)}: {said(error).rstrip('.')}).",
            f"`aws account enable-region --region-name {place}` enables it in some minutes; or choose another region.",
        )
    return None


def _known_to_iam(session: Any, place: str) -> bool:
    """A region that is not enabled refuses credentials as if they were wrong; IAM, which is of no region, knows them,
    whatever it permits. Asked only after a refusal."""
    try:
        client(session, "iam", place, 2, 4).get_account_summary()
    except (faults.ClientError, faults.BotoCoreError) as error:
        return code(error) in DENIED
    return True
