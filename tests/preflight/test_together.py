"""All problems in one error, nothing changed; and where nothing is to be done, nothing is asked."""

from __future__ import annotations

from tests.whole.project import IMAGES, Project, Terminal

SECRET = ("  redis-password: {generate: 32} ", "  redis-password: {from_env: PASSWORD_OF_REDIS} ")
PROBLEMS = (
    "cluster.main: arn:aws:ecs:us-east-1:123456789012:cluster/voting exists already",
    "quota: VPCs in us-east-1: 1 of 1 are in use",
    "secret.redis-password: the environment variable PASSWORD_OF_REDIS is not set.",
)


def blocked(project: Project) -> None:
    project.cloud.client("ecs").create_cluster(clusterName="voting")
    project.cloud.quota("vpc", "L-F678F1CE", 1)
    project.edit(SECRET)


def test_up_tells_all_problems_at_once_and_changes_nothing(project: Project) -> None:
    blocked(project)
    run = project.up().ended(1)
    assert run.mutations == [] and not project.state_file.exists()
    assert "Error: 3 problems stand in the way:" in run.err and run.err.strip().endswith("Nothing was changed.")
    assert [problem for problem in PROBLEMS if f"\n- {problem}" not in run.err] == []
    assert "\x1b" not in run.err and run.out == ""

    run = project.up("--json").ended(1)
    failed = [event for event in run.events if event["event"] == "failed"]
    assert len(failed) == run.summary["failed"] == len(run.summary["problems"]) == 3
    assert all(event["hint"] for event in failed) and run.mutations == []


def test_what_is_only_a_fault_of_usage_exits_with_2(project: Project) -> None:
    project.edit(SECRET)
    run = project.up().ended(2)
    assert run.err.count("Error: ") == 1 and PROBLEMS[2] in run.err and run.mutations == []


def test_plan_shows_them_under_the_plan_and_ends_as_ever(project: Project) -> None:
    blocked(project)
    run = project.plan().ended(0)
    assert [problem for problem in PROBLEMS if f"\nIn the way: {problem}" not in run.out] == []
    assert run.mutations == [] and run.out.index("to create") < run.out.index("In the way")
    run = project.run("plan", *IMAGES, "--json", "--detailed-exitcode").ended(2)
    assert len(run.json["problems"]) == 3 and run.json["warnings"] == []


def test_on_a_terminal(project: Project) -> None:
    blocked(project)
    shown = Terminal.begin(project, "up", *IMAGES, env={"NO_COLOR": "1"}).end(1)
    assert "3 problems stand in the way" in shown and "\x1b[3" not in shown


def test_with_nothing_to_do_nothing_is_checked(project: Project) -> None:
    project.stand()
    project.cloud.quota("vpc", "L-F678F1CE", 1)
    for run in (project.up().ended(0), project.plan().ended(0)):
        asked = {str(call) for call in run.calls}
        assert len(run.calls) <= 27, sorted(asked)
        assert not asked & {"iam.GetAccountSummary", "iam.GetRole", "servicequotas.ListServiceQuotas"}
    project.edit(("count: 1", "count: 2"))
    run = project.up().ended(0)
    assert not {str(call) for call in run.calls} & {"iam.GetAccountSummary", "servicequotas.ListServiceQuotas"}


def test_a_region_that_is_not_enabled(project: Project) -> None:
    words = "The security token included in the request is invalid."
    project.cloud.fault("error", service="sts", code="InvalidClientTokenId", message=words, status=403)
    run = project.up().ended(2)
    assert "The region us-east-1 is not enabled in this account" in run.err and "enable-region" in run.err


def test_a_region_that_nobody_has_heard_of(project: Project) -> None:
    env = {"AWS_ENDPOINT_URL": "", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true", "https_proxy": ""}
    run = project.up("--region", "us-east-99", env=env).ended(2)
    assert "us-east-99 is no AWS region, as far as is known here" in run.err


def test_zones_without_fargate_are_left_out(project: Project) -> None:
    """us-east-1e is use1-az3 here."""
    project.edit(("zones: 2 ", "zones: 5 "))
    run = project.run("plan", *IMAGES, "--json").ended(0)
    assert "subnet.public-e" in {step["key"] for step in run.json["steps"]}
    project.edit(("zones: 5 ", "zones: 6 "))
    assert "us-east-1 has 5 availability zones with Fargate" in project.plan().ended(2).err
