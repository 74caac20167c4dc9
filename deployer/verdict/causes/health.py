"""The tasks run, and the load balancer does not find them well."""

from __future__ import annotations

from deployer.verdict.causes.cause import Cause, Sign, Words, both, either, first, given, said, told
from deployer.verdict.causes.listening import checked, elsewhere, only_local, too_late, well
from deployer.verdict.evidence import Evidence

CHECKS = "`services.{service}.load_balancer.health`"


def ailing(reason: str, words: str) -> Sign:
    """A target of this reason, or an event or a stopped task with these words."""

    def sign(evidence: Evidence) -> Words | None:
        for target in evidence.targets:
            if target.state == "unhealthy" and target.reason == reason:
                return first(words, [target.description]) or {}
        return first(rf"unhealthy in .{{0,300}}{words}", evidence.events)

    return sign


def answered(codes: str) -> Sign:
    """The health check got one of these status codes."""
    words = rf"failed with these codes: \[(?P<code>{codes})"

    def sign(evidence: Evidence) -> Words | None:
        said_of_targets = [one.description for one in evidence.targets if one.state == "unhealthy"]
        events = [text for text in evidence.events if "is unhealthy in" in text]
        return first(words, said_of_targets or events)

    return sign


def local(evidence: Evidence) -> Words | None:
    server = only_local(evidence)
    return {"host": server.host} if server else None


def other_port(evidence: Evidence) -> Words | None:
    server = elsewhere(evidence)
    return {"other": str(server.port)} if server else None


silent = ailing("Target.Timeout", r"(?:Request timed out|timed out)")
refused = ailing("Target.FailedHealthChecks", r"Health checks failed(?! with)")
unanswered = either(silent, refused, both(said(r"Task failed ELB health checks"), given(lambda one: not one.targets)))
network = given(lambda evidence: evidence.facts.balancer == "network")

CAUSES = (
    Cause(
        "health-path-404",
        answered("404"),
        "The health check asks for {path}, and {service} answers 404: there is no such page.",
        "Set " + CHECKS + " to a path that the program answers with 200, or add {path} to the program.",
    ),
    Cause(
        "health-redirect",
        answered(r"30\d"),
        "The health check asks for {path}, and {service} redirects it ({code}): to https, to a login or to a path with "
        "a slash at its end.",
        "Set " + CHECKS + " to a path that answers 200 by itself, and except it from redirects to https "
        "(Django: SECURE_REDIRECT_EXEMPT).",
    ),
    Cause(
        "health-forbidden",
        answered("40[13]"),
        "The health check asks for {path}, and {service} answers {code}: it wants a login.",
        "Set " + CHECKS + " to a path that needs none.",
    ),
    Cause(
        "health-bad-request",
        answered("400|421"),
        "The health check asks for {path}, and {service} answers {code}: it does not accept the Host header, which is "
        "the task's address.",
        "Let the program accept any host on {path} (Django: ALLOWED_HOSTS, Rails: config.hosts). A server that speaks "
        "https: `services.{service}.load_balancer.backend: https`.",
    ),
    Cause(
        "health-error",
        answered(r"5\d\d"),
        "The health check asks for {path}, and {service} answers {code}: it fails, or what it depends on does.",
        "{log}. Let " + CHECKS + " be a path that tests this program alone, not its database.",
    ),
    Cause(
        "health-code",
        answered(r"\d{3}"),
        "The health check asks for {path}, and {service} answers {code}; 200 to 299 is expected.",
        "Set " + CHECKS + " to a path that answers 200.",
    ),
    Cause(
        "listens-locally",
        both(unanswered, local),
        "{service} listens on {host} only, where nobody outside the container reaches it.",
        "Let it listen on 0.0.0.0:{port}: `flask run --host 0.0.0.0`, `gunicorn --bind 0.0.0.0:{port}`, `uvicorn "
        "--host 0.0.0.0`, HOST=0.0.0.0 in `services.{service}.environment`.",
    ),
    Cause(
        "listens-elsewhere",
        both(unanswered, other_port),
        "{service} listens on port {other}, and deploy.yaml says {port}.",
        "Set `services.{service}.port: {other}`, or let the program listen on {port} (often PORT={port} in "
        "`services.{service}.environment`).",
    ),
    Cause(
        "health-too-early",
        both(unanswered, given(too_late)),
        "{service} was still starting when its health checks counted: the grace of {grace} s is too short for it.",
        "Set `services.{service}.load_balancer.grace` above the seconds that it needs to start (300, say), or let it "
        "start faster: more `cpu`, migrations elsewhere.",
    ),
    Cause(
        "health-slow",
        both(silent, given(checked)),
        "{service} gets the health checks on {path}, and answers them too late: not within {timeout} s.",
        "Set " + CHECKS + " to a path that answers at once, or give it more: `services.{service}.cpu`, more workers.",
    ),
    Cause(
        "security-group",
        both(either(silent, both(refused, network)), given(well)),
        "{service} listens on port {port}, but the load balancer does not reach it: a security group, a network ACL or "
        "a firewall in the container is in the way.",
        "`deployer plan` shows rules that were changed by hand, `deployer up` puts them right; then look at the "
        "network ACLs of the subnets.",
    ),
    Cause(
        "health-timeout",
        silent,
        "The health checks on port {port} get no answer within {timeout} s.",
        "{log}: see whether {service} listens on 0.0.0.0:{port}, and whether it is busy: then a lighter path in "
        + CHECKS + ", or more `cpu`. `deployer plan` shows changed security groups.",
    ),
    Cause(
        "nobody-listens",
        refused,
        "Nobody listens on port {port} of the tasks, or what answers there is no {protocol}.",
        "Set `services.{service}.port` to the port that the program listens on, on 0.0.0.0; a server that speaks "
        "https: `load_balancer.backend: https`.",
    ),
    Cause(
        "target-unused",
        either(
            given(lambda evidence: any(one.reason == "Target.NotInUse" for one in evidence.targets)),
            said(r"TARGET GROUP IS NOT FOUND"),
            told(r"TARGET (?:GROUP )?IS NOT FOUND"),
        ),
        "The load balancer does not use the target group of {service}: its listener is gone, or a zone is not enabled.",
        "Run `deployer up` again: it makes what is missing anew.",
    ),
    Cause(
        "container-health",
        said(r"failed container health checks"),
        "The image's own health check (HEALTHCHECK) fails in the task.",
        "Run its command in the container: `docker run -d {image}`, then `docker inspect` shows what it printed; curl "
        "is often not installed.",
    ),
    Cause(
        "health-failed",
        said(r"Task failed ELB health checks|is unhealthy in"),
        "The load balancer found the tasks of {service} unwell on port {port}, and ECS stopped them.",
        "{log}: see whether it listens on 0.0.0.0:{port}, and answers {path} with 200; the check is " + CHECKS + ".",
    ),
    Cause(
        "health-pending",
        both(given(lambda evidence: not evidence.last and bool(evidence.targets)),
             given(lambda evidence: all(one.state == "initial" for one in evidence.targets))),
        "The load balancer has not finished its first health checks of {service}.",
        "For a network load balancer 2 to 5 minutes are usual: run `deployer up` again, with a longer --timeout.",
        "passing",
    ),
)  # fmt: skip
