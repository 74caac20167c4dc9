"""What every command is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """The common options. `color` is off with --no-color; NO_COLOR is looked at where something is printed."""

    file: Path
    env: str | None = None
    region: str | None = None
    profile: str | None = None
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    color: bool = True
    sandbox: bool = False
