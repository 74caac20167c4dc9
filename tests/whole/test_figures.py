"""Counts, never clocks: what a run may cost. The speeds are in `benchmarks/`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.whole.project import ROOT, Project

SERVICES = 50
FRONTS = 10  # so many of them behind a load balancer of their own


def loaded_modules(args: list[str], folder: Path) -> set[str]:
    script = (
        "import sys, os\n"
        "import deployer.cli as cli\n"
        "cli.os._exit = lambda code: None\n"  # `main` leaves by os._exit; here it may return
        f"sys.argv = ['deployer', *{args!r}]\n"
        "cli.main()\n"
        "print('\\n'.join(sys.modules), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})  # fmt: skip
    return set(done.stderr.splitlines())


@pytest.mark.parametrize("args", [["--help"], ["up", "--help"], ["validate"], ["schema"]], ids=" ".join)
def test_what_needs_no_account_loads_neither_boto3_nor_docker(args: list[str], tmp_path: Path) -> None:
    (tmp_path / "deploy.yaml").write_text((ROOT / "deploy.yaml").read_text())
    modules = loaded_modules(args, tmp_path)
    assert "deployer.cli" in modules
    assert not modules & {"boto3", "botocore", "docker", "requests"}


def test_a_second_up_asks_little_and_changes_nothing(project: Project) -> None:
    project.up().ended(0)
    second = project.up().ended(0)
    assert second.mutations == []
    assert len(second.calls) <= 33, [str(call) for call in second.calls]


def large(folder: Path, count: int = SERVICES) -> None:
    services = []
    for number in range(count):
        services.append(f"  s{number}:\n    image: registry.invalid/app@sha256:{number:064x}\n")
        if number < FRONTS:
            services.append("    port: 8080\n    load_balancer: internal\n")
    (folder / "deploy.yaml").write_text("name: large\nregion: us-east-1\nservices:\n" + "".join(services))


def test_reading_fifty_services_takes_few_calls(project: Project) -> None:
    large(project.folder)
    project.run("up").ended(0)
    second = project.run("up").ended(0)
    assert second.mutations == []
    assert len(second.calls) <= 25 + SERVICES // 5 + 10, sorted(str(call) for call in second.calls)


def peak_of_up(project: Project, count: int) -> int:
    """The most memory that an `up` of so many services has needed, in KiB; they are taken away again."""
    large(project.folder, count)
    script = (
        "import sys\n"
        "import deployer.cli as cli\n"
        "leave = cli.os._exit\n"
        "def measured(code):\n"
        "    status = open('/proc/self/status').read()\n"  # getrusage counts the parent's pages before the exec
        "    peak = status.partition('VmHWM:')[2].split()[0]\n"
        "    print(f'peak {peak}', file=sys.stderr, flush=True)\n"
        "    leave(code)\n"
        "cli.os._exit = measured\n"
        "sys.argv = ['deployer', 'up', '--quiet']\n"
        "cli.main()\n"
    )
    # glibc gives threads arenas of their own as chance has it, which would count as growth.
    environment = {**project.cloud.env(), "PYTHONPATH": str(ROOT), "MALLOC_ARENA_MAX": "2"}
    done = subprocess.run([sys.executable, "-c", script], cwd=project.folder, env=environment, capture_output=True,
                          text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    records = json.loads((project.folder / ".deployer" / "large.json").read_text())["records"]
    assert len(records) > count * 8
    return int(done.stderr.rpartition("peak ")[2])


def test_memory_grows_by_less_than_200_kb_a_service(project: Project) -> None:
    few = peak_of_up(project, FRONTS)
    project.cloud.reset()
    (project.folder / ".deployer" / "large.json").unlink()
    many = peak_of_up(project, SERVICES)
    assert 20_000 < few < many < 250 * 1000
    assert (many - few) / (SERVICES - FRONTS) < 200, (few, many)
