"""The network as AWS keeps it: nothing is deleted while something uses it; gateways take their time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import DependencyViolationError, EC2ClientError
from moto.ec2.models import EC2Backend as Backend
from moto.ec2.models.nat_gateways import NatGateway
from moto.ec2.models.security_groups import SecurityGroupRule
from moto.ec2.models.vpcs import VPCEndPoint
from moto.ec2.responses import EC2Response as Response
from moto.ec2.utils import generate_route_id
from moto.ecs.models import ecs_backends

from . import elb
from .tasks import EcsTask
from .tempo import TEMPO

Check = Callable[[Response, Backend], None]


# --- NAT gateways: pending, available; deleting, deleted ---


def _get_state(self: NatGateway) -> str:
    passed = time.monotonic() >= self._since + TEMPO.nat
    if self._state == "deleted":
        return "deleted" if passed else "deleting"
    if self._state == "failed":
        return "failed" if passed else "pending"
    return "available" if passed else "pending"


def _set_state(self: NatGateway, state: str) -> None:
    self._state, self._since = state, time.monotonic()


def fail(backend: Backend, nat: NatGateway, code: str, message: str) -> None:
    """AWS has taken the order, and the gateway fails once it has been pending long enough; it holds nothing."""
    nat.state, nat.failure_code, nat.failure_message = "failed", code, message
    _free(backend, nat)


def _free(backend: Backend, nat: NatGateway) -> None:
    for address in backend.addresses:
        if address.eni is nat._eni:
            address.eni = address.association_id = None
    backend.enis.pop(nat._eni.id, None)
    nat._eni = None


def settle(backend: Backend) -> None:
    """What a deleted gateway held is free again."""
    for nat in backend.nat_gateways.values():
        over = nat.state == "deleted" and time.monotonic() >= nat._since + TEMPO.nat + TEMPO.linger
        if over and nat._eni is not None:
            _free(backend, nat)


def gateways(backend: Backend) -> list[NatGateway]:
    return [nat for nat in backend.nat_gateways.values() if nat.state not in ("deleted", "failed")]


def tasks(backend: Backend) -> list[EcsTask]:
    clusters = ecs_backends[backend.account_id][backend.region_name].tasks.values()
    found = [task for cluster in clusters for task in cluster.values() if isinstance(task, EcsTask)]
    return [task for task in found if task.last_status != "STOPPED"]


# --- what AWS refuses ---


def delete_security_group(call: Response, backend: Backend) -> None:
    group_id = call._get_param("GroupId")
    group = backend.get_security_group_from_id(group_id)
    if group is None:
        return
    if group.name == "default":
        message = f'the specified group: "{group_id}" name: "default" cannot be deleted by a user'
        raise EC2ClientError("CannotDelete", message)
    others = [each for groups in backend.groups.values() for each in groups.values() if each is not group]
    rules = [rule for other in others for rule in [*other.ingress_rules, *other.egress_rules]]
    used = any(rule.source_group.get("GroupId") == group_id for rule in rules)
    used = used or any(group in eni.group_set for eni in backend.enis.values())
    used = used or any(group_id in each.security_group_ids for each in backend.vpc_end_points.values())
    used = used or any(group_id in task.security_groups for task in tasks(backend))
    if used or elb.users_of_group(backend.account_id, backend.region_name, group_id):
        raise DependencyViolationError(f"resource {group_id} has a dependent object")


def delete_subnet(call: Response, backend: Backend) -> None:
    subnet_id = call._get_param("SubnetId")
    used = any(nat.subnet_id == subnet_id for nat in gateways(backend))
    used = used or any(eni.subnet and eni.subnet.id == subnet_id for eni in backend.enis.values())
    used = used or any(subnet_id in task.subnets for task in tasks(backend))
    if used or elb.users_of_subnet(backend.account_id, backend.region_name, subnet_id):
        raise DependencyViolationError(f"The subnet '{subnet_id}' has dependencies and cannot be deleted.")


def release_address(call: Response, backend: Backend) -> None:
    for address in backend.addresses:
        if address.allocation_id == call._get_param("AllocationId"):
            if address.eni is not None and address.eni in [nat._eni for nat in backend.nat_gateways.values()]:
                raise EC2ClientError("AuthFailure", "You do not have permission to access the specified resource.")
            if address.association_id:
                raise EC2ClientError("InvalidIPAddress.InUse", f"Address {address.public_ip} is in use.")


def disassociate_address(call: Response, backend: Backend) -> None:
    for address in backend.addresses:
        meant = address.association_id and address.association_id == call._get_param("AssociationId")
        if meant and address.eni is not None and address.eni in [nat._eni for nat in backend.nat_gateways.values()]:
            raise EC2ClientError("AuthFailure", "You do not have permission to access the specified resource.")


def detach_internet_gateway(call: Response, backend: Backend) -> None:
    vpc_id = call._get_param("VpcId")
    subnets = {subnet.id for zone in backend.subnets.values() for subnet in zone.values() if subnet.vpc_id == vpc_id}
    used = any(nat.vpc_id == vpc_id and nat.connectivity_type != "private" for nat in gateways(backend))
    used = used or any(
        address.association_id and address.eni and address.eni.subnet.id in subnets for address in backend.addresses
    )
    used = used or any(subnets & set(task.subnets) and task.public for task in tasks(backend))
    used = used or any(eni.public_ip and eni.subnet.id in subnets for eni in backend.enis.values())
    if used or elb.users_of_vpc(backend.account_id, backend.region_name, vpc_id, public=True):
        raise DependencyViolationError(
            f"Network {vpc_id} has some mapped public address(es). "
            "Please unmap those public address(es) before detaching the gateway."
        )


def delete_vpc(call: Response, backend: Backend) -> None:
    vpc_id = call._get_param("VpcId")
    used = any(each.vpc and each.vpc.id == vpc_id for each in backend.internet_gateways.values())
    used = used or any(group.name != "default" for group in backend.groups.get(vpc_id, {}).values())
    used = used or any(each.vpc_id == vpc_id for each in backend.vpc_end_points.values())
    used = used or any(nat.vpc_id == vpc_id for nat in gateways(backend))
    used = used or any(acl.vpc_id == vpc_id and not acl.default for acl in backend.network_acls.values())
    if used or elb.users_of_vpc(backend.account_id, backend.region_name, vpc_id):
        raise DependencyViolationError(f"The vpc '{vpc_id}' has dependencies and cannot be deleted.")


def associate_route_table(call: Response, backend: Backend) -> None:
    table_id, subnet_id = call._get_param("RouteTableId"), call._get_param("SubnetId")
    for table in backend.route_tables.values():
        if subnet_id and subnet_id in table._associations.values():
            raise EC2ClientError(
                "Resource.AlreadyAssociated",
                f"the specified association for route table {table_id} conflicts with an existing association",
            )


def delete_nat_gateway(call: Response, backend: Backend) -> None:
    gateway_id = call._get_param("NatGatewayId")
    if gateway_id not in {nat.id for nat in gateways(backend)}:
        raise EC2ClientError("NatGatewayNotFound", f"The Nat Gateway {gateway_id} was not found")


def describe_nat_gateways(self: Response) -> ActionResult:
    backend = self.ec2_backend
    settle(backend)
    for gateway_id in self._get_param("NatGatewayIds", []):
        if gateway_id not in backend.nat_gateways:
            raise EC2ClientError("NatGatewayNotFound", f"NatGateway {gateway_id} was not found")
    found = DESCRIBE_NATS(self).result["NatGateways"]
    for name, values in self._filters_from_querystring().items():
        if name.startswith("tag"):  # moto knows the others
            found = [nat for nat in found if _matches(nat.get_filter_value(name), values)]
    return ActionResult({"NatGateways": found})


def _matches(value: Any, wanted: list[str]) -> bool:
    return bool(set(wanted) & set(value if isinstance(value, list) else [value]))


def create_nat_gateway(self: Backend, *positional: Any, **given: Any) -> NatGateway:
    """One in a network without an internet gateway is taken, and fails."""
    nat = CREATE_NAT(self, *positional, **given)
    attached = any(each.vpc and each.vpc.id == nat.vpc_id for each in self.internet_gateways.values())
    if nat.connectivity_type != "private" and not attached:
        fail(self, nat, "Gateway.NotAttached", f"Network {nat.vpc_id} has no Internet gateway attached")
    return nat


def create_flow_logs(self: Backend, *positional: Any, **given: Any) -> Any:
    """A log group may be given as an ARN in LogDestination: moto only knows it by name."""
    destination, group = given.get("log_destination"), given.get("log_group_name")
    logs = given.get("log_destination_type") in (None, "cloud-watch-logs")
    if logs and destination and not group:
        given["log_group_name"] = destination.partition(":log-group:")[2].removesuffix(":*")
    return CREATE_FLOW_LOGS(self, *positional, **given)


def create_vpc_endpoint(self: Backend, *positional: Any, **given: Any) -> Any:
    given["endpoint_type"] = given.get("endpoint_type") or "Gateway"
    return CREATE_ENDPOINT(self, *positional, **given)


def delete_vpc_endpoints(self: Response) -> ActionResult:
    """Gone is gone: moto would go on telling of deleted ones."""
    backend, failed = self.ec2_backend, []
    for endpoint_id in self._get_param("VpcEndpointIds", []):
        endpoint = backend.vpc_end_points.get(endpoint_id)
        if endpoint is None:
            message = f"The Vpc Endpoint Id '{endpoint_id}' does not exist"
            error = {"Code": "InvalidVpcEndpointId.NotFound", "Message": message}
            failed.append({"ResourceId": endpoint_id, "Error": error})
            continue
        tables = endpoint.route_table_ids or []
        endpoint.route_table_ids = [each for each in tables if _leads_to(backend, each, endpoint)]
        backend.delete_vpc_endpoints(vpce_ids=[endpoint_id])
        backend.vpc_end_points.pop(endpoint_id)
    return ActionResult({"Unsuccessful": failed})


def _leads_to(backend: Any, table_id: str, endpoint: Any) -> bool:
    """moto makes the route of a table at the endpoint's creation only, and misses it at its end."""
    table = backend.route_tables.get(table_id)
    return bool(table) and generate_route_id(table_id, endpoint.destination_prefix_list_id) in table.routes


def endpoint_filter_value(self: VPCEndPoint, name: str, method: str | None = None) -> Any:
    return self.id if name == "vpc-endpoint-id" else ENDPOINT_FILTER_VALUE(self, name, method)


def rule_description(self: SecurityGroupRule) -> str | None:
    """moto only tells it of a rule whose peer is a range."""
    told: str | None = self.ip_range.get("Description") or self.source_group.get("Description")
    return told


CREATE_ENDPOINT, ENDPOINT_FILTER_VALUE = Backend.create_vpc_endpoint, VPCEndPoint.get_filter_value
CREATE_NAT = Backend.create_nat_gateway
DESCRIBE_NATS, CREATE_FLOW_LOGS = Response.describe_nat_gateways, Backend.create_flow_logs
CHECKS: list[Check] = [
    delete_security_group,
    delete_subnet,
    release_address,
    disassociate_address,
    detach_internet_gateway,
    delete_vpc,
    associate_route_table,
    delete_nat_gateway,
]


def _checked(check: Check) -> Callable[[Response], Any]:
    original = getattr(Response, check.__name__)

    def corrected(self: Response) -> Any:
        settle(self.ec2_backend)
        check(self, self.ec2_backend)
        return original(self)

    return corrected


def _settled(original: Callable[[Response], Any]) -> Callable[[Response], Any]:
    def corrected(self: Response) -> Any:
        settle(self.ec2_backend)
        return original(self)

    return corrected


def install() -> None:
    NatGateway.state = property(_get_state, _set_state)
    for check in CHECKS:
        setattr(Response, check.__name__, _checked(check))
    for name in ("describe_addresses", "describe_network_interfaces", "create_nat_gateway", "associate_address"):
        setattr(Response, name, _settled(getattr(Response, name)))
    Response.describe_nat_gateways = describe_nat_gateways
    Response.delete_vpc_endpoints = delete_vpc_endpoints
    Backend.create_nat_gateway = create_nat_gateway
    Backend.create_flow_logs = create_flow_logs
    Backend.create_vpc_endpoint = create_vpc_endpoint
    VPCEndPoint.get_filter_value = endpoint_filter_value
    SecurityGroupRule.description = property(rule_description)
