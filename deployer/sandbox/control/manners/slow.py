"""What only takes longer than it does here by itself."""

from __future__ import annotations

from typing import ClassVar

from ..manner import Manner
from ..tempo import TEMPO


class Slow(Manner):
    """Sets one of the cloud's durations while it is on."""

    tempo: ClassVar[str]

    def begin(self) -> None:
        self._usual = getattr(TEMPO, self.tempo)
        TEMPO.change(**{self.tempo: self.number})

    def end(self) -> None:
        TEMPO.change(**{self.tempo: self._usual})
