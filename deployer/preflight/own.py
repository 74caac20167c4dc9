"""What each resource can say of itself beforehand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from deployer.preflight.run import Ask, Finding, Run, Told
from deployer.resource import Resource


class Own:
    def asks(self, run: Run) -> Mapping[str, Ask]:
        able = [one for one in run.changed if type(one).check is not Resource.check]
        return {one.key: partial(one.check, run.aws) for one in able}

    def judge(self, run: Run, told: Told) -> Iterator[Finding]:
        """They raise what is wrong."""
        return iter(())
