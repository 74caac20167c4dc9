"""The comparison with Terraform, without Terraform: the same objects on both sides, and figures that add up."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.compare import under_way
from benchmarks.report import PLACE, Report, Row
from benchmarks.terraform import CHANGE, SOURCE, missing
from deployer import config as configuration
from deployer import stack
from deployer.place import Place
from tests.cloud import Call
from tests.whole.project import ROOT

DIGEST = "@sha256:" + "a" * 64
SAME = {  # a type of deployer and Terraform's; `rules` and a role's policy are more than one there
    "association": "aws_route_table_association",
    "cluster": "aws_ecs_cluster",
    "default-group": "aws_default_security_group",
    "flow-log": "aws_flow_log",
    "group": "aws_security_group",
    "igw": "aws_internet_gateway",
    "listener": "aws_lb_listener",
    "load-balancer": "aws_lb",
    "log-group": "aws_cloudwatch_log_group",
    "role": "aws_iam_role",
    "route": "aws_route",
    "route-table": "aws_route_table",
    "secret": "aws_secretsmanager_secret",
    "service": "aws_ecs_service",
    "subnet": "aws_subnet",
    "target-group": "aws_lb_target_group",
    "task-definition": "aws_ecs_task_definition",
    "vpc": "aws_vpc",
}


def test_the_hcl_has_the_same_objects_as_the_stack_of_deploy_yaml() -> None:
    config = configuration.load(ROOT / "deploy.yaml", None, {}).config
    zones = ["us-east-1a", "us-east-1b"]
    images = {name: f"registry.invalid/{name}{DIGEST}" for name in config.services}
    place = Place("123456789012", "us-east-1", "aws", zones, ROOT, "0123456789ab", {}, images=images)
    wanted: Counter[str] = Counter()
    for one in stack.build(config, place, {}):
        if one.type == "rules":
            wanted.update(f"aws_vpc_security_group_{rule['direction']}_rule" for rule in one.rules)  # type: ignore[attr-defined]
        elif one.type != "pin":  # the reference of an image: nothing in the account
            wanted[SAME[one.type]] += 1
        if one.type == "role" and one.statements:  # type: ignore[attr-defined]
            wanted["aws_iam_role_policy"] += 1
        if one.type == "secret":
            wanted["aws_secretsmanager_secret_version"] += 1
    text = SOURCE.read_text()
    assert Counter(re.findall(r'^resource "(\w+)" "\w+"', text, re.MULTILINE)) == wanted
    assert not re.search(r"^  (count|for_each) ", text, re.MULTILINE), "then a line is no object any more"
    assert text.count(CHANGE[0]) == 1


def call(started: float, finished: float) -> Call:
    return Call(1, "ec2", "DescribeVpcs", False, started, finished, 200)


def test_seconds_in_calls_count_once_what_goes_on_at_the_same_time() -> None:
    assert under_way([call(10, 12), call(20, 21), call(11, 13), call(11, 12)]) == 4


def report() -> Report:
    made = Report("A day", 0.05, {"up": 10})
    made.add(0.0, {"deployer": {"up": Row(1.0, 0.5, 100, 50)}, "terraform": {"up": Row(60.0, 5.0, 200, 49)}})
    return made


def test_the_report_says_where_deployer_is_not_ahead() -> None:
    assert report().not_ahead() == ["behind: up, mutating calls: 50, terraform 49 (waits of 0 s)"]
    assert "| up | terraform | 60.0 | 5.0 | 200 | 49 | 10 | 0.50 | 120.0 |" in report().full()


def test_the_report_says_which_objects_are_not_the_same() -> None:
    made = report()
    made.same_objects({"deployer": {"rules": 11, "vpcs": 1}, "terraform": {"rules": 10, "vpcs": 1}})
    assert "not the same" in made.notes[0]
    assert "rules 11 / 10 (deployer / terraform)" in made.notes[0]


def test_the_readme_has_a_place_for_the_short_table(tmp_path: Path) -> None:
    file = tmp_path / "README.md"
    file.write_text((ROOT / "README.md").read_text())
    report().put_into(file)
    placed = PLACE.search(file.read_text())
    assert placed
    assert "| up | 1.0 / 60.0 | 0.5 / 5.0 | 100 / 200 | 50 / 49 | 0.50 |" in placed[0]


def test_without_terraform_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "`terraform` is not on the PATH" in missing()
