"""Everything that would hold a stack, in a few reads at the same time; and who holds what, while a `down` waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from deployer import aws as door
from deployer.aws import Aws
from deployer.blocking import balancing, containers, network
from deployer.blocking.ours import Ours
from deployer.hold import Hold
from deployer.state import Record

Reader = Callable[[Ours], Iterator[Hold]]
LOOK = 10.0  # seconds between two looks at the same thing, however many wait for it
READERS: dict[Reader, tuple[str, ...]] = {  # of which types each can tell
    network.interfaces: ("subnet", "group", "igw", "eip", "vpc"),
    network.strangers: ("vpc",),
    network.references: ("group",),
    balancing.protected: ("load-balancer",),
    balancing.shared: ("target-group",),
    containers.guests: ("cluster", "subnet"),
    containers.users: (),
    containers.profiles: ("role",),
}


def survey(aws: Aws, records: Mapping[str, Record]) -> tuple[list[Hold], list[str]]:
    """What would hold the recorded objects or miss them, and what could not be looked at, in words: one permission
    that is missing does not keep a stack from going."""
    ours = Ours(aws, records)
    with ThreadPoolExecutor(len(READERS)) as pool:
        looks = {reader: pool.submit(_read, reader, ours) for reader in READERS}
    holds, unseen = [], []
    for reader, look in looks.items():
        try:
            holds += look.result()
        except Exception as error:
            unseen.append(door.explain(error, f"Looking for {reader.__name__}").message)
    return [hold for hold in holds if hold.kind != "passing"], unseen


def _read(reader: Reader, ours: Ours) -> list[Hold]:
    return list(reader(ours))


class Holding:
    """Who holds a key, asked while its removal is refused. May be called from any thread.

    `records`: as they are at the moment. What was recorded before stays ours: interfaces outlive their owners."""

    def __init__(self, aws: Aws, records: Callable[[], Mapping[str, Record]]) -> None:
        self._aws, self._records = aws, records
        self._known = dict(records())
        self._seen: dict[Reader, tuple[float, list[Hold]]] = {}
        self._lock = threading.Lock()

    def __call__(self, key: str) -> list[Hold]:
        """Nothing where nothing can be told, or AWS does not let us look."""
        type = key.partition(".")[0]
        with self._lock:
            found = (hold for reader in self._telling(type) for hold in self._look(reader))
            return [hold for hold in found if key in hold.keys]

    def _telling(self, type: str) -> Iterable[Reader]:
        return (reader for reader, types in READERS.items() if type in types)

    def _look(self, reader: Reader) -> list[Hold]:
        when, holds = self._seen.get(reader, (0.0, []))
        if not when or time.monotonic() - when >= LOOK:
            try:
                self._known |= self._records()
                holds = _read(reader, Ours(self._aws, self._known))
            except Exception:
                holds = []  # AWS's own words have to do
            self._seen[reader] = time.monotonic(), holds
        return holds
