"""Gateway endpoint for S3, so that image layers do not pay for NAT."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from deployer.aws import Aws, ignoring, unsuccessful
from deployer.documents import meaning
from deployer.grants import OWN, Grant, making, retagging
from deployer.resource import SEEN, Made, Outputs, Retry
from deployer.resources.ec2 import NOT_YET, Ec2Resource


@dataclass(frozen=True, kw_only=True)
class S3Endpoint(Ec2Resource):
    type = "s3-endpoint"
    operation, listing, id_field, id_filter, tag_type = (
        "describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId", "vpc-endpoint-id", "vpc-endpoint"
    )  # fmt: skip
    gone_states = frozenset({"deleting", "deleted"})
    replace_on = frozenset({"vpc_id"})
    retry_on = (*NOT_YET, Retry("InvalidVpcEndpointId.NotFound"), Retry("RouteAlreadyExists"))
    scans = (Grant("ec2:DescribeVpcEndpoints"),)
    grants = (
        *making("ec2:CreateVpcEndpoint", "ec2:vpc-endpoint/*"),
        Grant("ec2:CreateVpcEndpoint", "ec2:vpc/* ec2:route-table/*", (OWN,)),
        Grant("ec2:ModifyVpcEndpoint", "ec2:vpc-endpoint/* ec2:route-table/*", (OWN,)),
        Grant("ec2:DeleteVpcEndpoints", "ec2:vpc-endpoint/*", (OWN,)),
        retagging("ec2:vpc-endpoint/*"),
    )

    vpc_id: str
    table_ids: list[str]

    def create(self, aws: Aws) -> Made:
        endpoint = aws.ec2.create_vpc_endpoint(
            VpcEndpointType="Gateway",
            VpcId=self.vpc_id,
            ServiceName=f"com.amazonaws.{aws.region}.s3",
            RouteTableIds=self.table_ids,
            PolicyDocument=json.dumps(self._policy(aws)),
            TagSpecifications=self.tagged(aws),
        )["VpcEndpoint"]
        return Made(endpoint["VpcEndpointId"], {})

    @staticmethod
    def _policy(aws: Aws) -> dict[str, object]:
        """Our own principals, and ECR's bucket of layers, which is read with signatures of ECR's own account
        (https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html)."""
        layers = aws.arn("s3", f"prod-{aws.region}-starport-layer-bucket/*", region="", account="")
        ours = {"StringEquals": {"aws:PrincipalAccount": aws.account}}
        return {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*", "Condition": ours},
                {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": layers},
            ],
        }

    def expected(self) -> dict[str, Any]:
        return {"policy": "our own", "route tables": sorted(self.table_ids)}

    @classmethod
    def read(cls, aws: Aws, ids: list[str]) -> dict[str, Outputs | None]:
        items = cls.describe(aws, cls.id_filter, ids)
        seen = {item[cls.id_field]: _outputs(item, cls._policy(aws)) for item in items if cls.ours(aws, item)}
        return {id: seen.get(id) for id in ids}

    def update(self, aws: Aws, id: str, old: S3Endpoint) -> None:
        """From what it is now: an interrupted run may have changed it, and a table is not added twice."""
        new = set(self.table_ids)
        now = {table for item in self.describe(aws, self.id_filter, [id]) for table in item["RouteTableIds"]}
        changes = {"AddRouteTableIds": sorted(new - now), "RemoveRouteTableIds": sorted(now - new)}
        aws.ec2.modify_vpc_endpoint(
            VpcEndpointId=id,
            PolicyDocument=json.dumps(self._policy(aws)),
            **{name: tables for name, tables in changes.items() if tables},
        )

    def delete(self, aws: Aws, id: str) -> None:
        with ignoring("InvalidVpcEndpointId.NotFound", "InvalidVpcEndpoint.NotFound"):
            answer = aws.ec2.delete_vpc_endpoints(VpcEndpointIds=[id])
            unsuccessful(answer.get("Unsuccessful"), "DeleteVpcEndpoints")

    def leaving(self, aws: Aws, id: str) -> str | None:
        filters = [{"Name": "vpc-endpoint-id", "Values": [id]}]
        states = [item["State"] for page in self.pages(aws, {"Filters": filters}) for item in page["VpcEndpoints"]]
        return f"the endpoint is {states[0]}" if states and states[0].lower() != "deleted" else None


def _outputs(item: dict[str, Any], ours: dict[str, object]) -> Outputs:
    seen: dict[str, Any] = {"route tables": sorted(item.get("RouteTableIds", ()))}
    if "PolicyDocument" in item:
        same = meaning(item["PolicyDocument"]) == meaning(ours)
        seen["policy"] = "our own" if same else "another one"
    return {SEEN: seen}
