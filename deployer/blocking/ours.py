"""The stack's recorded objects as the readers need them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deployer.aws import Aws
from deployer.state import Record


@dataclass(frozen=True)
class Ours:
    """`records`: also those of what was removed a moment ago."""

    aws: Aws
    records: Mapping[str, Record]

    def ids(self, *types: str) -> dict[str, str]:
        """id -> key."""
        return {one.id: key for key, one in self.records.items() if one.type in types and one.id}
