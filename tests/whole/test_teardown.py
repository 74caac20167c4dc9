"""`down`: what it says beforehand, who holds what while it waits, and the proof at the end."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from tests.whole.project import Project, until

SMALL = """\
name: voting
region: us-east-1
secrets:
  key: {generate: 32}
services:
  web:
    image: registry.invalid/web@sha256:%064x
    port: 8080
    secrets: {KEY: key}
"""
LEFTOVER = "ELB app/voting-gone-0a1b2c/50dc6c495c0c9188"


@pytest.fixture
def small(project: Project) -> Project:
    """One service without a load balancer, running."""
    project.file.write_text(SMALL % 1)
    project.run("up").ended(0)
    return project


def interface(project: Project, about: str) -> str:
    """A network interface in our subnet, with our group."""
    ec2 = project.cloud.client("ec2", hidden=True)
    made = ec2.create_network_interface(
        SubnetId=project.record("subnet.public-a")["id"], Groups=[project.record("group.web")["id"]], Description=about
    )
    return str(made["NetworkInterface"]["NetworkInterfaceId"])


def drop(project: Project, interface: str) -> None:
    project.cloud.client("ec2", hidden=True).delete_network_interface(NetworkInterfaceId=interface)


def blockers(project: Project) -> dict[str, dict[str, Any]]:
    plan = project.run("down", "--plan", "--json").ended(0)
    assert plan.mutations == []
    return {one["id"]: one for one in plan.json["blockers"]}


def test_the_plan_says_what_goes_what_stays_and_what_is_in_the_way(small: Project) -> None:
    arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:shared-AbCdEf"
    small.edit(("  key: {generate: 32}", f"  key: {{generate: 32}}\n  shared: {{arn: '{arn}'}}"))
    free = small.run("down", "--plan").ended(0)
    assert "In the way: nothing" in free.out and "0 in the way" in free.out
    bastion = interface(small, "bastion")
    shown = small.run("down", "--plan").ended(0)
    assert shown.mutations == []
    assert shown.out.index("- vpc.main") < shown.out.index("= secrets.shared") < shown.out.index("! subnet.public-a")
    assert f"held by bastion ({bastion})" in shown.text and "delete-network-interface" in shown.text
    plan = small.run("down", "--plan", "--json").ended(0).json
    assert plan["stays"] == [{"key": "secrets.shared", "reason": f"{arn} was there before"}]
    assert plan["blockers"][0]["keys"] == ["subnet.public-a", "group.web", "vpc.main"] and plan["unseen"] == []
    assert {step["action"] for step in plan["steps"]} == {"delete"}


def test_what_is_held_by_another_ends_the_run_soon_with_its_name_and_what_to_do(small: Project) -> None:
    bastion = interface(small, "bastion")
    run = small.run("down", "-y", "--json").ended(1)
    held = [event["message"] for event in run.events if event["event"] == "progress" and event["key"] == "group.web"]
    assert f"held by bastion ({bastion})" in held[0] and len(held) == 1, "said once, not again and again"
    assert sorted(run.summary["errors"]) == ["group.web", "subnet.public-a"] and "left" not in run.summary
    for message in run.summary["errors"].values():
        assert f"held by bastion ({bastion})" in message and "DependencyViolation" in message
    assert "delete-network-interface" in run.err and "run the command again" in run.err
    assert [record["key"] for record in small.state["records"]] == ["group.web", "subnet.public-a", "vpc.main"]
    ec2 = small.cloud.client("ec2", hidden=True)
    assert ec2.describe_network_interfaces(NetworkInterfaceIds=[bastion])["NetworkInterfaces"], "it is not ours"
    drop(small, bastion)
    again = small.run("down", "-y", "--json").ended(0).summary
    assert (again["deleted"], again["left"], again["left_behind"]) == (3, 0, [])
    assert small.cloud.is_empty() and not small.state_file.exists()


def test_what_aws_still_holds_is_named_and_waited_for_and_the_run_can_be_stopped_and_begun_again(
    small: Project,
) -> None:
    left = interface(small, LEFTOVER)
    assert blockers(small) == {}, "it goes by itself"
    process = small.begin("down", "-y")
    assert process.stderr is not None
    lines: list[str] = []
    while not any("group.web held by" in line for line in lines):
        lines.append(process.stderr.readline())
        assert lines[-1], "".join(lines)
    assert f"group.web held by {LEFTOVER} ({left}); AWS takes up to 20 minutes to remove it" in lines[-1]
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "again to continue" in err
    late = small.run("down", "-y", "--timeout", "1s").ended(1)
    assert f"the time is up while waiting: held by {LEFTOVER} ({left})" in late.err and "--timeout" in late.err
    process = small.begin("down", "-y")
    assert process.stderr is not None
    until(lambda: "held by" in process.stderr.readline())  # type: ignore[union-attr]
    drop(small, left)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and "0 left" in out, err
    assert small.cloud.is_empty()


def test_guests_of_the_cluster_are_named_and_left_alone(small: Project) -> None:
    """Before, `down` stopped every task in its cluster."""
    ecs, cloud = small.cloud.client("ecs", hidden=True), small.cloud
    network = {"awsvpcConfiguration": {"subnets": [small.record("subnet.public-a")["id"]]}}
    definition = ecs.describe_task_definition(taskDefinition="voting-web")["taskDefinition"]
    ecs.register_task_definition(
        family="guest", containerDefinitions=definition["containerDefinitions"], networkMode="awsvpc", cpu="256",
        memory="512", requiresCompatibilities=["FARGATE"], executionRoleArn=definition["executionRoleArn"],
    )  # fmt: skip
    started = ecs.run_task(cluster="voting", taskDefinition="guest", launchType="FARGATE", networkConfiguration=network)
    task = started["tasks"][0]["taskArn"]
    until(lambda: ecs.describe_tasks(cluster="voting", tasks=[task])["tasks"][0]["lastStatus"] == "RUNNING")
    assert blockers(small)[task]["keys"] == ["cluster.main", "subnet.public-a"]
    run = small.run("down", "-y").ended(1)
    assert "a task of guest:1, which is not this stack's" in run.text and "stop it" in run.text
    assert ecs.describe_tasks(cluster="voting", tasks=[task])["tasks"][0]["lastStatus"] == "RUNNING"
    ecs.stop_task(cluster="voting", task=task)
    ecs.deregister_task_definition(taskDefinition="guest:1")
    small.run("down", "-y").ended(0)
    until(cloud.is_empty)


def test_protection_that_somebody_switched_on_by_hand_is_in_the_way_and_our_own_is_not(project: Project) -> None:
    project.file.write_text((SMALL % 1).replace("port: 8080", "port: 8080\n    load_balancer: {scheme: public}"))
    project.run("up").ended(0)
    elb = project.cloud.client("elbv2", hidden=True)
    arn = project.record("load-balancer.web")["id"]
    on = [{"Key": "deletion_protection.enabled", "Value": "true"}]
    elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=on)
    assert blockers(project)[arn]["kind"] == "block"
    run = project.down().ended(1)
    assert "held by its deletion protection" in run.err and "switch it off there" in run.text
    project.edit(("{scheme: public}", "{scheme: public, protect: true}"))
    project.run("up").ended(0)
    assert blockers(project)[arn]["kind"] == "lifted"
    project.down().ended(0)
    assert project.cloud.is_empty()


def test_the_sweep_names_what_bears_the_stacks_name_and_leaves_it_alone(small: Project) -> None:
    logs, manager = (small.cloud.client(name, hidden=True) for name in ("logs", "secretsmanager"))
    logs.create_log_group(logGroupName="/deployer/voting/stray")
    manager.delete_secret(SecretId="voting/key", RecoveryWindowInDays=7)
    run = small.run("down", "-y").ended(1)
    assert "1 left" in run.out and "log-group.stray (/deployer/voting/stray) bears this stack's name" in run.err
    assert "delete it by hand" in run.text
    assert not manager.list_secrets(IncludePlannedDeletion=True)["SecretList"], "its name would not be free"
    again = small.run("down", "-y", "--json").ended(1).summary
    assert again["left"] == 1 and again["left_behind"][0]["id"] == "/deployer/voting/stray"
    logs.delete_log_group(logGroupName="/deployer/voting/stray")
    assert "0 left" in small.run("down", "-y").ended(0).out


def test_what_is_replaced_names_its_holder_too(small: Project) -> None:
    bastion = interface(small, "bastion")
    small.edit(("region: us-east-1", "region: us-east-1\nnetwork: {cidr: 10.7.0.0/16}"))
    run = small.run("up", "-y").ended(1)
    assert "Deleting group.web~1" in run.text and f"held by bastion ({bastion})" in run.text
    drop(small, bastion)
    small.run("up", "-y").ended(0)
    assert not [key for record in small.state["records"] if "~" in (key := record["key"])]
