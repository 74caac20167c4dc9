"""What a large stack meets in an account with the usual quotas is said offline."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.config import load


def doubts(folder: Path, services: list[str], more: str = "") -> list[str]:
    path = folder / "deploy.yaml"
    path.write_text(f"name: large\n{more}services:\n" + "".join(f"  {line}\n" for line in services))
    return [str(warning) for warning in load(path, environ={}).warnings]


def plain(count: int, more: str = "") -> list[str]:
    return [f"s{number}: {{image: 'a:1'{more}}}" for number in range(count)]


def calling(count: int, *names: str, more: str = "") -> list[str]:
    """Services that refer to all of `names`."""
    text = " ".join(f"${{services.{name}.host}}" for name in names)
    return plain(count, f", environment: {{UP: '{text}'}}{more}")


HUB = "hub: {image: 'a:1', port: 80, load_balancer: internal}"


def test_a_service_may_be_referred_to_by_as_many_as_a_group_has_rules(tmp_path: Path) -> None:
    assert doubts(tmp_path, [HUB, *calling(59)], "") == []
    assert doubts(tmp_path, [HUB, *calling(59, "hub")]) == []  # and one rule for its load balancer
    (said,) = doubts(tmp_path, [HUB, *calling(60, "hub")])
    assert "services.hub: 60 services refer to it" in said and "AWS allows 60" in said


def test_a_service_with_listed_ports_may_refer_to_thirty(tmp_path: Path) -> None:
    hubs = [HUB.replace("hub", f"h{number}") for number in range(30)]
    names = [f"h{number}" for number in range(30)]
    assert doubts(tmp_path, [*hubs, *calling(1, *names, more=", egress: all")]) == []
    (said,) = doubts(tmp_path, [*hubs, *calling(1, *names, more=", egress: [443]")])
    assert "services.s0.egress: its listed ports and references need 61 outbound rules" in said


@pytest.mark.parametrize(("kind", "scheme"), [("application", "public"), ("network", "internal")])
def test_a_region_has_fifty_load_balancers_of_a_type(tmp_path: Path, kind: str, scheme: str) -> None:
    front = f", port: 80, load_balancer: {scheme}"
    assert doubts(tmp_path, plain(50, front)) == []
    (said,) = doubts(tmp_path, plain(51, front))
    assert f"51 services have {kind} load balancers; AWS allows 50" in said


def test_the_tasks_of_a_rollout_have_to_find_an_address(tmp_path: Path) -> None:
    small = "network: {cidr: 10.0.0.0/23}\n"  # two subnets of 32 addresses
    assert doubts(tmp_path, plain(27), small) == []
    (said,) = doubts(tmp_path, plain(28), small)
    assert "network.cidr: leaves 54 addresses" in said and "takes up to 56" in said
    assert doubts(tmp_path, plain(28)) == []


def test_public_load_balancers_leave_private_subnets_alone(tmp_path: Path) -> None:
    lines = [*plain(25), "web: {image: 'a:1', port: 80, load_balancer: public}"]
    assert doubts(tmp_path, lines, "network: {cidr: 10.0.0.0/23, nat: single}\n") == []
    assert len(doubts(tmp_path, lines, "network: {cidr: 10.0.0.0/23}\n")) == 1


def test_a_hundred_services_are_no_trouble(tmp_path: Path) -> None:
    hubs = [HUB.replace("hub", f"h{number}") for number in range(10)]
    assert doubts(tmp_path, [*hubs, *calling(45, "h0", "h1"), *[f"t{one}" for one in calling(45, "h2", "h3")]]) == []
