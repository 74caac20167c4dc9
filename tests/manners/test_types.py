"""The life of every resource type with all of AWS's manners on: made, seen to be there, changed, replaced, removed."""

from __future__ import annotations

import time

import pytest

from tests.resources import (
    test_ec2_types,
    test_ecr_types,
    test_ecs_types,
    test_elb_types,
    test_iam_types,
    test_other_types,
)
from tests.resources.lifecycle import Account, Case

MODULES = (test_ec2_types, test_ecr_types, test_ecs_types, test_elb_types, test_iam_types, test_other_types)
CASES = [case for module in MODULES for case in module.CASES]
SECONDS = {
    "unseen": 0.04, "linked_role": 0.04, "unassumable": 0.06, "role_arns": 0.04, "nat": 0.05, "provisioning": 0.05,
    "certificates": 0.05, "target_groups": 0.04, "interfaces": 0.08, "draining": 0.05, "forgotten": 0.05,
    "secret_names": 0.05, "throttling": 25, "lost": 7,
}  # fmt: skip


@pytest.fixture
def worse(account: Account, monkeypatch: pytest.MonkeyPatch) -> Account:
    """Only no NAT gateway fails: a run does not survive that (see test_stacks)."""
    account.cloud.manners("all", nat_failed=0, **SECONDS)
    monkeypatch.setenv("THE_VALUE", "as given")
    return account


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_life_among_all_manners(case: Case, worse: Account) -> None:
    """Each `up` converges by itself, each plan after it is idle, and in the end nothing is left."""
    case.ready(worse)
    wanted = [*case.beneath, case.subject]
    change = case.change.inputs if case.change else {}
    for inputs in [{}, *([case.replaced] if case.replaced else []), *([case.replaced | change] if change else [])]:
        wanted[-1] = case.other(inputs)
        worse.up(*wanted)
        time.sleep(SECONDS["unseen"])  # the record of a test is of no moment: nothing is waited for after it
        assert not worse.plan(*wanted).changes
    if case.change and not case.replaced:
        assert case.change.look(worse, worse.id(case.subject.key)) == case.change.after
    worse.up()
    assert worse.cloud.is_empty(), worse.cloud.inventory()
    assert worse.state.records == {}
