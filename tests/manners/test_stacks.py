"""Whole stacks with all of AWS's manners on: each command converges by itself, and in the end nothing is left."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cloud import Cloud
from tests.whole.project import ROOT, Project, Run, Warm

SECONDS = {"unseen": 0.2, "linked_role": 0.2, "unassumable": 0.3, "role_arns": 0.2, "nat": 0.3, "provisioning": 0.4}
AFTER = {"TESTS_LISTED_AFTER": "0.5", "API_KEY": "a value that nobody sees"}


@dataclass
class Stack:
    """`services`, whose images no registry can be asked for; `cidr`: of the network, and another one."""

    project: Project
    services: tuple[str, ...]
    cidr: tuple[str, str]

    def up(self, tag: int = 1) -> Run:
        images = [word for name in self.services for word in ("--image", f"{name}=registry.invalid/{name}:{tag}")]
        return self.project.run("up", "-y", *images, env=AFTER)

    def settled(self) -> None:
        """Another `up` changes nothing."""
        again = self.up(2).ended(0)
        assert again.mutations == [] and "nothing to do" in again.out


def voting(cloud: Cloud, folder: Path, warm: Warm) -> Stack:
    return Stack(Project(cloud, folder, start=warm), ("redis", "web"), ("10.0.0.0/16", "10.9.0.0/16"))


def four(cloud: Cloud, folder: Path, warm: Warm) -> Stack:
    project = Project(cloud, folder, start=warm)
    shutil.copy(ROOT / "tests/stacks/four.yaml", project.file)
    return Stack(project, ("database", "api", "web", "worker"), ("10.0.0.0/16", "10.44.0.0/16"))


def refused(run: Run) -> int:
    return sum(call.status == 0 or call.status >= 400 for call in run.calls)


@pytest.mark.parametrize("make", [voting, four])
def test_a_stack_converges_among_all_manners(make: object, cloud: Cloud, warm: Warm, tmp_path: Path) -> None:
    assert callable(make)
    stack: Stack = make(cloud, tmp_path / "stack", warm)
    cloud.tempo(task=0.02)
    cloud.manners("all", **SECONDS)
    assert refused(stack.up().ended(0)) > 30
    stack.up(2).ended(0)
    stack.settled()
    stack.project.edit(stack.cidr)
    assert "replaced" in stack.up(2).ended(0).out
    stack.settled()
    assert refused(stack.project.run("down", "-y", env=AFTER).ended(0)) > 30
    assert cloud.is_empty(), cloud.inventory()
    assert not list((stack.project.folder / ".deployer").glob("*.json"))
    assert not cloud.errors()


def test_a_nat_gateway_that_fails_is_made_anew_once_a_run(cloud: Cloud, warm: Warm, tmp_path: Path) -> None:
    stack = four(cloud, tmp_path / "stack", warm)
    cloud.tempo(task=0.02, nat=0.02, drain=0.02)
    cloud.manners("nat-failed", nat=0.02, nat_failed=3)
    run = stack.up().ended(1)
    assert run.mutations.count("ec2.CreateNatGateway") == 2
    assert "the NAT gateway" in run.err and "Network interface could not be created" in run.err
    assert "run the command again" in run.text
    healed = stack.up().ended(0)
    assert healed.mutations.count("ec2.CreateNatGateway") == 2 and "it is made anew" in healed.text
    assert [call for call in stack.up().ended(0).calls if call.mutating] == []
    assert len(cloud.inventory()["nat_gateways"]) == len(cloud.inventory()["addresses"]) == 1
    stack.project.run("down", "-y", env=AFTER).ended(0)
    assert cloud.is_empty(), cloud.inventory()


def test_a_quota_dressed_as_throttling_surfaces_at_once_in_awss_words(
    cloud: Cloud, warm: Warm, tmp_path: Path
) -> None:
    stack = voting(cloud, tmp_path / "stack", warm)
    cloud.manners(quotas=1)  # there is a VPC already, AWS's own
    run = stack.up().ended(1)
    assert "VpcLimitExceeded: The maximum number of VPCs has been reached." in run.text
    assert "LimitExceededException: Resource limit exceeded." in run.text
    assert "Service Quotas" in run.text
    assert run.mutations.count("ec2.CreateVpc") == 1
    groups = [call for call in run.calls if str(call) == "logs.CreateLogGroup"]
    assert len([call for call in groups if call.status == 200]) == 1
    assert len(groups) == run.text.count("Resource limit exceeded.") + 1, "none was asked for twice"
    cloud.manners()
    stack.up().ended(0)
