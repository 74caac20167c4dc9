"""A hundred services cost what a hundred services cost, not the square of it. Speeds: benchmarks/scale.py."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import deployer.resources  # noqa: F401  makes every resource type known
from deployer import config, plan, stack
from deployer.place import Place
from deployer.resource import Resource
from deployer.state import Record

FRONTS = 10


def large(count: int) -> str:
    """A stack of so many services; the first ten have load balancers, and the others refer to them."""
    lines = []
    for number in range(count):
        more = f"environment: {{UP: '${{services.s{number % FRONTS}.host}}'}}"
        more = "port: 8080, load_balancer: internal" if number < FRONTS else more
        lines.append(f"  s{number}: {{image: 'registry.invalid/app@sha256:{number:064x}', {more}}}\n")
    return "name: large\nservices:\n" + "".join(lines)


def work(path: Path, count: int, recorded: dict[str, Record]) -> tuple[int, plan.Plan]:
    """How many Python functions are called from the file to the plan."""
    path.write_text(large(count))
    place = Place("123456789012", "us-east-1", "aws", ["a", "b"], path.parent, "id", {})
    calls = 0

    def count_one(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count_one)
    try:
        made = plan.make(stack.build(config.load(path, environ={}).config, place, recorded), recorded)
    finally:
        sys.setprofile(None)
    return calls, made


def made(resource: Resource) -> dict[str, Any]:
    """Its inputs once everything has its id."""
    return resource.resolved(lambda ref: f"{ref.output}-{ref.key}").inputs


def test_our_own_work_grows_with_the_number_of_services(tmp_path: Path) -> None:
    path = tmp_path / "deploy.yaml"
    work(path, 1, {})
    few, many = work(path, 50, {})[0], work(path, 100, {})[0]
    assert few > 10_000 and many < 2.3 * few, (few, many)
    assert many < 500_000  # a tenth of a second


def test_our_own_work_grows_so_with_what_is_recorded_too(tmp_path: Path) -> None:
    path, counts = tmp_path / "deploy.yaml", []
    for count in (50, 100):
        _, fresh = work(path, count, {})
        records = {
            step.key: Record(step.key, step.resource.type, f"id-{step.key}", "ready", made(step.resource))
            for step in fresh.steps
            if step.resource
        }
        calls, again = work(path, count, records)
        assert len(again.steps) > 8 * count
        counts.append(calls)
    assert counts[1] < 2.3 * counts[0], counts
