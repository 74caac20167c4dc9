"""VPC flow log of rejected traffic (EC2.6)."""

from __future__ import annotations

from dataclasses import dataclass

from deployer.aws import Aws, ignoring, unsuccessful
from deployer.grants import OWN, Grant, making
from deployer.resource import Made, Retry
from deployer.resources.ec2 import NOT_YET, Ec2Resource


@dataclass(frozen=True, kw_only=True)
class FlowLog(Ec2Resource):
    type = "flow-log"
    operation, listing, id_field, id_filter, tag_type = (
        "describe_flow_logs", "FlowLogs", "FlowLogId", "flow-log-id", "vpc-flow-log"
    )  # fmt: skip
    filter_argument = "Filter"
    replace_on = frozenset({"vpc_id", "log_group", "role_arn"})
    delete_first = True  # one flow log per VPC and destination: FlowLogAlreadyExists
    # A role made seconds ago cannot be assumed yet.
    retry_on = (*NOT_YET, Retry("InvalidParameter", "role"), Retry("AccessDenied", "LogDestination"))
    exists_on = ("FlowLogAlreadyExists",)
    scans = (Grant("ec2:DescribeFlowLogs"),)
    grants = (
        *making("ec2:CreateFlowLogs", "ec2:vpc-flow-log/*"),
        Grant("ec2:CreateFlowLogs", "ec2:vpc/*", (OWN,)),
        Grant("ec2:DeleteFlowLogs", "ec2:vpc-flow-log/*", (OWN,)),
    )

    vpc_id: str
    log_group: str
    role_arn: str

    def create(self, aws: Aws) -> Made:
        answer = aws.ec2.create_flow_logs(
            ResourceIds=[self.vpc_id],
            ResourceType="VPC",
            TrafficType="REJECT",
            LogDestinationType="cloud-watch-logs",
            LogGroupName=self.log_group,
            DeliverLogsPermissionArn=self.role_arn,
            TagSpecifications=self.tagged(aws),
        )
        unsuccessful(answer.get("Unsuccessful"), "CreateFlowLogs")
        return Made(answer["FlowLogIds"][0], {})

    def delete(self, aws: Aws, id: str) -> None:
        with ignoring("InvalidFlowLogId.NotFound"):
            unsuccessful(aws.ec2.delete_flow_logs(FlowLogIds=[id]).get("Unsuccessful"), "DeleteFlowLogs")
