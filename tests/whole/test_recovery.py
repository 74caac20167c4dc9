"""Records that are lost, older or newer than the account, damaged, from elsewhere: each with its way out."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from typing import Any

import pytest

from tests.whole.project import Project
from tests.whole.test_teardown import SMALL

SECOND = """\
  api:
    image: registry.invalid/api@sha256:%064x
    port: 9090
    load_balancer: internal
"""


@pytest.fixture
def small(project: Project) -> Project:
    project.file.write_text(SMALL % 1)
    return project


def ids(project: Project) -> dict[str, str]:
    return {record["key"]: record["id"] for record in project.state["records"]}


def standing(project: Project, whole: Any = None) -> None:
    """Everything is there once, and another `up` finds nothing to do."""
    project.run("up", "-y").ended(0)
    assert whole is None or project.cloud.inventory() == whole
    assert project.run("up").ended(0).mutations == []


def gone(project: Project) -> None:
    assert "0 left" in project.run("down", "-y").ended(0).out
    assert project.cloud.is_empty()


def test_a_stack_of_which_things_were_deleted_by_hand_is_rebuilt_and_mended(small: Project) -> None:
    small.run("up").ended(0)
    whole, there, stack = small.cloud.inventory(), ids(small), small.state["id"]
    ec2, iam, logs = (small.cloud.client(name, hidden=True) for name in ("ec2", "iam", "logs"))
    table, _, cidr = there["route.public-out"].partition("|")
    ec2.delete_route(RouteTableId=table, DestinationCidrBlock=cidr)
    logs.delete_log_group(logGroupName=there["log-group.web"])
    iam.delete_role(RoleName=there["role.web_task"])
    small.state_file.unlink()
    assert small.run("state", "rebuild").ended(0).mutations == []
    assert small.state["id"] == stack
    standing(small)
    now = small.cloud.inventory()
    assert now.pop("task_definitions") == ["task-definition.web: 2"], "the former one refers to a role that is gone"
    assert now == {kind: whole[kind] for kind in now}
    gone(small)


@pytest.mark.parametrize("nth", [4, 20])
def test_a_stack_that_was_half_created_is_rebuilt_and_finished(small: Project, nth: int) -> None:
    small.cloud.fault("kill-after", mutating=True, nth=nth)
    assert small.run("up").code == -signal.SIGKILL
    small.state_file.unlink()
    small.run("state", "rebuild").ended(0)
    standing(small)
    assert [len(small.cloud.inventory()[kind]) for kind in ("vpcs", "clusters", "services")] == [1, 1, 1]
    gone(small)


def test_of_two_stacks_of_one_name_each_can_be_rebuilt_and_removed_by_its_id(small: Project) -> None:
    small.run("up").ended(0)
    ours = small.state["id"]
    ec2 = small.cloud.client("ec2", hidden=True)
    tags = {"deployer:stack": "voting", "deployer:id": "ffffffffffff", "deployer:key": "vpc.main", "Name": "theirs"}
    spec = [{"ResourceType": "vpc", "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}]
    theirs = ec2.create_vpc(CidrBlock="10.9.0.0/16", TagSpecifications=spec)["Vpc"]["VpcId"]
    small.state_file.unlink()
    refused = small.run("up").ended(1)
    assert refused.mutations == [] and "state rebuild --id" in refused.text and ours in refused.err
    both = small.run("state", "rebuild").ended(1)
    assert f"id {ours}: " in both.err and "--id ID" in both.err
    assert "id ffffffffffff: 1 resources (vpc.main)" in both.err
    assert "has the id 123" in small.run("state", "rebuild", "--id", "123").ended(1).err
    assert not small.state_file.exists()
    small.run("state", "rebuild", "--id", ours).ended(0)
    assert small.run("up").ended(0).mutations == []
    assert "0 left" in small.run("down", "-y").ended(0).out
    assert [vpc["VpcId"] for vpc in ec2.describe_vpcs()["Vpcs"] if not vpc["IsDefault"]] == [theirs]
    small.run("state", "rebuild").ended(0)
    assert (small.state["id"], ids(small)["vpc.main"]) == ("ffffffffffff", theirs)
    gone(small)


def test_with_a_record_older_than_the_account_nothing_is_made_twice_or_forgotten(small: Project) -> None:
    small.run("up").ended(0)
    old, kept = small.state_file.read_bytes(), small.state_file.with_suffix(".new")
    small.edit(("services:\n", "network: {nat: single}\nservices:\n"), (f"{1:064x}", f"{2:064x}"))
    small.file.write_text(small.file.read_text() + SECOND % 3)
    small.run("up", "-y").ended(0)
    whole, newest = small.cloud.inventory(), ids(small)
    kept.write_bytes(small.state_file.read_bytes())
    small.state_file.write_bytes(old)
    plan = small.run("plan").ended(0)
    assert plan.mutations == [] and "older than the account" in plan.err and "eip.a" in plan.err
    assert small.state_file.read_bytes() == old
    standing(small, whole)
    assert {key: id for key, id in ids(small).items() if key in newest and "~" not in key} == {
        key: id for key, id in newest.items() if "~" not in key
    }
    small.state_file.write_bytes(old)
    down = small.run("down", "-y").ended(0)
    assert "older than the account" in down.err and "0 left" in down.out
    assert small.cloud.is_empty()


def test_a_record_newer_than_the_account_is_made_true_again_or_ends(small: Project) -> None:
    small.run("up").ended(0)
    whole, copy = small.cloud.inventory(), small.state_file.read_bytes()
    gone(small)
    small.state_file.write_bytes(copy)
    standing(small, whole)
    gone(small)
    small.state_file.write_bytes(copy)
    down = small.run("down", "-y").ended(0)
    assert down.mutations == [] and "0 left" in down.out and not small.state_file.exists()


def test_the_way_out_of_a_truncated_record_works_and_the_record_is_as_good_elsewhere(
    small: Project, other: Callable[[str], Project]
) -> None:
    small.run("up").ended(0)
    there = ids(small)
    small.state_file.write_bytes(small.state_file.read_bytes()[:-300])
    refused = small.run("up").ended(1)
    assert "move it away and run `deployer state rebuild`" in refused.err and refused.mutations == []
    small.state_file.rename(small.state_file.with_suffix(".old"))
    small.run("state", "rebuild").ended(0)
    assert ids(small) == there
    elsewhere = other("elsewhere")
    shutil.copy(small.file, elsewhere.folder)
    shutil.copytree(small.state_file.parent, elsewhere.state_file.parent)
    assert elsewhere.run("up").ended(0).mutations == []
    gone(elsewhere)


def test_a_second_directory_is_refused_and_both_ways_out_lead_on(
    small: Project, other: Callable[[str], Project]
) -> None:
    small.run("up").ended(0)
    there = other("elsewhere")
    shutil.copy(small.file, there.folder)
    refused = there.run("up").ended(1)
    assert refused.mutations == [] and "state rebuild" in refused.err and "another `name:`" in refused.err
    there.edit(("name: voting", "name: second"))
    there.run("up").ended(0)
    assert len(there.cloud.inventory()["vpcs"]) == 2
    there.run("down", "-y").ended(0)
    there.edit(("name: second", "name: voting"))
    there.run("state", "rebuild").ended(0)
    assert there.run("up").ended(0).mutations == [] and small.run("up").ended(0).mutations == []
    gone(there)
    assert "0 left" in small.run("down", "-y").ended(0).out
