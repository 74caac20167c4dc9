"""Every error that a user may meet, printed in one place (`deployer.cli.main`) and never as a traceback.

    DeployerError            what was being done, to what, what was said; `hint`: what to do next    exit 1
    ├── UsageError           bad usage, nothing was changed                                          exit 2
    │   └── ConfigError      every problem of a deploy.yaml at once, each with its line              exit 2
    ├── StateError           the record of the stack is missing, foreign, damaged or cannot be saved exit 1
    │   └── LockedError      another run holds the stack                                             exit 3
    ├── NotDeployedError     there is no such stack                                                  exit 4
    ├── AwsError             AWS refused; `code` is AWS's own                                        exit 1
    │   ├── FailedError      what AWS had taken never became usable, and never will                  exit 1
    │   └── ForeignError     what stands in the way belongs to somebody else                         exit 1
    ├── ImageError           Docker or a registry refused                                            exit 1
    ├── PreflightError       several problems that were found before anything was changed            exit 1
    ├── RolloutError         a service did not become healthy, or was rolled back                    exit 1
    └── Interrupted          stopped by the user; everything made is recorded                        exit 130
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

# Escape sequences, control characters but tab and newline, and what turns the direction of writing.
CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[@-_]|[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def harmless(text: str) -> str:
    """Without control characters: what others have written must not steer the terminal."""
    return CONTROL.sub("", text)


class DeployerError(Exception):
    """Shown to the user as `message`, then `hint` on a line of its own."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = harmless(message)
        self.hint = hint


class UsageError(DeployerError):
    """The command or its options make no sense; nothing was changed."""

    exit_code = 2


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a `deploy.yaml`: `line` counts from 1 (0: the file as a whole), `path` is dotted."""

    file: str
    line: int
    path: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.path}: {self.message}" if self.path else f"{place}: {self.message}"


class ConfigError(UsageError):
    """All that is wrong with a `deploy.yaml`, in the order of its lines."""

    def __init__(self, problems: list[Problem], hint: str = "") -> None:
        self.problems = sorted(problems, key=lambda problem: (problem.line, problem.path))
        super().__init__("\n".join(map(str, self.problems)), hint)


class StateError(DeployerError):
    """The state file cannot be used or cannot be saved."""


class LockedError(StateError):
    """Another run holds the stack."""

    exit_code = 3


class NotDeployedError(DeployerError):
    """Nothing of this stack is recorded."""

    exit_code = 4


class AwsError(DeployerError):
    """AWS refused a call. `code` and `said` are AWS's own words."""

    def __init__(self, message: str, hint: str = "", code: str = "", said: str = "") -> None:
        super().__init__(message, hint)
        self.code = code
        self.said = said


class FailedError(AwsError):
    """What AWS had taken never became usable, and never will: the engine makes it once more before it gives up."""


class ForeignError(AwsError):
    """What stands in the way belongs to another stack, or to nobody that we know."""


class ImageError(DeployerError):
    """An image could not be built, pushed, found or used."""


class PreflightError(DeployerError):
    """Several problems, found before anything was changed; bad usage (exit 2) if each of them is."""

    def __init__(self, problems: list[DeployerError]) -> None:
        self.problems = problems
        self.exit_code = 2 if all(isinstance(one, UsageError) for one in problems) else 1
        texts = ("\n".join(filter(None, (one.message, one.hint))) for one in problems)
        told = "".join("\n- " + text.replace("\n", "\n  ") for text in texts)
        super().__init__(f"{len(problems)} problems stand in the way:{told}", "Nothing was changed.")


def each(error: DeployerError) -> list[DeployerError]:
    """The problems that an error stands for: several of a PreflightError, else itself."""
    return error.problems if isinstance(error, PreflightError) else [error]


class RolloutError(DeployerError):
    """A service did not reach the revision that was asked for. `verdict`: why, as data (deployer.verdict)."""

    def __init__(self, message: str, hint: str = "", verdict: dict[str, Any] | None = None) -> None:
        super().__init__(message, hint)
        self.verdict = verdict


class Interrupted(DeployerError):  # noqa: N818  like KeyboardInterrupt
    """The user stopped the run."""

    exit_code = 130
