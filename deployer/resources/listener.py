"""Listener of a load balancer: forwards to a target group, or redirects to HTTPS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deployer.aws import Aws, describe, ignoring
from deployer.grants import OWN, Grant, making, retagging
from deployer.resource import SEEN, Found, Made, Outputs, Retry
from deployer.resources.elb import ElbResource, found_among, tags_of

GONE = "ListenerNotFound"
BALANCER = "elasticloadbalancing:loadbalancer/*/{elb}/*"
LISTENER = "elasticloadbalancing:listener/*/{elb}/*"
TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09"  # ELB.17: on AWS's list of recommended policies


@dataclass(frozen=True, kw_only=True)
class Listener(ElbResource):
    """`target_group`: where it forwards to, or None: a permanent redirect to HTTPS on port 443."""

    type = "listener"
    replace_on = frozenset({"load_balancer"})
    look_first = True  # the same port with the same settings answers with what exists
    exists_on = ("DuplicateListener",)
    grants = (
        Grant("elasticloadbalancing:DescribeListeners elasticloadbalancing:DescribeTags"),
        *making("elasticloadbalancing:CreateListener", BALANCER, made=LISTENER),
        Grant("elasticloadbalancing:ModifyListener elasticloadbalancing:DeleteListener", LISTENER, (OWN,)),
        retagging(LISTENER),
    )
    retry_on = (
        Retry("LoadBalancerNotFound"), Retry("TargetGroupNotFound"),
        Retry("CertificateNotFound", seconds=300), Retry("TargetGroupAssociationLimit"),
    )  # fmt: skip

    load_balancer: str
    port: int
    protocol: str
    target_group: str | None
    certificate: str | None

    def _settings(self) -> dict[str, Any]:
        if self.target_group:
            action: dict[str, Any] = {"Type": "forward", "TargetGroupArn": self.target_group}
        else:
            redirect = {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}
            action = {"Type": "redirect", "RedirectConfig": redirect}
        settings: dict[str, Any] = {"Port": self.port, "Protocol": self.protocol, "DefaultActions": [action]}
        if self.certificate:
            settings |= {"Certificates": [{"CertificateArn": self.certificate}], "SslPolicy": TLS_POLICY}
        return settings

    def create(self, aws: Aws) -> Made:
        listener = aws.elbv2.create_listener(
            LoadBalancerArn=self.load_balancer, Tags=self.elb_tags(aws), **self._settings()
        )["Listeners"][0]
        return Made(listener["ListenerArn"], {})

    def update(self, aws: Aws, id: str, old: Listener) -> None:
        aws.elbv2.modify_listener(ListenerArn=id, **self._settings())

    @classmethod
    def read(cls, aws: Aws, ids: list[str]) -> dict[str, Outputs | None]:
        items = describe(lambda batch: aws.elbv2.describe_listeners(ListenerArns=batch)["Listeners"], ids, 20, (GONE,))
        seen = {item["ListenerArn"]: {SEEN: _seen(item)} for item in items}
        return {id: seen.get(id) for id in ids}

    def expected(self) -> dict[str, Any]:
        return _seen(self._settings())

    @classmethod
    def scan(cls, aws: Aws) -> list[Found]:
        from deployer.resources.load_balancer import LoadBalancer

        arns = [item["ListenerArn"] for one in LoadBalancer.scan(aws) for item in _of(aws, one.id)]
        return found_among(aws, arns, cls.type)

    def find(self, aws: Aws) -> str | None:
        """A load balancer has one listener on a port."""
        for item in _of(aws, self.load_balancer):
            if item["Port"] == self.port:
                arn = item["ListenerArn"]
                return aws.claim(self.key, arn, tags_of(aws, [arn]).get(arn, {}))
        return None

    def delete(self, aws: Aws, id: str) -> None:
        with ignoring(GONE):
            aws.elbv2.delete_listener(ListenerArn=id)


def _of(aws: Aws, load_balancer: str) -> list[dict[str, Any]]:
    with ignoring("LoadBalancerNotFound"):
        pages = aws.elbv2.get_paginator("describe_listeners").paginate(LoadBalancerArn=load_balancer)
        return [item for page in pages for item in page["Listeners"]]
    return []


# As AWS fills in what a redirect leaves out.
HERE = {"Protocol": "#{protocol}", "Host": "#{host}", "Port": "#{port}", "Path": "/#{path}", "Query": "#{query}"}


def _seen(settings: dict[str, Any]) -> dict[str, Any]:
    """The same for what was asked of AWS and what it answers, with all that it fills in."""
    certificates = settings.get("Certificates", ())
    return {
        "port": settings["Port"],
        "protocol": settings["Protocol"],
        "action": ", ".join(map(_action, settings.get("DefaultActions", ()))),
        "certificate": certificates[0].get("CertificateArn") if certificates else None,
        "ssl policy": settings.get("SslPolicy") if settings["Protocol"] in ("HTTPS", "TLS") else None,
    }


def _action(action: dict[str, Any]) -> str:
    if action["Type"] == "redirect":
        to = {**HERE, **action["RedirectConfig"]}
        place = f"{to['Protocol']}://{to['Host']}:{to['Port']}{to['Path']}?{to['Query']}"
        return f"redirect to {place} with {to.get('StatusCode')}"
    groups = [one["TargetGroupArn"] for one in action.get("ForwardConfig", {}).get("TargetGroups", ())]
    named = groups or [action.get("TargetGroupArn", "")]
    return f"{action['Type']} {' and '.join(arn.partition('targetgroup/')[2] for arn in named)}".strip()
