"""What was changed by hand is named field by field, put back by `up`, and then there is nothing more to do.

All changes are made in one stack at once: a test for each looks at what was said and done.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.cloud import Cloud
from tests.whole.drifting import ALL, CHANGES, Change, Hand
from tests.whole.project import Project, Run, Warm


@dataclass
class Story:
    """One stack: deployed, changed by hand, looked at, mended."""

    project: Project
    before: list[Any] = field(default_factory=list)
    after: list[Any] = field(default_factory=list)
    runs: dict[str, Run] = field(default_factory=dict)

    def step(self, key: str) -> Any:
        return next(step for step in self.runs["plan --json"].json["steps"] if step["key"] == key)

    def resource(self, key: str, run: str = "status --json") -> Any:
        return next(one for one in self.runs[run].json["resources"] if one["key"] == key)


@pytest.fixture(scope="module")
def story(cloud_process: Cloud, warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    cloud_process.reset()
    cloud_process.tempo(task=0.02, drain=0.02, nat=0.02)
    project = Project(cloud_process, tmp_path_factory.mktemp("drift"), start=warm)
    project.edit(("nat: none", "nat: single"))
    project.up().ended(0)
    hand, story = Hand(project), Story(project)
    story.before = [change.look(hand) for change in CHANGES]
    for change in CHANGES:
        change.make(hand)
    story.runs["plan"] = project.plan()
    story.runs["plan --json"] = project.plan("--json")
    story.runs["status"] = project.run("status")
    story.runs["status --json"] = project.run("status", "--json")
    story.runs["up"] = project.up("--json")
    story.after = [change.look(hand) for change in CHANGES]
    story.runs["second up"] = project.up()
    story.runs["second status"] = project.run("status", "--json")
    yield story
    assert not cloud_process.errors(), "the cloud itself failed"


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_a_change_by_hand_is_named_and_put_back(story: Story, change: Change) -> None:
    step = story.step(change.key)
    assert step["action"] == "update" and "changed in the account: " in step["reason"]
    assert any(one.startswith(change.said) for one in step["drift"]), step["drift"]
    assert change.said in story.runs["plan"].text and f"~ {change.key}" in story.runs["plan"].out
    seen = story.resource(change.key)
    assert seen["state"] == "drifted" and any(one.startswith(change.said) for one in seen["drift"])
    assert f"drifted {change.key}" in story.runs["status"].text and change.said in story.runs["status"].text
    begun = [one for one in story.runs["up"].events if (one["event"], one.get("key")) == ("started", change.key)]
    assert change.said in begun[0]["message"]
    number = CHANGES.index(change)
    assert story.after[number] == story.before[number]


def test_after_that_there_is_nothing_to_do(story: Story) -> None:
    assert story.runs["up"].ended(0).summary["failed"] == 0
    again = story.runs["second up"].ended(0)
    assert again.mutations == [] and "nothing to do" in again.out
    document = story.runs["second status"].ended(0).json
    assert {one["state"] for one in document["resources"]} == {"present"} and document["healthy"]


def test_only_what_was_changed_is_changed(story: Story) -> None:
    changed = {step["key"] for step in story.runs["plan --json"].json["steps"] if step["action"] != "keep"}
    assert changed == {change.key for change in CHANGES}
    assert not story.runs["plan"].mutations and not story.runs["status"].mutations


def test_a_secret_that_is_scheduled_for_deletion_is_restored(story: Story) -> None:
    assert story.runs["status --json"].json["healthy"] is False
    assert "secretsmanager.RestoreSecret" in story.runs["up"].mutations
    assert "secretsmanager.CreateSecret" not in story.runs["up"].mutations


def test_what_was_seen_is_not_recorded(story: Story) -> None:
    assert not [record["key"] for record in story.project.state["records"] if "now" in record["outputs"]]


def test_without_the_permission_to_look_there_is_no_drift_and_no_failure(story: Story) -> None:
    hand = Hand(story.project)
    policy = json.dumps(ALL)
    hand.iam.put_role_policy(RoleName=hand["role.web_task"], PolicyName="more", PolicyDocument=policy)
    try:
        story.project.cloud.fault("error", "iam", "GetAccountAuthorizationDetails", code="AccessDenied", status=403)
        assert "nothing to do" in story.project.plan().ended(0).out
        assert "other policies: more was added" in story.project.plan().ended(0).out
    finally:
        story.project.cloud.clear_faults()
        hand.iam.delete_role_policy(RoleName=hand["role.web_task"], PolicyName="more")


def test_a_record_of_an_older_deployer_shows_no_drift(story: Story) -> None:
    """Its outputs were fewer, or of another form."""
    state = story.project.state
    for record in state["records"]:
        if record["type"] == "rules":
            record["outputs"] = {"rules": "3fa2c18b90d1"}
        if record["type"] == "service":
            record["outputs"] = {"task_definition": record["inputs"]["task_definition"], "count": 1}
    story.project.state_file.write_text(json.dumps(state))
    resources = story.project.run("status", "--json").ended(0).json["resources"]
    assert {one["state"] for one in resources} == {"present"}
    run = story.project.up().ended(0)
    assert run.mutations == [] and "nothing to do" in run.out


def test_drift_alone_does_not_make_a_stack_unhealthy(story: Story) -> None:
    hand = Hand(story.project)
    hand.logs.put_retention_policy(logGroupName=hand["log-group.web"], retentionInDays=1)
    run = story.project.run("status", "--check").ended(0)
    assert "retention: 1 days instead of 30 days" in run.out and "not healthy" not in run.out
    story.project.up().ended(0)
