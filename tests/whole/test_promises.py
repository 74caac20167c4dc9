"""The nine promises, each kept on the command line."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from tests.whole.project import IMAGES, Project, Run, until


def ids(project: Project) -> dict[str, str]:
    return {record["key"]: record["id"] for record in project.state["records"]}


# 1


def test_the_second_up_does_nothing_and_says_so(project: Project) -> None:
    assert "created" in project.up().ended(0).out
    before = project.state_file.read_bytes()
    again = project.up().ended(0)
    assert again.mutations == []
    assert "nothing to do" in again.out
    assert project.state_file.read_bytes() == before


def test_the_second_up_counts_everything_as_unchanged(project: Project) -> None:
    created = project.up("--json").ended(0).summary["created"]
    summary = project.up("--json").ended(0).summary
    assert summary["unchanged"] == created == len(project.state["records"])
    assert not any(summary[name] for name in ("created", "updated", "replaced", "deleted", "failed"))


# 2 (at every call: tests/campaign)


def test_a_killed_up_is_finished_by_the_next_one(project: Project) -> None:
    project.cloud.fault("kill-after", mutating=True, nth=30)
    assert project.up().code == -signal.SIGKILL
    project.up().ended(0)
    assert len(project.cloud.inventory()["vpcs"]) == 1
    assert project.up().ended(0).mutations == []


def test_a_killed_up_is_taken_away_by_down(project: Project) -> None:
    before = project.cloud.inventory()
    project.cloud.fault("kill-before", mutating=True, nth=30)
    assert project.up().code == -signal.SIGKILL
    project.down().ended(0)
    assert project.cloud.inventory() == before and project.cloud.is_empty()


# 3


@pytest.mark.parametrize("call", ["ec2.CreateVpc", "ecs.CreateService", "elbv2.CreateLoadBalancer", "ec2.CreateSubnet"])
def test_a_call_whose_answer_was_lost_is_not_repeated_blindly(project: Project, call: str) -> None:
    undisturbed = project.up().ended(0)
    whole = project.cloud.inventory()
    project.down().ended(0)
    service, operation = call.split(".")
    project.cloud.fault("lost", service=service, operation=operation)
    run = project.up().ended(0)
    assert run.mutations.count(call) == undisturbed.mutations.count(call)
    assert project.cloud.inventory() == whole


# 4


def test_a_lost_state_is_rebuilt_from_the_tags_and_the_next_up_changes_nothing(project: Project) -> None:
    project.edit(("build: .", "image: registry.invalid/web:1"), ("redis:7-alpine", "registry.invalid/redis:7"))
    project.run("up").ended(0)
    before, stack = ids(project), project.state["id"]
    project.state_file.unlink()
    assert project.run("state", "rebuild").ended(0).mutations == []
    assert ids(project) == before and project.state["id"] == stack
    assert project.run("up").ended(0).mutations == []


def test_the_rebuilt_state_is_enough_to_remove_everything(project: Project) -> None:
    project.edit(("build: .", "image: registry.invalid/web:1"))
    project.up().ended(0)
    project.state_file.unlink()
    project.run("state", "rebuild").ended(0)
    project.down().ended(0)
    assert project.cloud.is_empty()


@pytest.mark.parametrize("args", [("up", *IMAGES, "-y"), ("plan", *IMAGES), ("down", "-y")])
def test_without_its_state_a_stack_is_left_alone_and_both_ways_on_are_named(
    project: Project, args: tuple[str, ...]
) -> None:
    project.up().ended(0)
    stack = project.state["id"]
    project.state_file.unlink()
    run = project.run(*args).ended(1)
    assert run.mutations == []
    assert "state rebuild" in run.err and "name" in run.err and stack in run.err


# 5


def gone_log_group(cloud: Any, state: dict[str, str]) -> str:
    cloud.client("logs", hidden=True).delete_log_group(logGroupName=state["log-group.web"])
    return "log-group.web"


def gone_service(cloud: Any, state: dict[str, str]) -> str:
    cloud.client("ecs", hidden=True).delete_service(cluster="voting", service="web", force=True)
    until(lambda: not cloud.inventory()["services"] or len(cloud.inventory()["services"]) == 1)
    return "service.web"


def gone_secret(cloud: Any, state: dict[str, str]) -> str:
    manager = cloud.client("secretsmanager", hidden=True)
    manager.delete_secret(SecretId=state["secret.redis-password"], ForceDeleteWithoutRecovery=True)
    return "secret.redis-password"


def gone_rules(cloud: Any, state: dict[str, str]) -> str:
    ec2 = cloud.client("ec2", hidden=True)
    filters = [{"Name": "group-id", "Values": [state["group.web"]]}]
    rules = ec2.describe_security_group_rules(Filters=filters)["SecurityGroupRules"]
    ingress = [rule["SecurityGroupRuleId"] for rule in rules if not rule["IsEgress"]]
    ec2.revoke_security_group_ingress(GroupId=state["group.web"], SecurityGroupRuleIds=ingress)
    return "rules.web"


def gone_route(cloud: Any, state: dict[str, str]) -> str:
    table, _, cidr = state["route.public-out"].partition("|")
    cloud.client("ec2", hidden=True).delete_route(RouteTableId=table, DestinationCidrBlock=cidr)
    return "route.public-out"


def gone_association(cloud: Any, state: dict[str, str]) -> str:
    cloud.client("ec2", hidden=True).disassociate_route_table(AssociationId=state["association.public-a"])
    return "association.public-a"


def gone_flow_log(cloud: Any, state: dict[str, str]) -> str:
    cloud.client("ec2", hidden=True).delete_flow_logs(FlowLogIds=[state["flow-log.main"]])
    return "flow-log.main"


def gone_listener(cloud: Any, state: dict[str, str]) -> str:
    key = next(key for key in state if key.startswith("listener.web"))
    cloud.client("elbv2", hidden=True).delete_listener(ListenerArn=state[key])
    return key


def gone_role(cloud: Any, state: dict[str, str]) -> str:
    iam = cloud.client("iam", hidden=True)
    for policy in iam.list_role_policies(RoleName=state["role.web_exec"])["PolicyNames"]:
        iam.delete_role_policy(RoleName=state["role.web_exec"], PolicyName=policy)
    iam.delete_role(RoleName=state["role.web_exec"])
    return "role.web_exec"


def gone_task_definition(cloud: Any, state: dict[str, str]) -> str:
    cloud.client("ecs", hidden=True).deregister_task_definition(taskDefinition=state["task-definition.web"])
    return "task-definition.web"


@pytest.mark.parametrize("remove", [
    gone_log_group, gone_service, gone_secret, gone_route, gone_association, gone_flow_log, gone_listener, gone_role,
    gone_task_definition, gone_rules,
])  # fmt: skip
def test_what_was_deleted_by_hand_is_planned_and_made_again(project: Project, remove: Any) -> None:
    project.stand()
    whole = project.cloud.inventory()
    key = remove(project.cloud, ids(project))
    assert project.cloud.inventory() != whole
    plan = project.plan("--json").ended(0)
    assert key in {step["key"] for step in plan.json["steps"] if step["action"] != "keep"}
    assert project.plan("--detailed-exitcode").code == 2
    project.up().ended(0)
    found = project.cloud.inventory()
    assert found | {"task_definitions": []} == whole | {"task_definitions": []}  # there may be a new revision
    assert project.up().ended(0).mutations == []


def test_what_depended_on_something_deleted_by_hand_follows(project: Project) -> None:
    project.stand()
    balancer = ids(project)["load-balancer.redis"]
    project.cloud.client("elbv2", hidden=True).delete_load_balancer(LoadBalancerArn=balancer)
    status = project.run("status", "--json").ended(0).json
    assert next(one["state"] for one in status["resources"] if one["key"] == "load-balancer.redis") == "missing"
    project.up("-y").ended(0)
    host = project.record("load-balancer.redis")["outputs"]["host"]
    assert ids(project)["load-balancer.redis"] != balancer
    ecs = project.cloud.client("ecs", hidden=True)
    running = ecs.describe_services(cluster="voting", services=["web"])["services"][0]["taskDefinition"]
    container = ecs.describe_task_definition(taskDefinition=running)["taskDefinition"]["containerDefinitions"][0]
    assert {"name": "REDIS_HOST", "value": host} in container["environment"]
    assert project.up().ended(0).mutations == []


def test_a_network_deleted_by_hand_with_all_that_stood_in_it_is_made_again(project: Project) -> None:
    project.stand()
    whole = project.cloud.inventory()
    state = project.state
    project.down().ended(0)
    project.state_file.write_text(json.dumps(state))
    project.up("-y").ended(0)
    assert project.cloud.inventory() == whole
    assert project.up().ended(0).mutations == []


# 6


def refused(project: Project, service: str, operation: str) -> Run:
    project.cloud.fault("error", service=service, operation=operation, code="AccessDenied", message="not for you")
    return project.up("--json")


def test_a_failed_step_stops_only_what_depends_on_it(project: Project) -> None:
    run = refused(project, "ecs", "CreateCluster").ended(1)
    keys = {record["key"] for record in project.state["records"] if record["status"] == "ready"}
    assert {"vpc.main", "load-balancer.web", "task-definition.web", "rules.web", "flow-log.main"} <= keys
    assert not keys & {"cluster.main", "service.web", "service.redis"}
    assert run.summary["failed"] == 1


def test_the_causes_are_shown_not_the_consequences(project: Project) -> None:
    project.cloud.fault("error", service="ec2", operation="CreateVpc", code="VpcLimitExceeded", message="too many")
    run = project.up().ended(1)
    assert run.err.count("Error:") == 1
    assert "vpc.main" in run.text and "VpcLimitExceeded" in run.text and "too many" in run.text
    assert "not begun" in run.text


def test_everything_made_beside_a_failure_is_recorded(project: Project) -> None:
    refused(project, "elbv2", "CreateLoadBalancer").ended(1)
    project.down().ended(0)
    assert project.cloud.is_empty()


def test_after_a_failure_the_next_up_goes_on(project: Project) -> None:
    refused(project, "ecs", "RegisterTaskDefinition").ended(1)
    project.up().ended(0)
    assert project.up().ended(0).mutations == []


# 7 (the second Ctrl-C and SIGTERM: test_commands.py)


def test_ctrl_c_finishes_and_records_what_has_begun_and_starts_nothing_new(project: Project) -> None:
    whole_calls = len(project.up().ended(0).mutations)
    whole = project.cloud.inventory()
    project.down().ended(0)
    project.cloud.latency(0.05)
    project.cloud.forget_calls()
    process = project.begin("up", *IMAGES)
    until(lambda: sum(call.mutating for call in project.cloud.calls()) >= 8)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    project.cloud.latency(0)
    assert "Traceback" not in err and "again to continue" in err
    assert sum(call.mutating for call in project.cloud.calls()) < whole_calls
    recorded = [record for record in project.state["records"] if record["id"] is None]
    assert recorded == []
    project.up().ended(0)
    assert project.cloud.inventory() == whole


# 8


def test_down_where_nothing_exists_is_success(project: Project) -> None:
    run = project.down().ended(0)
    assert run.mutations == [] and "0 left" in run.out
    assert project.run("down").ended(0).mutations == []  # nothing to ask about


def test_down_twice_is_success(project: Project) -> None:
    project.stand()
    project.down().ended(0)
    assert project.cloud.is_empty()
    assert project.down().ended(0).mutations == []


# 9: test_output.py


def test_a_changed_port_leaves_the_old_tasks_reachable_until_the_new_ones_serve(project: Project) -> None:
    project.stand()
    before = ids(project)
    project.edit(("port: 8080", "port: 9090"))
    run = project.up().ended(0)
    calls = run.mutations
    rolled = calls.index("ecs.UpdateService")
    assert calls.index("ec2.AuthorizeSecurityGroupIngress") < rolled < calls.index("ec2.RevokeSecurityGroupIngress")
    assert ids(project)["target-group.web"] == before["target-group.web"], "the listener would lead nowhere for a while"
    assert "elbv2.ModifyListener" not in calls
    assert project.up().ended(0).mutations == []


def test_a_rule_opened_by_hand_is_closed_again(project: Project) -> None:
    project.stand()
    whole = project.cloud.inventory()
    everything = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    project.cloud.client("ec2", hidden=True).authorize_security_group_ingress(
        GroupId=ids(project)["group.web"], IpPermissions=everything
    )
    assert "rules.web" in project.plan().ended(0).out
    project.up().ended(0)
    assert project.cloud.inventory() == whole
