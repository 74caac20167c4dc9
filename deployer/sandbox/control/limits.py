"""Names, numbers and pairs that AWS refuses and moto takes: checked before moto is asked."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from moto.ec2.exceptions import DependencyViolationError, EC2ClientError
from moto.ec2.responses import EC2Response
from moto.ecs.exceptions import InvalidParameterException
from moto.ecs.responses import EC2ContainerServiceResponse
from moto.elbv2.exceptions import ELBClientError
from moto.elbv2.responses import ELBV2Response
from moto.iam.exceptions import ValidationError
from moto.iam.responses import IamResponse
from moto.logs.exceptions import InvalidParameterException as InvalidLogs
from moto.logs.responses import LogsResponse
from moto.secretsmanager.exceptions import InvalidRequestException
from moto.secretsmanager.responses import SecretsManagerResponse

GROUP = re.compile(r"(?!sg-)[a-zA-Z0-9 ._:/()#,@\[\]+=&;{}!$*-]{1,255}", re.IGNORECASE)
ABOUT = re.compile(r"[a-zA-Z0-9 ._:/()#,@\[\]+=&;{}!$*-]{1,255}")
BALANCER = re.compile(r"(?!internal-)[a-zA-Z0-9]([a-zA-Z0-9-]{0,30}[a-zA-Z0-9])?")
TARGETS = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,30}[a-zA-Z0-9])?")
ROLE, SERVICE = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII), re.compile(r"[\w-]{1,255}", re.ASCII)
LOGS = re.compile(r"[.\-_/#A-Za-z0-9]{1,512}")
DAYS = {1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}
ATTRIBUTES = re.compile(
    r"(deregistration_delay|stickiness|load_balancing|slow_start|lambda|proxy_protocol_v2|preserve_client_ip"
    r"|target_group_health|target_health_state|target_failover)\..+"
)
Check = Callable[[Any], None]


def create_security_group(call: EC2Response) -> None:
    for field, shape in (("GroupName", GROUP), ("Description", ABOUT)):
        value = call._get_param(field) or ""
        if not shape.fullmatch(value):
            raise EC2ClientError("InvalidParameterValue", f"Value ({value}) for parameter {field} is invalid.")


def attach_internet_gateway(call: EC2Response) -> None:
    vpc_id, gateway_id = call._get_param("VpcId"), call._get_param("InternetGatewayId")
    for gateway in call.ec2_backend.internet_gateways.values():
        if gateway.vpc and gateway.vpc.id == vpc_id and gateway.id != gateway_id:
            raise EC2ClientError("InvalidParameterValue", f"Network {vpc_id} already has an internet gateway attached")


def create_nat_gateway(call: EC2Response) -> None:
    if (call._get_param("ConnectivityType") or "public") == "public" and not call._get_param("AllocationId"):
        raise EC2ClientError("MissingParameter", "The request must include the AllocationId parameter.")


def delete_route_table(call: EC2Response) -> None:
    table = call.ec2_backend.route_tables.get(call._get_param("RouteTableId"))
    if table and table.main_association_id:
        raise DependencyViolationError(f"The routeTable '{table.id}' has dependencies and cannot be deleted.")


def create_load_balancer(call: ELBV2Response) -> None:
    _named(call, BALANCER, "load balancer")


def create_target_group(call: ELBV2Response) -> None:
    _named(call, TARGETS, "target group")
    protocol = call._get_param("Protocol")
    _health(call, call._get_param("HealthCheckProtocol") or protocol, protocol)


def modify_target_group(call: ELBV2Response) -> None:
    group = call.elbv2_backend.target_groups.get(call._get_param("TargetGroupArn"))
    if group:
        _health(call, call._get_param("HealthCheckProtocol") or group.health_check_protocol, group.protocol)


def _named(call: ELBV2Response, shape: re.Pattern[str], what: str) -> None:
    name = call._get_param("Name") or ""
    if not shape.fullmatch(name):
        raise ELBClientError("ValidationError", f"The {what} name '{name}' is not valid: at most 32 letters, digits "
                             "and hyphens, no hyphen at either end, not beginning with 'internal-'")  # fmt: skip


def _health(call: ELBV2Response, check: str | None, protocol: str | None) -> None:
    if protocol in ("HTTP", "HTTPS") and check not in ("HTTP", "HTTPS", None):
        raise ELBClientError("ValidationError", f"Health check protocol '{check}' is not supported for target groups "
                             f"with the protocol '{protocol}'")  # fmt: skip
    if check not in ("HTTP", "HTTPS", "TCP", None):
        raise ELBClientError("ValidationError", f"Health check protocol '{check}' is not supported")
    if check == "TCP" and (call._get_param("HealthCheckPath") or call._get_param("Matcher")):
        said = "Health check path and matcher are not supported for health checks with protocol 'TCP'"
        raise ELBClientError("InvalidConfigurationRequest", said)
    for name in ("HealthyThresholdCount", "UnhealthyThresholdCount"):
        if not 2 <= int(call._get_param(name) or 2) <= 10:
            raise ELBClientError("ValidationError", f"{name} must be between 2 and 10")


def modify_target_group_attributes(call: ELBV2Response) -> None:
    for each in call._get_param("Attributes") or []:
        if not ATTRIBUTES.fullmatch(each["Key"]):
            raise ELBClientError("ValidationError", f"Target group attribute key '{each['Key']}' is not recognized")


def create_listener(call: ELBV2Response) -> None:
    if call._get_param("Protocol") in ("HTTPS", "TLS") and not call._get_param("Certificates"):
        raise ELBClientError("ValidationError", "A certificate must be specified for HTTPS and TLS listeners")


def create_role(call: IamResponse) -> None:
    name = call._get_param("RoleName") or ""
    if not ROLE.fullmatch(name):
        constraint = r"Member must satisfy regular expression pattern: [\w+=,.@-]{1,64}"
        raise ValidationError(f"1 validation error detected: Value '{name}' at 'roleName' failed: {constraint}")


def create_log_group(call: LogsResponse) -> None:
    name = call._get_param("logGroupName") or ""
    if not LOGS.fullmatch(name):
        raise InvalidLogs(constraint=r"Member must satisfy regular expression pattern: [\.\-_/#A-Za-z0-9]+",
                          parameter="logGroupName", value=name)  # fmt: skip


def put_retention_policy(call: LogsResponse) -> None:
    if (days := call._get_param("retentionInDays")) not in DAYS:
        raise InvalidLogs(constraint="Member must satisfy enum value set", parameter="retentionInDays", value=days)


def create_service(call: EC2ContainerServiceResponse) -> None:
    if not SERVICE.fullmatch(call._get_param("serviceName") or ""):
        raise InvalidParameterException("Service name is invalid: up to 255 letters, digits, hyphens and underscores.")


def create_secret(call: SecretsManagerResponse) -> None:
    name, backend = call._get_param("Name"), call.backend
    if name in backend.secrets and backend.secrets[name].is_deleted():
        raise InvalidRequestException("You can't create this secret because a secret with this name is already "
                                      "scheduled for deletion.")  # fmt: skip


CHECKS: dict[Any, tuple[Check, ...]] = {
    EC2Response: (create_security_group, attach_internet_gateway, create_nat_gateway, delete_route_table),
    ELBV2Response: (create_load_balancer, create_target_group, modify_target_group, modify_target_group_attributes,
                    create_listener),
    IamResponse: (create_role,),
    LogsResponse: (create_log_group, put_retention_policy),
    EC2ContainerServiceResponse: (create_service,),
    SecretsManagerResponse: (create_secret,),
}  # fmt: skip


def install() -> None:
    """After the other corrections, which replace some of the same calls."""
    for responses, checks in CHECKS.items():
        for check in checks:
            setattr(responses, check.__name__, _checked(getattr(responses, check.__name__), check))


def _checked(original: Callable[[Any], Any], check: Check) -> Callable[[Any], Any]:
    def checked(self: Any) -> Any:
        check(self)
        return original(self)

    return checked
