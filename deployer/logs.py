"""The logs of services, read from CloudWatch Logs: in order, page by page, each event once. Prints nothing.

A service's group is the one on record (`log-group.<service>`); a task writes the stream `task/<service>/<task id>`.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from deployer import aws as door
from deployer import tasks
from deployer.aws import Aws
from deployer.ecs import cluster_of
from deployer.errors import AwsError, DeployerError, UsageError
from deployer.patience import Patience, delays
from deployer.state import Record

PAGE = 2000  # events a call; AWS ends a page at 1 MB, too
LATE_MS = 15_000  # an event may arrive so much later than a younger one: that far back is looked again
FIRST, MOST = 1.0, 3.0  # seconds between two looks: at first, and when nothing comes
LONGEST = 1000  # characters of a filter pattern; AWS takes 1024 with its quotes


@dataclass(frozen=True)
class Source:
    """The log of one service. `group`: its name; `task`: the beginning of a task's id, or empty for all tasks."""

    service: str
    group: str
    task: str = ""

    @property
    def streams(self) -> dict[str, str]:
        """What limits a call to these tasks."""
        return {"logStreamNamePrefix": f"task/{self.service}/{self.task}"} if self.task else {}


@dataclass(frozen=True)
class Event:
    """`when`: milliseconds since the epoch; `task`: the whole id; `message`: as the container wrote it."""

    when: int
    service: str
    task: str
    message: str
    id: str


def source(records: Mapping[str, Record], service: str, task: str = "") -> Source | None:
    """The recorded log of a service, None if there is none."""
    record = records.get(f"log-group.{service}")
    return Source(service, record.id, task) if record and record.id else None


def client(aws: Aws) -> Any:
    """One without retries of its own: `Patience` repeats, and stops when it is told to."""
    return door.client(aws.session, "logs", aws.region, 1, 4)


def pattern(text: str) -> str:
    """A CloudWatch filter pattern that every event with `text` in it satisfies; empty if there is none.

    How quotes and backslashes are written within a pattern is hardly documented: the longest part without them is
    asked for, and the whole text is looked for in what comes.
    """
    parts = text.translate({ord(char): "\n" for char in '"\\\r\t'}).split("\n")
    longest = max(parts, key=len)[:LONGEST].strip()
    return f'"{longest}"' if any(char.isalnum() for char in longest) else ""


@dataclass
class Seen:
    """The ids of the events of the last seconds: what is looked at twice is told once, in bounded memory."""

    newest: int = 0
    _ids: set[str] = field(default_factory=set)
    _order: deque[tuple[int, str]] = field(default_factory=deque)

    def first(self, event: Event) -> bool:
        """Whether this event was not there before."""
        if event.id in self._ids:
            return False
        self._ids.add(event.id)
        self._order.append((event.when, event.id))
        self.newest = max(self.newest, min(event.when, now()))
        while self._order and self._order[0][0] < self.newest - LATE_MS:
            self._ids.discard(self._order.popleft()[1])
        return True


@dataclass
class Reader:
    """One source, read on from where it was left. `since`: milliseconds since the epoch; `text`: only events with it.

    The methods raise AwsError; if the group is not there, with ResourceNotFoundException as its code.
    """

    logs: Any
    source: Source
    since: int
    patience: Patience
    text: str = ""
    seen: Seen = field(default_factory=Seen)

    def read(self, until: int | None = None) -> Iterator[Event]:
        """What is new, by time, a page in memory; up to `until` (milliseconds), or all there is."""
        asked: dict[str, Any] = {"logGroupName": self.source.group, "limit": PAGE, **self.source.streams}
        asked["startTime"] = max(self.since, self.seen.newest - LATE_MS, 0)
        if until is not None:
            asked["endTime"] = until
        if self.text and (wanted := pattern(self.text)):
            asked["filterPattern"] = wanted
        while True:
            page = self._page(asked)
            for item in page["events"]:
                event = self._event(item)
                ours = event.task.startswith(self.source.task) and self.text in event.message
                if ours and self.seen.first(event):
                    yield event
            if not page.get("nextToken"):
                return
            asked["nextToken"] = page["nextToken"]

    def _page(self, asked: dict[str, Any]) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = self.patience.attempt(lambda: self.logs.filter_log_events(**asked))
        except Exception as error:
            raise _explained(error, self.source) from error
        return answer

    def _event(self, item: dict[str, Any]) -> Event:
        task = item["logStreamName"].rpartition("/")[2]
        return Event(item["timestamp"], self.source.service, task, item["message"], item["eventId"])


def merged(readers: Iterable[Reader], until: int | None = None) -> Iterator[Event]:
    """The new events of several sources by time; a page of each is in memory."""
    return heapq.merge(*(reader.read(until) for reader in readers), key=lambda event: event.when)


def follow(readers: list[Reader], patience: Patience) -> Iterator[Event | None]:
    """Without end: all there is, then what comes. None whenever there is nothing more for now.

    Raises AwsError, and Interrupted once `patience.stop` is set.
    """
    pauses = delays(FIRST, MOST)
    while True:
        some = False
        for event in merged(readers):
            some = True
            yield event
        yield None
        pauses = delays(FIRST, MOST) if some else pauses
        patience.sleep(next(pauses))


def check_task(logs: Any, sources: list[Source], patience: Patience) -> None:
    """Raises UsageError if no task of theirs begins like that, as far as the logs know."""
    if not any(_streams(logs, one, patience) for one in sources):
        names = " or ".join(one.service for one in sources)
        raise UsageError(
            f"No task of {names} whose id begins with {sources[0].task} has written a log.",
            "`deployer logs` shows the ids of those that have.",
        )


def _streams(logs: Any, one: Source, patience: Patience) -> list[Any]:
    try:
        answer = patience.attempt(
            lambda: logs.describe_log_streams(logGroupName=one.group, limit=1, **one.streams)
        )
    except Exception as error:
        raise _explained(error, one) from error
    return list(answer["logStreams"])


@dataclass(frozen=True)
class Stopped:
    """A task that has stopped. `when`: seconds since the epoch; `reason`: ECS's words, empty when it forgot them."""

    task: str
    when: float
    reason: str


def last_stopped(aws: Aws, service: str, one: Source) -> Stopped | None:
    """The task that stopped last, of the service with that ARN. ECS forgets it after an hour, its log remains."""
    try:
        stopped = tasks.described(aws, cluster_of(service), tasks.arns_of_service(aws, service, "STOPPED"))
        if stopped:
            last = max(stopped, key=_end)
            return Stopped(tasks.task_id(last["taskArn"]), _end(last), tasks.reason_of(last))
        return _last_stream(aws, one, {tasks.task_id(arn) for arn in tasks.arns_of_service(aws, service)})
    except Exception as error:
        raise _explained(error, one, f"Looking for the tasks of {one.service}") from error


def _end(task: dict[str, Any]) -> float:
    times = (task.get(name) for name in ("stoppedAt", "stoppingAt", "createdAt"))
    return next((float(time.timestamp()) for time in times if time), 0.0)


def _last_stream(aws: Aws, one: Source, running: set[str]) -> Stopped | None:
    pages = aws.logs.get_paginator("describe_log_streams").paginate(
        logGroupName=one.group, orderBy="LastEventTime", descending=True, PaginationConfig={"PageSize": 50}
    )
    streams = (stream for page in pages for stream in page["logStreams"])
    for stream in itertools.islice(streams, 500):
        prefix, _, task = stream["logStreamName"].rpartition("/")
        if prefix == f"task/{one.service}" and task not in running:
            return Stopped(task, stream.get("lastEventTimestamp", 0) / 1000, "")
    return None


def now() -> int:
    """Milliseconds since the epoch."""
    return int(time.time() * 1000)


def _explained(error: BaseException, one: Source, doing: str = "") -> DeployerError:
    if door.code(error) == "ResourceNotFoundException":
        return AwsError(
            f"{one.service}: its log group {one.group} is not in the account any more.",
            "`deployer up` makes it again; what was in it is gone.",
            door.code(error),
            door.said(error),
        )
    return door.explain(error, doing or f"Reading the log of {one.service} ({one.group})")
