"""What can be known to go wrong before anything is changed: every problem at once, after one parallel round of reads.

    run           what a check sees of the run ahead; Check: what it asks, and what it makes of the answers
    own           what a resource can say of itself: a variable that is not set, an image of another architecture,
                  no Docker engine where something must be built
    names         names that somebody else has
    quotas        room for what will be made
    secrets       secrets given by ARN, and JSON keys
    images        images in ECR
    permissions   what the caller may not do, if the run goes ahead
    linked        the roles that ECS and Elastic Load Balancing need in an account

Only what this run makes or changes is checked: where nothing is to be done, nothing is asked.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import botocore.exceptions as faults
from botocore.parsers import ResponseParserError

from deployer.errors import DeployerError, PreflightError
from deployer.preflight.images import Images
from deployer.preflight.linked import LinkedRoles
from deployer.preflight.names import Names
from deployer.preflight.own import Own
from deployer.preflight.permissions import Permissions
from deployer.preflight.quotas import Quotas
from deployer.preflight.run import Ask, Check, Finding, Missing, Run, Warned
from deployer.preflight.secrets import Secrets

CHECKS: tuple[Check, ...] = (
    Own(),
    Names(),
    Quotas(),
    Secrets(),
    Images(),
    LinkedRoles(),
    Permissions(),
)
PARALLEL = 32
# What could not be asked, or was answered in another shape than AWS's.
UNKNOWN = (faults.ClientError, faults.BotoCoreError, ResponseParserError, LookupError, ValueError, OSError)


@dataclass(frozen=True)
class Outlook:
    """What was found. `linked`: the services (such as `ecs.amazonaws.com`) whose linked role is to be made."""

    problems: list[DeployerError] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    linked: list[str] = field(default_factory=list)

    def refuse(self) -> None:
        """Raises the only problem as it is, several as one PreflightError."""
        if len(self.problems) == 1:
            raise self.problems[0]
        if self.problems:
            raise PreflightError(self.problems)


def look(run: Run) -> Outlook:
    """Asks everything that the checks want to know, and nothing twice. Changes nothing; raises nothing of AWS's."""
    if not run.changed:
        return Outlook()
    asks = [(check, dict(check.asks(run))) for check in CHECKS]
    with ThreadPoolExecutor(PARALLEL, thread_name_prefix="preflight") as pool:
        told = [{name: pool.submit(_answer, ask) for name, ask in wanted.items()} for _, wanted in asks]
        answers = [{name: future.result() for name, future in one.items()} for one in told]
    findings = list(itertools.chain.from_iterable(map(_findings, itertools.repeat(run), CHECKS, answers)))
    problems = [one for one in findings if isinstance(one, DeployerError)]
    return Outlook(
        list({one.message: one for one in problems}.values()),
        list(dict.fromkeys(one.message for one in findings if isinstance(one, Warned))),
        [one.service for one in findings if isinstance(one, Missing)],
    )


def _findings(run: Run, check: Check, told: dict[str, Any]) -> Iterator[Finding]:
    """What was raised as an error of ours is a problem; the check judges the rest."""
    yield from (answer for answer in told.values() if isinstance(answer, DeployerError))
    yield from check.judge(run, {name: None if isinstance(one, DeployerError) else one for name, one in told.items()})


def _answer(ask: Ask) -> Any:
    try:
        return ask()
    except DeployerError as error:
        return error
    except UNKNOWN:
        return None
