"""What somebody may change by hand in a deployed stack: how it is done, what is said of it, and how it is looked at."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.whole.project import Project

ANYWHERE = "0.0.0.0/0"
SSH = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": ANYWHERE}]}]
HTTP = [{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": ANYWHERE}]}]
ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
ANYBODY = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
KEY = "arn:aws:kms:us-east-1:123456789012:key/11111111-1111-1111-1111-111111111111"


class Hand:
    """Somebody in the console. `[key]`: the id of what is recorded under it."""

    def __init__(self, project: Project) -> None:
        self._project = project
        names = ("ec2", "ecs", "elbv2", "iam", "logs", "secretsmanager")
        self.ec2, self.ecs, self.elbv2, self.iam, self.logs, self.secretsmanager = (
            project.cloud.client(name, hidden=True) for name in names
        )

    def __getitem__(self, key: str) -> Any:
        return self._project.record(key)["id"]

    # --- looks

    def rules(self, key: str) -> Any:
        found = self.ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [self[key]]}])
        names = ("IsEgress", "IpProtocol", "FromPort", "ToPort", "CidrIpv4", "ReferencedGroupInfo")
        return sorted(str([rule.get(name) for name in names]) for rule in found["SecurityGroupRules"])

    def vpc(self, attribute: str) -> Any:
        answer = self.ec2.describe_vpc_attribute(VpcId=self["vpc.main"], Attribute=attribute)
        return answer[attribute[0].upper() + attribute[1:]]["Value"]

    def subnet(self, key: str) -> Any:
        return self.ec2.describe_subnets(SubnetIds=[self[key]])["Subnets"][0]["MapPublicIpOnLaunch"]

    def routes(self, key: str) -> Any:
        table = self.ec2.describe_route_tables(RouteTableIds=[self[key]])["RouteTables"][0]
        return sorted(map(str, table["Routes"]))

    def endpoint(self) -> Any:
        found = self.ec2.describe_vpc_endpoints(VpcEndpointIds=[self["s3-endpoint.main"]])["VpcEndpoints"][0]
        return json.loads(found["PolicyDocument"]), found["RouteTableIds"]

    def role(self, key: str) -> Any:
        inline = self.iam.list_role_policies(RoleName=self[key])["PolicyNames"]
        return (
            self.iam.get_role(RoleName=self[key])["Role"]["AssumeRolePolicyDocument"],
            {one: self.iam.get_role_policy(RoleName=self[key], PolicyName=one)["PolicyDocument"] for one in inline},
            self.iam.list_attached_role_policies(RoleName=self[key])["AttachedPolicies"],
        )

    def service(self, name: str) -> Any:
        found = self.ecs.describe_services(cluster="voting", services=[name])["services"][0]
        names = ("taskDefinition", "desiredCount", "networkConfiguration", "loadBalancers", "enableExecuteCommand",
                 "deploymentConfiguration")  # fmt: skip
        return [found.get(one) for one in names]

    def listener(self, key: str) -> Any:
        found = self.elbv2.describe_listeners(ListenerArns=[self[key]])["Listeners"][0]
        return found["Port"], found["Protocol"], found["DefaultActions"]

    def target_group(self, key: str) -> Any:
        found = self.elbv2.describe_target_groups(TargetGroupArns=[self[key]])["TargetGroups"][0]
        attributes = self.elbv2.describe_target_group_attributes(TargetGroupArn=self[key])["Attributes"]
        return found, {one["Key"]: one["Value"] for one in attributes}

    def balancer(self, key: str) -> Any:
        found = self.elbv2.describe_load_balancers(LoadBalancerArns=[self[key]])["LoadBalancers"][0]
        attributes = self.elbv2.describe_load_balancer_attributes(LoadBalancerArn=self[key])["Attributes"]
        return found["SecurityGroups"], {one["Key"]: one["Value"] for one in attributes}

    def log(self, key: str) -> Any:
        found = self.logs.describe_log_groups(logGroupNamePrefix=self[key])["logGroups"][0]
        return found.get("retentionInDays"), found.get("kmsKeyId")

    def secret(self) -> Any:
        described = self.secretsmanager.describe_secret(SecretId=self["secret.redis-password"])
        return described.get("DeletedDate"), described["VersionIdsToStages"]

    def cluster(self) -> Any:
        return self.ecs.describe_clusters(clusters=["voting"], include=["SETTINGS"])["clusters"][0]["settings"]

    def other_revision(self) -> str:
        """Registers one of the same family."""
        now = self.ecs.describe_task_definition(taskDefinition=self["task-definition.web"])["taskDefinition"]
        names = ("family", "cpu", "memory", "networkMode", "requiresCompatibilities", "executionRoleArn",
                 "containerDefinitions")  # fmt: skip
        answer = self.ecs.register_task_definition(**{name: now[name] for name in names})
        return str(answer["taskDefinition"]["taskDefinitionArn"])

    def policy(self) -> str:
        return str(self.iam.create_policy(PolicyName="evil", PolicyDocument=json.dumps(ALL))["Policy"]["Arn"])

    def network(self, name: str, **changes: Any) -> Any:
        found = self.ecs.describe_services(cluster="voting", services=[name])["services"][0]
        settings = found["networkConfiguration"]["awsvpcConfiguration"] | changes
        return {"awsvpcConfiguration": settings}


@dataclass(frozen=True)
class Change:
    """`said`: of the object `key`, in plan and status; `look`: the same before the change and after `up`."""

    key: str
    said: str
    make: Callable[[Hand], Any]
    look: Callable[[Hand], Any]

    def __str__(self) -> str:
        return f"{self.key} {self.said}"


ALB_OFF = [{"Key": "routing.http.drop_invalid_header_fields.enabled", "Value": "false"}]
SLOW = [{"Key": "deregistration_delay.timeout_seconds", "Value": "300"}]
REFUSED = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}}]

CHANGES = [
    Change("rules.web", "rules: 0.0.0.0/0 on tcp 22 was added",
           lambda hand: hand.ec2.authorize_security_group_ingress(GroupId=hand["group.web"], IpPermissions=SSH),
           lambda hand: hand.rules("group.web")),
    Change("rules.web_lb", "rules: 0.0.0.0/0 on tcp 80 was removed",
           lambda hand: hand.ec2.revoke_security_group_ingress(GroupId=hand["group.web_lb"], IpPermissions=HTTP),
           lambda hand: hand.rules("group.web_lb")),
    Change("default-group.main", "rules: 0.0.0.0/0 on tcp 22 was added",
           lambda hand: hand.ec2.authorize_security_group_ingress(
               GroupId=hand["default-group.main"], IpPermissions=SSH),
           lambda hand: hand.rules("default-group.main")),
    Change("vpc.main", "dns host names: false instead of true",
           lambda hand: hand.ec2.modify_vpc_attribute(VpcId=hand["vpc.main"], EnableDnsHostnames={"Value": False}),
           lambda hand: hand.vpc("enableDnsHostnames")),
    Change("vpc.main", "dns support: false instead of true",
           lambda hand: hand.ec2.modify_vpc_attribute(VpcId=hand["vpc.main"], EnableDnsSupport={"Value": False}),
           lambda hand: hand.vpc("enableDnsSupport")),
    Change("subnet.private-a", "map public ip on launch: true instead of false",
           lambda hand: hand.ec2.modify_subnet_attribute(
               SubnetId=hand["subnet.private-a"], MapPublicIpOnLaunch={"Value": True}),
           lambda hand: hand.subnet("subnet.private-a")),
    Change("route.private-out", "target: igw-",
           lambda hand: hand.ec2.replace_route(
               RouteTableId=hand["route-table.private"], DestinationCidrBlock=ANYWHERE, GatewayId=hand["igw.main"]),
           lambda hand: hand.routes("route-table.private")),
    Change("route-table.private", "other ways to the internet: 8.8.8.0/24 was added",
           lambda hand: hand.ec2.create_route(
               RouteTableId=hand["route-table.private"], DestinationCidrBlock="8.8.8.0/24", GatewayId=hand["igw.main"]),
           lambda hand: hand.routes("route-table.private")),
    Change("s3-endpoint.main", "policy: another one instead of our own",
           lambda hand: hand.ec2.modify_vpc_endpoint(
               VpcEndpointId=hand["s3-endpoint.main"],
               PolicyDocument=json.dumps({**ALL, "Statement": [{**ALL["Statement"][0], "Principal": "*"}]})),
           lambda hand: hand.endpoint()),
    Change("s3-endpoint.main", "route tables: rtb-",
           lambda hand: hand.ec2.modify_vpc_endpoint(
               VpcEndpointId=hand["s3-endpoint.main"], AddRouteTableIds=[hand["route-table.public"]]),
           lambda hand: hand.endpoint()),
    Change("role.web_exec", "trust: differs",
           lambda hand: hand.iam.update_assume_role_policy(
               RoleName=hand["role.web_exec"],
               PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [ANYBODY]})),
           lambda hand: hand.role("role.web_exec")),
    Change("role.redis_exec", "policy: differs",
           lambda hand: hand.iam.put_role_policy(
               RoleName=hand["role.redis_exec"], PolicyName="deployer", PolicyDocument=json.dumps(ALL)),
           lambda hand: hand.role("role.redis_exec")),
    Change("role.flow_log", "policy: was removed",
           lambda hand: hand.iam.delete_role_policy(RoleName=hand["role.flow_log"], PolicyName="deployer"),
           lambda hand: hand.role("role.flow_log")),
    Change("role.web_task", "other policies: evil was added",
           lambda hand: hand.iam.put_role_policy(
               RoleName=hand["role.web_task"], PolicyName="evil", PolicyDocument=json.dumps(ALL)),
           lambda hand: hand.role("role.web_task")),
    Change("role.redis_task", "other policies: arn:aws:iam::123456789012:policy/evil was added",
           lambda hand: hand.iam.attach_role_policy(RoleName=hand["role.redis_task"], PolicyArn=hand.policy()),
           lambda hand: hand.role("role.redis_task")),
    Change("service.redis", "count: 3 instead of 1",
           lambda hand: hand.ecs.update_service(cluster="voting", service="redis", desiredCount=3),
           lambda hand: hand.service("redis")),
    Change("service.redis", "public ip: true instead of false",
           lambda hand: hand.ecs.update_service(
               cluster="voting", service="redis", networkConfiguration=hand.network("redis", assignPublicIp="ENABLED")),
           lambda hand: hand.service("redis")),
    Change("service.redis", "groups: sg-",
           lambda hand: hand.ecs.update_service(
               cluster="voting", service="redis",
               networkConfiguration=hand.network("redis", securityGroups=[hand["default-group.main"]])),
           lambda hand: hand.service("redis")),
    Change("service.web", "revision: voting-web:2 instead of voting-web:1",
           lambda hand: hand.ecs.update_service(cluster="voting", service="web", taskDefinition=hand.other_revision()),
           lambda hand: hand.service("web")),
    Change("service.web", "exec: true instead of false",
           lambda hand: hand.ecs.update_service(cluster="voting", service="web", enableExecuteCommand=True),
           lambda hand: hand.service("web")),
    Change("service.web", "circuit breaker: false instead of true",
           lambda hand: hand.ecs.update_service(
               cluster="voting", service="web",
               deploymentConfiguration={"deploymentCircuitBreaker": {"enable": False, "rollback": False}}),
           lambda hand: hand.service("web")),
    Change("listener.web_80", "action: fixed-response instead of forward voting-web-",
           lambda hand: hand.elbv2.modify_listener(ListenerArn=hand["listener.web_80"], DefaultActions=REFUSED),
           lambda hand: hand.listener("listener.web_80")),
    Change("listener.redis_6379", "port: 6380 instead of 6379",
           lambda hand: hand.elbv2.modify_listener(ListenerArn=hand["listener.redis_6379"], Port=6380),
           lambda hand: hand.listener("listener.redis_6379")),
    Change("target-group.web", "health check path: / instead of /healthz",
           lambda hand: hand.elbv2.modify_target_group(
               TargetGroupArn=hand["target-group.web"], HealthCheckPath="/", Matcher={"HttpCode": "200"}),
           lambda hand: hand.target_group("target-group.web")),
    Change("target-group.web", "deregistration_delay.timeout_seconds: 300 instead of 20",
           lambda hand: hand.elbv2.modify_target_group_attributes(
               TargetGroupArn=hand["target-group.web"], Attributes=SLOW),
           lambda hand: hand.target_group("target-group.web")),
    Change("load-balancer.web", "routing.http.drop_invalid_header_fields.enabled: false instead of true",
           lambda hand: hand.elbv2.modify_load_balancer_attributes(
               LoadBalancerArn=hand["load-balancer.web"], Attributes=ALB_OFF),
           lambda hand: hand.balancer("load-balancer.web")),
    Change("load-balancer.redis", "groups: sg-",
           lambda hand: hand.elbv2.set_security_groups(
               LoadBalancerArn=hand["load-balancer.redis"], SecurityGroups=[hand["default-group.main"]]),
           lambda hand: hand.balancer("load-balancer.redis")),
    Change("log-group.web", "retention: never instead of 30 days",
           lambda hand: hand.logs.delete_retention_policy(logGroupName=hand["log-group.web"]),
           lambda hand: hand.log("log-group.web")),
    Change("log-group.redis", f"kms key: {KEY} instead of none",
           lambda hand: hand.logs.associate_kms_key(logGroupName=hand["log-group.redis"], kmsKeyId=KEY),
           lambda hand: hand.log("log-group.redis")),
    Change("secret.redis-password", "scheduled for deletion: true instead of false",
           lambda hand: hand.secretsmanager.delete_secret(SecretId=hand["secret.redis-password"]),
           lambda hand: hand.secret()),
    Change("cluster.main", "insights: enhanced instead of enabled",
           lambda hand: hand.ecs.update_cluster(
               cluster="voting", settings=[{"name": "containerInsights", "value": "enhanced"}]),
           lambda hand: hand.cluster()),
]  # fmt: skip
