"""A sample of the campaign, over all stacks, stages and faults; and that it notices what is wrong."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.campaign import account
from tests.campaign.__main__ import chosen, parser, refuse
from tests.campaign.journal import Journal, page, read
from tests.campaign.play import Campaign, Scene
from tests.campaign.points import FAULTS, Calls, Point, every, pairs, sample
from tests.campaign.stages import STACKS
from tests.campaign.yard import Result, Yard

WORKERS = 4
AWAY = 0.5  # seconds: already longer than a client's first tries
# Points of each fault; those of `down` take the least time, and those of four services the most.
OF_EACH_FAULT = {
    ("voting", "up"): 3, ("voting", "replace"): 3, ("voting", "gateways"): 3, ("voting", "down"): 8,
    ("four", "up"): 1, ("four", "replace"): 1, ("four", "down"): 2,
}  # fmt: skip
PAIRS = 1  # in each stage
SEED = int(os.environ.get("CAMPAIGN_SEED") or random.randrange(10**6))
STAGES = [(stack.name, stage.name) for stack in STACKS.values() for stage in stack.stages]
CALLS: Calls = {("voting", "up"): ["ec2.CreateVpc"] * 60, ("four", "down"): ["ec2.DeleteVpc"] * 80}


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    with Yard(tmp_path_factory.mktemp("campaign"), WORKERS) as made:
        yield made


@pytest.fixture(scope="module")
def campaign(yard: Yard) -> Campaign:
    print(f"CAMPAIGN_SEED={SEED}")  # shown with a failure; set it to play the very same points again
    return yard.prepare(STACKS, away=AWAY)


def test_the_sample_has_at_least_150_points() -> None:
    assert sum(len(FAULTS) * OF_EACH_FAULT[stage] + PAIRS for stage in STAGES) >= 150


@pytest.mark.timeout(900)
@pytest.mark.parametrize("stack, stage", STAGES)
def test_whatever_goes_wrong_at_any_call_the_next_run_mends_it_and_down_leaves_nothing(
    yard: Yard, campaign: Campaign, stack: str, stage: str
) -> None:
    calls = {(stack, stage): campaign.calls[stack, stage]}
    assert len(calls[stack, stage]) > 10
    dice = random.Random(f"{SEED} {stack} {stage}")
    points = sample(every(calls), len(FAULTS) * OF_EACH_FAULT[stack, stage], dice) + pairs(calls, PAIRS, dice)
    lost = [result for result in yard.play(points, campaign) if result.problem]
    told = "\n\n".join(f"{result.point.replay}\n{result.problem}" for result in lost)
    assert not lost, f"{len(lost)} of {len(points)} points not survived:\n{told}"


# What it notices.


@pytest.fixture
def standing(yard: Yard, campaign: Campaign) -> Iterator[tuple[Scene, Campaign]]:
    """The voting app, standing undisturbed."""
    before = campaign.undisturbed["voting", "up"]
    with yard.borrowed() as worker, worker.scene(STACKS["voting"], "standing") as scene:
        scene.begin(STACKS["voting"].stage("down"), campaign.undisturbed["voting", "down"].start)
        account.same(scene.cloud.inventory(), before.leaves)
        account.agrees(scene.project.state, scene.cloud.survey()[1])
        yield scene, campaign


def noticed(scene: Scene, campaign: Campaign) -> tuple[str, str]:
    """What the comparisons with the undisturbed account and with the record say."""
    found, keys = scene.cloud.survey()
    with pytest.raises(AssertionError) as in_account:
        account.same(found, campaign.undisturbed["voting", "up"].leaves)
    with pytest.raises(AssertionError) as in_record:
        account.agrees(scene.project.state, keys)
    return str(in_account.value), str(in_record.value)


def test_what_was_deleted_behind_its_back_is_noticed(standing: tuple[Scene, Campaign]) -> None:
    scene, campaign = standing
    scene.cloud.client("logs").delete_log_group(logGroupName="/deployer/voting/web")
    in_account, in_record = noticed(scene, campaign)
    assert "log_groups: too many [], missing ['log-group.web 30']" in in_account
    assert in_record == "recorded and not in the account: ['log-group.web']"


def test_an_orphan_is_noticed(standing: tuple[Scene, Campaign]) -> None:
    scene, campaign = standing
    tags = {"deployer:stack": "voting", "deployer:key": "log-group.orphan"}
    scene.cloud.client("logs").create_log_group(logGroupName="orphan", tags=tags)
    in_account, in_record = noticed(scene, campaign)
    assert in_account.startswith("log_groups: too many ['log-group.orphan for ever']")
    assert in_record.startswith("in the account and not recorded: log-group.orphan")


def test_a_twin_is_noticed(standing: tuple[Scene, Campaign]) -> None:
    scene, campaign = standing
    tags = [{"Key": "deployer:key", "Value": "igw.main"}]
    specification = {"ResourceType": "internet-gateway", "Tags": tags}
    scene.cloud.client("ec2").create_internet_gateway(TagSpecifications=[specification])
    with pytest.raises(AssertionError, match=r"internet_gateways: too many \['igw.main at '\]"):
        account.same(scene.cloud.inventory(), campaign.undisturbed["voting", "up"].leaves)


def test_a_record_that_is_not_ready_is_noticed(standing: tuple[Scene, Campaign]) -> None:
    scene, _ = standing
    state = scene.project.state
    state["records"][3]["status"] = "deleting"
    with pytest.raises(AssertionError, match="recorded as not ready"):
        account.agrees(state, scene.cloud.survey()[1])


def test_a_point_that_is_not_survived_comes_with_the_command_that_plays_it_again(
    yard: Yard, campaign: Campaign
) -> None:
    place = ("voting", "up")
    other = replace(campaign.undisturbed[place], leaves={**campaign.undisturbed[place].leaves, "vpcs": ["another"]})
    wrong = replace(campaign, undisturbed={place: other})
    point = Point(*place, (("kill-after", 7),))
    [result] = yard.play([point], wrong)
    assert result.problem.startswith("vpcs: too many ['vpc.main 10.0.0.0/16'], missing ['another']")
    journal = Journal(results=[result])
    assert f"- `{point.replay}`: vpcs: too many" in page(journal)
    assert "| voting | up | 0 / 1 | 0 / 1 |" in page(journal)


@pytest.mark.parametrize("strikes", [(("lost", 3),), (("kill-before", 12), ("expired", 40))])
def test_the_command_that_plays_a_point_again_means_that_point(strikes: tuple[tuple[str, int], ...]) -> None:
    point = Point("four", "down", strikes)
    command, arguments = point.replay.split(" --", 1)
    assert command == "python -m tests.campaign"
    options = parser().parse_args(f"--{arguments}".split())
    refuse(options)
    assert chosen(options, CALLS, random.Random(1)) == [point]
    assert read(str(point)) == point


def test_a_campaign_that_was_cut_off_goes_on_with_its_seed_and_plays_no_point_twice(tmp_path: Path) -> None:
    points = every(CALLS)[:3]
    journal = Journal.open(tmp_path / "journal", 41)
    for point, problem in zip(points, ("", "a vpc too many", ""), strict=True):
        journal.add(Result(point, problem, True, 1.5))
    journal.ended(60)
    again = Journal.open(tmp_path / "journal", 42)
    assert (again.seed, again.played, again.seconds) == (41, set(points), 60)
    assert [result.problem for result in again.failures] == ["a vpc too many"]


def test_the_same_seed_chooses_the_same_points_and_parts_share_them_out() -> None:
    def of(*words: str) -> list[Point]:
        return chosen(parser().parse_args(["--pairs", "20", *words]), CALLS, random.Random(5))

    assert of() == of()
    assert len(of()) == (60 + 80) * len(FAULTS) + 20 == len(set(of()))
    assert sorted(map(str, of("--part", "1/2") + of("--part", "2/2"))) == sorted(map(str, of()))
    sampled = sample(every(CALLS), 28, random.Random(5))
    assert {(point.stack, point.fault) for point in sampled} == {(name, fault) for name, _ in CALLS for fault in FAULTS}
