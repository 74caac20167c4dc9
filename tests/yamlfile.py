"""A deploy.yaml in a temporary directory, and what `load` says of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

from deployer.config import Config, Loaded, load
from deployer.errors import ConfigError

WEB = """
name: voting
services:
  web:
    image: web:1
    port: 8080
"""


def written(directory: Path, text: str) -> Path:
    path = directory / "deploy.yaml"
    path.write_text(dedent(text), encoding="utf-8")
    return path


def loaded(directory: Path, text: str, env: str | None = None, environ: Mapping[str, str] | None = None) -> Loaded:
    return load(written(directory, text), env, environ or {})


def config(directory: Path, text: str, env: str | None = None, environ: Mapping[str, str] | None = None) -> Config:
    return loaded(directory, text, env, environ).config


def errors(directory: Path, text: str, env: str | None = None, environ: Mapping[str, str] | None = None) -> list[str]:
    """Each problem as `LINE: PATH: MESSAGE`; none if the file is valid."""
    try:
        loaded(directory, text, env, environ)
    except ConfigError as error:
        return [short(directory, str(problem)) for problem in error.problems]
    return []


def warned(directory: Path, text: str, environ: Mapping[str, str] | None = None) -> list[str]:
    return [short(directory, str(problem)) for problem in loaded(directory, text, None, environ).warnings]


def short(directory: Path, problem: str) -> str:
    return problem.removeprefix(f"{directory / 'deploy.yaml'}").lstrip(": ")


def web(*lines: str) -> str:
    """WEB with more keys for its service; the first is on line 7."""
    return WEB + "".join(f"    {line}\n" for line in lines)


def top(*lines: str) -> str:
    """WEB with more keys at the top; the first is on line 7."""
    return WEB + "".join(f"{line}\n" for line in lines)
