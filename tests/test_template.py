"""The deploy.yaml that `deployer init` writes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deployer.config import load
from deployer.template import exposed, stack_name, starter


@pytest.mark.parametrize("dockerfile", [None, "FROM x\nEXPOSE 5000\n", "FROM x\n"])
@pytest.mark.parametrize("name", ["voting", "My App (2)", "123", "null", "ä", "yes"])
def test_what_it_writes_loads_without_a_word(tmp_path: Path, name: str, dockerfile: str | None) -> None:
    directory = tmp_path / name
    directory.mkdir()
    if dockerfile:
        (directory / "Dockerfile").write_text(dockerfile)
    (directory / "deploy.yaml").write_text(starter(directory))
    result = load(directory / "deploy.yaml", None, {})
    service = result.config.services["web"]
    assert result.warnings == []
    assert (service.build is not None, service.image is None) == (bool(dockerfile), bool(dockerfile))
    assert service.port == (5000 if dockerfile and "EXPOSE" in dockerfile else 8080)


def test_its_commented_lines_are_valid_too(tmp_path: Path) -> None:
    text = re.sub(r"^( *)# ", r"\1", starter(tmp_path).split("\n", 1)[1], flags=re.MULTILINE)
    (tmp_path / "deploy.yaml").write_text(text)
    result = load(tmp_path / "deploy.yaml", None, {})
    assert (result.config.region, list(result.config.secrets)) == ("us-east-1", ["api-key"])


@pytest.mark.parametrize(
    ("dockerfile", "port"),
    [
        ("EXPOSE 80", 80), ("  expose 80/tcp 443", 80), ("EXPOSE 53/udp 80", 80), ("EXPOSE 80\nFROM x\nEXPOSE 81", 81),
        ("EXPOSE 8000-8010", 8000), ("EXPOSE $PORT", 8080), ("EXPOSE 70000", 8080), ("# EXPOSE 80", 8080), ("", 8080),
        ("EXPOSE 80\nEXPOSE $ADMIN", 80),
    ],
)  # fmt: skip
def test_the_port_is_the_one_the_dockerfile_exposes(dockerfile: str, port: int) -> None:
    assert exposed(dockerfile) == port


@pytest.mark.parametrize(
    ("directory", "name"),
    [
        ("voting", "voting"), ("My_App.v2", "my-app-v2"), ("--x--y--", "x-y"), ("3d", "app-3d"), ("x", "x-app"),
        ("Übung", "ubung"), ("日本", "app"), ("", "app"), ("a" * 40, "a" * 24), ("a" * 23 + "-b", "a" * 23),
        ("yes", '"yes"'), ("null", '"null"'),
    ],
)  # fmt: skip
def test_the_name_is_the_directorys_made_valid(directory: str, name: str) -> None:
    assert stack_name(directory) == name


def test_a_dockerfile_in_another_encoding_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_bytes(b"# caf\xe9\nEXPOSE 81\n")
    assert "port: 81 " in starter(tmp_path)
