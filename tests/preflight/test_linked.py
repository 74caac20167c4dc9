"""The account's linked roles are made if they are missing, and never taken away."""

from __future__ import annotations

from tests.preflight.conftest import WEB, Ahead
from tests.whole.project import Project

ROLES = ("AWSServiceRoleForECS", "AWSServiceRoleForElasticLoadBalancing")
LINK = "iam.CreateServiceLinkedRole"


def linked(project: Project) -> list[str]:
    roles = project.cloud.client("iam").list_roles(PathPrefix="/aws-service-role/")["Roles"]
    return sorted(role["RoleName"] for role in roles)


def test_only_those_that_are_needed_and_missing(ahead: Ahead) -> None:
    assert ahead.look(WEB).linked == ["ecs.amazonaws.com"]
    text = WEB + "    load_balancer: public\n"
    assert ahead.look(text).linked == ["ecs.amazonaws.com", "elasticloadbalancing.amazonaws.com"]
    ahead.cloud.client("iam").create_service_linked_role(AWSServiceName="ecs.amazonaws.com")
    assert ahead.look(text).linked == ["elasticloadbalancing.amazonaws.com"]
    ahead.cloud.fault("error", service="iam", operation="GetRole", code="AccessDenied", times=99)
    assert ahead.look(text).linked == []


def test_up_makes_them_plan_does_not_and_down_leaves_them(project: Project) -> None:
    assert project.plan().ended(0).mutations == [] and linked(project) == []
    assert project.up().ended(0).mutations.count(LINK) == 2
    assert linked(project) == list(ROLES)
    project.down().ended(0)
    assert linked(project) == list(ROLES) and project.cloud.is_empty()
    assert LINK not in project.up().ended(0).mutations


def test_who_may_not_make_them_leaves_it_to_aws(project: Project) -> None:
    project.cloud.fault("error", service="iam", operation="CreateServiceLinkedRole", code="AccessDenied", times=99)
    project.up().ended(0)
    assert linked(project) == []
