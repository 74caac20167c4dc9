"""The README and the structure hold what they say."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import click
import pytest

from deployer.cli import COMMANDS, Commands, cli
from deployer.config import schema

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
ENGINE = ("plan", "prepare", "apply", "making", "walk", "refresh", "recover", "state", "patience", "events")
SOURCES = sorted((ROOT / "deployer").rglob("*.py"))


def commands() -> list[tuple[str, click.Command]]:
    assert isinstance(cli, Commands)
    context = click.Context(cli)
    found = []
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            found += [(f"{name} {inner}", one) for inner, one in command.commands.items()]
        else:
            found.append((name, command))
    return found


@pytest.mark.parametrize(("name", "command"), commands())
def test_every_command_and_option_has_help_and_is_in_the_readme(name: str, command: click.Command) -> None:
    assert command.help
    assert f"`{name}" in README
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name
            option = max(parameter.opts, key=len)
            assert option in README, option


def keys(node: object, definitions: dict[str, object]) -> set[str]:
    """Every property that a file may have, as the JSON Schema says."""
    if isinstance(node, list):
        return set().union(*(keys(item, definitions) for item in node)) if node else set()
    if not isinstance(node, dict):
        return set()
    found = set(node.get("properties", {}))
    for item in node.values():
        found |= keys(item, definitions)
    return found


def test_every_key_of_the_file_is_in_the_readme() -> None:
    document = schema()
    missing = {key for key in keys(document, document.get("$defs", {})) if not re.search(rf"\b{key}\b", README)}
    assert not missing


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_has_a_second_noun_inside(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= 300


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_partition_account_or_suffix_is_written_down(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not re.search(r"""["']arn:aws:""", text)
    assert not re.search(r"\b\d{12}\b", text)
    if "control" in path.parts:  # it answers as AWS does
        return
    principals = r"(?<!ecs-tasks)(?<!vpc-flow-logs)(?<!\becs)(?<!elasticloadbalancing)(?<!\bsts)"
    assert not re.search(principals + r"\.amazonaws\.com", text)


def imported(path: Path) -> set[str]:
    """The modules of ours that a file imports when it is loaded."""
    found = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("deployer"):
            found.add(node.module)
            if node.module == "deployer":
                found |= {f"deployer.{alias.name}" for alias in node.names}
    return found - {"deployer"}


def test_imports_run_one_way() -> None:
    graph = {}
    for path in SOURCES:
        parts = path.relative_to(ROOT).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        graph[module] = imported(path)
    assert graph["deployer.resource"] == set()
    for module, uses in graph.items():
        if not module.startswith(("deployer.cli", "deployer.__main__")):
            assert not any(one.startswith("deployer.cli") for one in uses), module
    engine = {f"deployer.{name}" for name in ENGINE}
    for module in engine:
        outward = {"deployer.config", "deployer.stack", "deployer.console", "deployer.report"}
        assert not graph[module] & outward, module
        assert not any(one.startswith("deployer.resources") for one in graph[module]), module


def test_the_engine_knows_neither_the_command_line_nor_the_terminal() -> None:
    for name in (*ENGINE, "resource", "aws"):
        text = (ROOT / "deployer" / f"{name}.py").read_text("utf-8")
        assert not re.search(r"^(import|from) (click|rich)", text, re.M), name
