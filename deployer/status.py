"""What runs, whether it is healthy, and if not, why: read from the account, nothing changed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from deployer import aws as door
from deployer import ecs
from deployer.aws import Aws
from deployer.drift import strays
from deployer.state import Record

if TYPE_CHECKING:
    from deployer.verdict.verdict import Verdict

EVENTS = 3  # of each service
INDENT = 4  # columns before each line of a reason


@dataclass(frozen=True)
class ServiceStatus:
    """One service. `targets`: healthy and total, None without a load balancer; `reasons`: why it is not healthy;
    `since`: when its deployment began, in seconds since the epoch; `events`: (then, ECS's words), newest first."""

    name: str
    desired: int
    running: int
    pending: int
    rollout: str
    image: str
    task_definition: str
    url: str | None
    targets: tuple[int, int] | None
    reasons: list[str] = field(default_factory=list)
    strayed: bool = False
    verdict: dict[str, Any] | None = None
    since: float | None = None
    events: tuple[tuple[float, str], ...] = ()

    @property
    def healthy(self) -> bool:
        """It runs what is recorded, as often as it should, and its targets are well."""
        enough = self.targets is None or self.targets[0] >= self.desired
        return self.rollout == "COMPLETED" and self.running >= self.desired and enough and not self.strayed

    def as_json(self) -> dict[str, Any]:
        targets = {"healthy": self.targets[0], "total": self.targets[1]} if self.targets else None
        return {
            "name": self.name, "desired": self.desired, "running": self.running, "pending": self.pending,
            "rollout": self.rollout, "image": self.image, "task_definition": self.task_definition, "url": self.url,
            "targets": targets, "reasons": self.reasons, "verdict": self.verdict,
            "since": self.since, "events": [{"at": at, "message": message} for at, message in self.events],
        }  # fmt: skip


def services(aws: Aws, records: dict[str, Record], urls: dict[str, str], wanted: list[str]) -> list[ServiceStatus]:
    """The recorded services, and those that are `wanted` and not there, by name. Raises AwsError."""
    recorded = [record for record in records.values() if record.type == "service" and record.id]
    try:
        described = {
            item["serviceArn"]: item for item in ecs.describe_services(aws, [record.id or "" for record in recorded])
        }
        with ThreadPoolExecutor(8) as pool:
            seen = list(
                pool.map(lambda record: _one(aws, record, described.get(record.id or ""), records, urls), recorded)
            )
        absent = [_absent(name) for name in wanted if f"service.{name}" not in records]
        return sorted([*seen, *absent], key=lambda one: one.name)
    except Exception as error:
        raise door.explain(error, f"Reading the services of {aws.stack}") from error


def _absent(name: str) -> ServiceStatus:
    return ServiceStatus(name, 0, 0, 0, "MISSING", "", "", None, None, ["it was not made yet; `deployer up` makes it"])


def _one(
    aws: Aws, record: Record, item: dict[str, Any] | None, records: dict[str, Record], urls: dict[str, str]
) -> ServiceStatus:
    url = urls.get(f"services.{record.name}.url")
    if item is None or item["status"] != "ACTIVE":
        said = "it is gone from the account" if item is None else f"it is {item['status'].lower()}"
        return ServiceStatus(record.name, record.inputs.get("count", 0), 0, 0, "MISSING", "", "", url, None, [said])
    primary: dict[str, Any] = next((one for one in item["deployments"] if one["status"] == "PRIMARY"), {})
    definition = primary.get("taskDefinition", item["taskDefinition"])
    targets, unwell = _targets(aws, record)
    status = ServiceStatus(
        name=record.name,
        desired=item["desiredCount"],
        running=item["runningCount"],
        pending=item["pendingCount"],
        rollout=primary.get("rolloutState", "UNKNOWN"),
        image=_image(definition, records),
        task_definition=definition.rpartition("/")[2],
        url=url,
        targets=targets,
        strayed=bool(strayed := _strayed(record, definition)),
        since=ecs.moment(primary.get("createdAt")),
        events=tuple((ecs.moment(one.get("createdAt")) or 0.0, str(one["message"])) for one in item["events"][:EVENTS]),
    )
    if status.healthy:
        return status
    verdict = _verdict(aws, item, record)
    reasons = [strayed] if strayed else []
    if verdict:
        from deployer.verdict.verdict import WIDTH

        reasons += verdict.lines(WIDTH - INDENT)
    elif unwell or not item.get("events"):
        reasons += unwell
    else:
        reasons.append(item["events"][0]["message"])
    return replace(status, reasons=reasons, verdict=verdict.as_json() if verdict else None)


def _verdict(aws: Aws, item: dict[str, Any], record: Record) -> Verdict | None:
    """Of the revision that was asked for, if anything of it has failed."""
    from deployer.rollout import evidence
    from deployer.verdict.verdict import judge

    wanted = record.inputs.get("task_definition") or item["taskDefinition"]
    found = evidence(aws, item, wanted, 0.0)
    return judge(found) if found.failed or found.rollout else None


def _strayed(record: Record, definition: str) -> str:
    """Whether ECS runs something else than was recorded, or the record was not finished."""
    recorded = record.inputs.get("task_definition", definition)
    if recorded != definition:
        return f"{recorded.rpartition('/')[2]} is recorded, {definition.rpartition('/')[2]} runs"
    return "its last change was not finished; `deployer up` goes on" if record.status == "unfinished" else ""


def _targets(aws: Aws, record: Record) -> tuple[tuple[int, int] | None, list[str]]:
    """How many targets are healthy, of how many, and what is said of the others."""
    group = record.inputs.get("target_group")
    if not group:
        return None, []
    states: list[dict[str, str]] = []
    with door.ignoring("TargetGroupNotFound"):
        answer = aws.elbv2.describe_target_health(TargetGroupArn=group)
        states = [one["TargetHealth"] for one in answer["TargetHealthDescriptions"]]
    unwell = [state for state in states if state["State"] not in ("healthy", "draining")]
    said = [
        f"a target is {state['State']}: {state.get('Reason', '')} {state.get('Description', '')}" for state in unwell
    ]
    healthy = sum(state["State"] == "healthy" for state in states)
    return (healthy, len(states)), list(dict.fromkeys(text.strip(": ") for text in said))


def _image(definition: str, records: dict[str, Record]) -> str:
    """As recorded for that revision, current or former."""
    for record in records.values():
        if record.type == "task-definition" and record.id == definition:
            return str(record.inputs.get("image", ""))
    return ""


def resource_states(records: dict[str, Record], missing: frozenset[str]) -> list[dict[str, Any]]:
    """Each record as present, missing, drifted or unfinished (`made` counts as present: only its waiting was cut
    short). `drift`: what was changed in the account, field by field."""
    return [_resource_state(record, key in missing) for key, record in sorted(records.items())]


def _resource_state(record: Record, missing: bool) -> dict[str, Any]:
    drift = () if missing else strays(record)
    there = "drifted" if drift else "present" if record.status in ("ready", "made") else "unfinished"
    return {
        "key": record.key,
        "type": record.type,
        "id": record.id,
        "arn": record.outputs.get("arn") or (record.id if str(record.id).startswith("arn:") else None),
        "state": "missing" if missing else there,
        "drift": list(drift),
    }
