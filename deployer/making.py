"""Creates without ever repeating blindly: after a lost answer, what was made is found by its tags."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from deployer import aws as door
from deployer.aside import replaced_by
from deployer.aws import Aws
from deployer.patience import Patience
from deployer.refresh import find
from deployer.resource import Made, Resource
from deployer.state import State

LOOKS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)  # seconds: what was made a moment ago may not be listed yet


@dataclass(frozen=True)
class Maker:
    """`once`: clients that send a creating call one single time; `call`: runs a repeatable verb with its patience."""

    aws: Aws
    once: Aws
    state: State
    patience: Patience
    call: Callable[[Resource, Callable[[], Any]], Any]

    def make(self, resource: Resource, progress: Callable[[str], None], look: bool = False) -> Made:
        """Exactly one object, however often the answer was lost; `look` first if there may be one already.

        Raises what AWS refused for good."""
        if (look or resource.look_first) and (id := self._find(resource)):
            return self._adopt(resource, id)

        def recover(kind: door.Fault, error: Exception) -> Made | None:
            if kind == "lost":
                return self._find_lost(resource)
            if door.code(error) in resource.exists_on and (id := self._find(resource)):
                return self._adopt(resource, id)
            return None

        return self.patience.attempt(lambda: resource.create(self.once), resource.retry_on, recover, progress)

    def _find_lost(self, resource: Resource) -> Made | None:
        for pause in LOOKS:
            self.patience.sleep(pause)
            if id := self._find(resource):
                return self._adopt(resource, id)
        return None

    def _find(self, resource: Resource) -> str | None:
        id: str | None = self.call(resource, lambda: find(self.aws, resource, self.state.records))
        return id

    def _adopt(self, resource: Resource, id: str) -> Made:
        for key, former in replaced_by(self.state.records, resource).items():
            if former.id == id:
                self.state.drop(key)  # it was set aside, and is wanted again
        outputs = self.call(resource, lambda: resource.read(self.aws, [id])).get(id)
        return Made(id, outputs or {})
