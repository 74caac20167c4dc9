"""Published controls, each looked up in an account in which the voting app stands; and what switches change."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from deployer import config as configuration
from deployer import stack
from deployer.place import Place
from deployer.resource import Resource
from tests.cloud import Cloud
from tests.resources.lifecycle import OURS, Account, flat, pages
from tests.resources.test_ecr_types import push

ROOT = Path(__file__).resolve().parents[1]
WORLD = {"0.0.0.0/0", "::/0"}
DIGEST = "a" * 64
IMAGES = {"web": f"voting.example/web@sha256:{DIGEST}", "redis": f"redis@sha256:{DIGEST}"}
KEY = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
RISKY = {20, 21, 22, 23, 25, 110, 135, 143, 445, 1433, 1434, 3000, 3306, 3389, 4333, 5000, 5432, 5500, 5601, 6379,
         8080, 8088, 8888, 9200, 9300, 27017}  # fmt: skip
RECOMMENDED_TLS = "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09"


class Seen(Account):
    """The account as an auditor sees it: everything through boto3."""

    def build(self, text: str, directory: Path, images: dict[str, str] | None = None) -> list[Resource]:
        file = directory / "deploy.yaml"
        file.write_text(text)
        config = configuration.load(file, None, {}).config
        zones = ["us-east-1a", "us-east-1b"]
        given = IMAGES if images is None else images
        place = Place("123456789012", "us-east-1", "aws", zones, directory, OURS, {}, given)
        return stack.build(config, place, self.state.records)

    def list(self, service: str, operation: str, key: str, **arguments: Any) -> list[Any]:
        return pages(self.client(service), operation, key, **arguments)

    @property
    def vpc(self) -> str:
        return self.id("vpc.main")

    def in_vpc(self, operation: str, key: str) -> list[Any]:
        return self.list("ec2", operation, key, Filters=[{"Name": "vpc-id", "Values": [self.vpc]}])

    @property
    def groups(self) -> dict[str, Any]:
        """By key; the VPC's own as `default`."""
        found = self.in_vpc("describe_security_groups", "SecurityGroups")
        return {flat(each.get("Tags")).get("deployer:key", each["GroupName"]): each for each in found}

    @property
    def open_ports(self) -> dict[str, set[Any]]:
        """Per group the ports which the whole internet may reach."""
        found: dict[str, set[Any]] = {}
        for key, group in self.groups.items():
            for rule in group["IpPermissions"]:
                peers = [each["CidrIp"] for each in rule["IpRanges"]] + [
                    each["CidrIpv6"] for each in rule.get("Ipv6Ranges", [])
                ]
                if WORLD & set(peers):
                    found.setdefault(key, set()).update(range(rule.get("FromPort", 0), rule.get("ToPort", 65535) + 1))
        return found

    @property
    def rules(self) -> list[Any]:
        ours = {group["GroupId"] for key, group in self.groups.items() if key != "default"}
        found = self.list("ec2", "describe_security_group_rules", "SecurityGroupRules")
        return [rule for rule in found if rule["GroupId"] in ours]

    @property
    def services(self) -> list[Any]:
        return list(
            self.client("ecs").describe_services(
                cluster="voting", services=[self.id("service.web"), self.id("service.redis")], include=["TAGS"]
            )["services"]
        )

    @property
    def definitions(self) -> dict[str, Any]:
        ecs = self.client("ecs")
        found = [
            ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
            for service in self.services
        ]
        return {each["family"].removeprefix("voting-"): each for each in found}

    @property
    def containers(self) -> dict[str, Any]:
        return {name: each["containerDefinitions"][0] for name, each in self.definitions.items()}

    @property
    def roles(self) -> dict[str, Any]:
        found = self.list("iam", "get_account_authorization_details", "RoleDetailList", Filter=["Role"])
        return {flat(each["Tags"])["deployer:key"]: each for each in found if each["Path"].startswith("/deployer/")}

    def statements(self, role: str) -> list[Any]:
        documents = [policy["PolicyDocument"] for policy in self.roles[f"role.{role}"]["RolePolicyList"]]
        return [statement for document in documents for statement in document["Statement"]]

    def attributes(self, name: str = "web") -> dict[str, str]:
        elb, arn = self.client("elbv2"), self.id(f"load-balancer.{name}")
        return flat(elb.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"])

    def delay(self, name: str) -> str:
        elb, arn = self.client("elbv2"), self.id(f"target-group.{name}")
        attributes = flat(elb.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"])
        return attributes["deregistration_delay.timeout_seconds"]

    def balancer(self, name: str) -> Any:
        arn = self.id(f"load-balancer.{name}")
        return self.client("elbv2").describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"][0]

    @property
    def log_groups(self) -> dict[str, Any]:
        return {each["logGroupName"]: each for each in self.list("logs", "describe_log_groups", "logGroups")}

    @property
    def repository(self) -> Any:
        return self.client("ecr").describe_repositories(repositoryNames=["voting/app"])["repositories"][0]

    @cached_property
    def lifecycle(self) -> list[Any]:
        text = self.client("ecr").get_lifecycle_policy(repositoryName="voting/app")["lifecyclePolicyText"]
        return list(json.loads(text)["rules"])


@pytest.fixture
def voting() -> str:
    """The voting app's own file."""
    return (ROOT / "deploy.yaml").read_text()


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """Brought up once, in a cloud of its own, looked at by all controls."""
    directory = tmp_path_factory.mktemp("voting")
    with Cloud.start() as cloud, pytest.MonkeyPatch.context() as patch:
        account = opened(cloud, directory, patch)
        stand(account, (ROOT / "deploy.yaml").read_text(), directory)
        yield account


def opened(cloud: Cloud, directory: Path, patch: pytest.MonkeyPatch) -> Seen:
    for name, value in cloud.env().items():
        if name.startswith("AWS_") or name.lower() == "no_proxy":
            patch.setenv(name, value)
    cloud.tempo(task=0.04, drain=0.04, nat=0.04)
    return Seen(cloud, directory)


def stand(account: Seen, text: str, directory: Path) -> None:
    """The voting app and a third service, `app`, whose image is in ECR already, so that no Docker engine is needed."""
    (directory / "Dockerfile").write_text("FROM scratch\n")
    whole = text + "\n  app: {build: ., count: 1}\n"
    resources = account.build(whole, directory)
    by_key = {resource.key: resource for resource in resources}
    account.up(by_key["repository.app"])
    push(account, by_key["image.app"].inputs["content"], "voting/app")
    account.up(*resources)


Check = Callable[[Seen], Any]
CONTROLS: list[tuple[str, Check]] = []


def control(*names: str) -> Callable[[Check], Check]:
    """Each name is one that a scanner would report."""

    def add(check: Check) -> Check:
        CONTROLS.extend((name, check) for name in names)
        return check

    return add


# --- network ---


@control("EC2.18 only 80 and 443 are open to the world")
def only_authorised_ports(seen: Seen) -> None:
    assert seen.open_ports == {"group.web_lb": {80}}


@control("EC2.13 CIS-5.3 no SSH from the world", "EC2.14 CIS-5.4 no RDP from the world", "EC2.19 no high-risk port")
def no_risky_ports(seen: Seen) -> None:
    assert not [ports for ports in seen.open_ports.values() if ports & RISKY]


@control("EC2.19 tasks and data stores are reached by groups, never by addresses")
def groups_only(seen: Seen) -> None:
    for key in ("group.web", "group.redis", "group.redis_lb"):
        assert not [rule for rule in seen.groups[key]["IpPermissions"] if rule["IpRanges"]]


@control("EC2.2 CIS-5.5 the VPC's default group has no rules")
def default_group(seen: Seen) -> None:
    default = seen.groups["default"]
    assert default["IpPermissions"] == default["IpPermissionsEgress"] == []


@control("EC2.6 CIS-3.7 the VPC has a flow log of what is refused")
def flow_log(seen: Seen) -> None:
    (log,) = seen.list("ec2", "describe_flow_logs", "FlowLogs")
    assert (log["ResourceId"], log["TrafficType"]) == (seen.vpc, "REJECT")
    assert log["LogGroupName"] in seen.log_groups
    assert log["DeliverLogsPermissionArn"] == seen.roles["role.flow_log"]["Arn"]
    assert log["FlowLogStatus"] == "ACTIVE"


@control("EC2.15 no subnet gives public addresses")
def no_public_addresses(seen: Seen) -> None:
    assert not [each for each in seen.in_vpc("describe_subnets", "Subnets") if each["MapPublicIpOnLaunch"]]


@control("ELB.13 two availability zones")
def two_zones(seen: Seen) -> None:
    for name in ("web", "redis"):
        assert {zone["ZoneName"] for zone in seen.balancer(name)["AvailabilityZones"]} == {"us-east-1a", "us-east-1b"}


@control("CKV_AWS_23 every rule has a description")
def descriptions(seen: Seen) -> None:
    for group in seen.groups.values():
        for rule in [*group["IpPermissions"], *group["IpPermissionsEgress"]]:
            assert all(each.get("Description") for each in [*rule["IpRanges"], *rule["UserIdGroupPairs"]])


@control("CKV_AWS_382 no egress to everywhere")
def egress(seen: Seen) -> None:
    wide = {rule.get("FromPort") for rule in seen.rules if rule["IsEgress"] and rule.get("CidrIpv4") in WORLD}
    assert wide == {443}
    assert not [rule for rule in seen.rules if rule["IpProtocol"] != "tcp" or rule["FromPort"] != rule["ToPort"]]


@control("a data store never stands behind an internet-facing balancer")
def store_is_internal(seen: Seen) -> None:
    assert seen.balancer("redis")["Scheme"] == "internal" and seen.balancer("web")["Scheme"] == "internet-facing"


# --- ECS ---


@control("ECS.8 no secret in the environment")
def secrets(seen: Seen) -> None:
    arn = seen.id("secret.redis-password")
    value = seen.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
    for name in ("web", "redis"):
        assert seen.containers[name]["secrets"] == [{"name": "REDIS_PASSWORD", "valueFrom": arn}]
    everything = json.dumps([*seen.definitions.values(), *seen.services], default=str) + seen.state.path.read_text()
    assert value not in everything and len(value) == 32


@control("ECS.9 every container logs, to a group made beforehand")
def logging(seen: Seen) -> None:
    for container in seen.containers.values():
        assert container["logConfiguration"]["logDriver"] == "awslogs"
        assert container["logConfiguration"]["options"]["awslogs-group"] in seen.log_groups


@control("ecs_task_definitions_logging_block_mode a full log does not stop the application")
def log_mode(seen: Seen) -> None:
    assert {each["logConfiguration"]["options"]["mode"] for each in seen.containers.values()} == {"non-blocking"}


@control("ECS.5 read-only root file system, with a writable /tmp")
def read_only(seen: Seen) -> None:
    assert seen.containers["web"]["readonlyRootFilesystem"] is True
    assert [mount["containerPath"] for mount in seen.containers["web"]["mountPoints"]] == ["/tmp"]


@control("ECS.20 the application does not run as root")
def user(seen: Seen) -> None:
    assert seen.containers["web"]["user"] == "10001"


@control("ECS.1 ECS.17 network mode", "ECS.3 no shared process namespace", "ECS.4 nothing is privileged")
def modes(seen: Seen) -> None:
    for definition in seen.definitions.values():
        assert definition["networkMode"] == "awsvpc" and not definition.get("pidMode")
        assert not definition["containerDefinitions"][0].get("privileged")


@control("ECS.10 latest platform version")
def platform(seen: Seen) -> None:
    assert {service.get("platformVersion", "LATEST") for service in seen.services} == {"LATEST"}


@control("ECS.12 Container Insights")
def insights(seen: Seen) -> None:
    (cluster,) = seen.client("ecs").describe_clusters(clusters=["voting"], include=["SETTINGS"])["clusters"]
    assert cluster["settings"] == [{"name": "containerInsights", "value": "enabled"}]


@control("a broken rollout is rolled back, and a healthy one never halves the capacity")
def breaker(seen: Seen) -> None:
    for service in seen.services:
        settings = service["deploymentConfiguration"]
        breaker = settings["deploymentCircuitBreaker"]
        assert breaker["enable"] and breaker["rollback"]
        assert (settings["minimumHealthyPercent"], settings["maximumPercent"]) == (100, 200)


@control("tasks carry the service's tags")
def task_tags(seen: Seen) -> None:
    ecs = seen.client("ecs")
    for service in seen.services:
        assert service["propagateTags"] == "SERVICE" and service["enableECSManagedTags"] is True
        tasks = ecs.list_tasks(cluster="voting", serviceName=service["serviceName"])["taskArns"]
        for task in ecs.describe_tasks(cluster="voting", tasks=tasks, include=["TAGS"])["tasks"]:
            assert flat(task["tags"])["deployer:id"] == OURS


@control("tasks are reached through their load balancer's group alone")
def reached(seen: Seen) -> None:
    pairs = {
        (rule["FromPort"], pair["GroupId"])
        for rule in seen.groups["group.web"]["IpPermissions"]
        for pair in rule["UserIdGroupPairs"]
    }
    assert pairs == {(8080, seen.groups["group.web_lb"]["GroupId"])}


# --- ECR ---


@control("ECR.1 scan on push")
def scan(seen: Seen) -> None:
    assert seen.repository["imageScanningConfiguration"] == {"scanOnPush": True}


@control("ECR.2 immutable tags")
def immutable(seen: Seen) -> None:
    assert seen.repository["imageTagMutability"] == "IMMUTABLE"


@control("ECR.2 what runs is named by its digest")
def digests(seen: Seen) -> None:
    image = seen.client("ecs").describe_task_definition(taskDefinition="voting-app")["taskDefinition"]
    (container,) = image["containerDefinitions"]
    (pushed,) = seen.list("ecr", "describe_images", "imageDetails", repositoryName="voting/app")
    assert container["image"] == f"{seen.repository['repositoryUri']}@{pushed['imageDigest']}"
    assert all("@sha256:" in each["image"] for each in seen.containers.values())


@control("ECR.3 lifecycle: untagged images go by age alone, tagged ones by number alone")
def lifecycle(seen: Seen) -> None:
    kinds = {(rule["selection"]["tagStatus"], rule["selection"]["countType"]) for rule in seen.lifecycle}
    assert kinds == {("untagged", "sinceImagePushed"), ("tagged", "imageCountMoreThan")}


@control("ecr_repositories_not_publicly_accessible no policy lets strangers in")
def no_repository_policy(seen: Seen) -> None:
    ecr = seen.client("ecr")
    with pytest.raises(ecr.exceptions.RepositoryPolicyNotFoundException):
        ecr.get_repository_policy(repositoryName="voting/app")


# --- load balancers ---


@control("ELB.4 invalid headers are dropped")
def invalid_headers(seen: Seen) -> None:
    assert seen.attributes()["routing.http.drop_invalid_header_fields.enabled"] == "true"


@control("ELB.12 desync mitigation")
def desync(seen: Seen) -> None:
    assert seen.attributes()["routing.http.desync_mitigation_mode"] == "defensive"


@control("elbv2_cross_zone traffic crosses zones")
def cross_zone(seen: Seen) -> None:
    assert seen.attributes("redis")["load_balancing.cross_zone.enabled"] == "true"


@control("a network load balancer has a group of its own")
def network_group(seen: Seen) -> None:
    assert seen.balancer("redis")["SecurityGroups"] == [seen.groups["group.redis_lb"]["GroupId"]]


@control("a deployment does not wait five minutes for old connections")
def draining(seen: Seen) -> None:
    assert {seen.delay("web"), seen.delay("redis")} == {"20"}


# --- IAM ---


@control("IAM.1 CIS-1.15 no *:*", "IAM.21 no wildcard of a service")
def no_wildcards(seen: Seen) -> None:
    for key in seen.roles:
        for statement in seen.statements(key.removeprefix("role.")):
            assert not [action for action in statement["Action"] if "*" in action]


@control("cloudsplaining the application's role may nothing at all", "no PassRole, no privilege escalation")
def task_role(seen: Seen) -> None:
    for name in ("web", "redis", "app"):
        assert seen.statements(f"{name}_task") == []
        assert seen.definitions.get(name, seen.definitions["web"])["taskRoleArn"] in {
            role["Arn"] for key, role in seen.roles.items() if key.endswith("_task")
        }


@control("cloudsplaining no policy of AWS is attached")
def own_policies(seen: Seen) -> None:
    assert not [role for role in seen.roles.values() if role["AttachedManagedPolicies"]]


@control("cloudsplaining the execution role reaches its own log, repository and secrets alone")
def execution_role(seen: Seen) -> None:
    may = {action: each["Resource"] for each in seen.statements("web_exec") for action in each["Action"]}
    logs = "arn:aws:logs:us-east-1:123456789012:log-group:/deployer/voting/web:*"
    secret = [seen.id("secret.redis-password")]
    assert may == {
        "logs:CreateLogStream": logs,
        "logs:PutLogEvents": logs,
        "secretsmanager:GetSecretValue": secret,
    }
    may = {action: each["Resource"] for each in seen.statements("app_exec") for action in each["Action"]}
    assert {action for action, where in may.items() if where == "*"} == {"ecr:GetAuthorizationToken"}
    assert may["ecr:BatchGetImage"] == seen.repository["repositoryArn"]
    assert "secretsmanager:GetSecretValue" not in may


@control("iam_role_cross_service_confused_deputy_prevention")
def confused_deputy(seen: Seen) -> None:
    sources = {"flow_log": "arn:aws:ec2:us-east-1:123456789012:vpc-flow-log/*"}
    for key, role in seen.roles.items():
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        source = sources.get(key.removeprefix("role."), "arn:aws:ecs:us-east-1:123456789012:*")
        assert statement["Condition"] == {
            "StringEquals": {"aws:SourceAccount": "123456789012"},
            "ArnLike": {"aws:SourceArn": source},
        }


# --- logs, tags ---


@control("log groups say how long they keep")
def retention(seen: Seen) -> None:
    assert {name: each.get("retentionInDays") for name, each in seen.log_groups.items()} == {
        "/deployer/voting/web": 30,
        "/deployer/voting/redis": 30,
        "/deployer/voting/app": 30,
        "/deployer/voting/flow_log": 30,
        "/aws/ecs/containerinsights/voting/performance": 30,
    }


@control("everything says whose it is")
def tagged(seen: Seen) -> None:
    ec2 = [flat(each.get("Tags")) for key, each in seen.groups.items() if key != "default"]
    ec2 += [flat(each.get("Tags")) for each in seen.in_vpc("describe_subnets", "Subnets")]
    everything = [*ec2, *(flat(role["Tags"]) for role in seen.roles.values())]
    everything += [flat(service["tags"]) for service in seen.services]
    assert {tags.get("deployer:id") for tags in everything} == {OURS}
    assert {tags.get("deployer:stack") for tags in everything} == {"voting"}


@pytest.mark.parametrize("check", [check for _, check in CONTROLS], ids=[name for name, _ in CONTROLS])
def test_control(seen: Seen, check: Check) -> None:
    check(seen)


# --- switches: each really changes the account, and back ---


@pytest.fixture
def fresh(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Seen:
    return opened(cloud, tmp_path, monkeypatch)


def switched(voting: str, old: str, new: str) -> str:
    assert voting.count(old) == 1, old
    return voting.replace(old, new)


def after(fresh: Seen, tmp_path: Path, text: str) -> Seen:
    fresh.up(*fresh.build(text, tmp_path))
    assert fresh.plan(*fresh.build(text, tmp_path)).idle
    return fresh


def with_lb(voting: str, lines: str) -> str:
    return switched(voting, "      type: application\n", f"      type: application\n{lines}")


def test_file_system_and_user_can_be_the_images_own(fresh: Seen, voting: str, tmp_path: Path) -> None:
    text = switched(voting, "    read_only: true", "    read_only: false")
    text = switched(text, '    user: "10001"', "    # nobody in particular")
    container = after(fresh, tmp_path, text).containers["web"]
    assert container["readonlyRootFilesystem"] is False and container["mountPoints"] == []
    assert not container.get("user")


def test_insights_can_be_off(fresh: Seen, voting: str, tmp_path: Path) -> None:
    after(fresh, tmp_path, voting)
    text = f"insights: false\n{voting}"
    seen = after(fresh, tmp_path, text)
    (cluster,) = seen.client("ecs").describe_clusters(clusters=["voting"], include=["SETTINGS"])["clusters"]
    assert cluster["settings"] == [{"name": "containerInsights", "value": "disabled"}]
    assert "/aws/ecs/containerinsights/voting/performance" not in seen.log_groups


def test_protection_and_access_logs(fresh: Seen, voting: str, tmp_path: Path) -> None:
    after(fresh, tmp_path, voting)
    assert fresh.attributes()["deletion_protection.enabled"] == "false"
    seen = after(fresh, tmp_path, with_lb(voting, "      protect: true\n      access_logs: our-logs\n"))
    assert seen.attributes()["deletion_protection.enabled"] == "true"
    assert seen.attributes()["access_logs.s3.enabled"] == "true"
    assert seen.attributes()["access_logs.s3.bucket"] == "our-logs"
    seen.up()
    assert seen.cloud.is_empty(), "our own protection is lifted for `down`"


def test_key_encrypts_images_logs_and_secrets(fresh: Seen, voting: str, tmp_path: Path) -> None:
    seen = fresh
    stand(seen, f"kms_key: {KEY}\n{voting}", tmp_path)
    assert seen.repository["encryptionConfiguration"] == {"encryptionType": "KMS", "kmsKey": KEY}
    assert {each.get("kmsKeyId") for each in seen.log_groups.values()} == {KEY}
    secret = seen.client("secretsmanager").describe_secret(SecretId=seen.id("secret.redis-password"))
    assert secret["KmsKeyId"] == KEY
    may = {action: each["Resource"] for each in seen.statements("web_exec") for action in each["Action"]}
    assert may["kms:Decrypt"] == KEY
    assert "kms:Decrypt" not in str(seen.statements("app_exec")), "it has no secrets"


def test_egress_can_be_wide_or_none(fresh: Seen, voting: str, tmp_path: Path) -> None:
    def out() -> set[Any]:
        group = fresh.groups["group.web"]["GroupId"]
        return {
            (rule["IpProtocol"], rule["FromPort"])
            for rule in fresh.rules
            if rule["GroupId"] == group and rule["IsEgress"] and rule.get("CidrIpv4") in WORLD
        }

    after(fresh, tmp_path, voting)
    assert out() == {("tcp", 443)}
    after(fresh, tmp_path, switched(voting, "    cpu: 256\n", "    cpu: 256\n    egress: all\n"))
    assert out() == {("-1", -1)}
    after(fresh, tmp_path, switched(voting, "    cpu: 256\n", "    cpu: 256\n    egress: []\n"))
    assert out() == set()


def test_backend_speaks_https(fresh: Seen, voting: str, tmp_path: Path) -> None:
    """ELB.21, ELB.22; a target group cannot change its protocol, so it is replaced under the running service."""
    after(fresh, tmp_path, voting)
    before = fresh.id("target-group.web")
    seen = after(fresh, tmp_path, with_lb(voting, "      backend: https\n"))
    arns = [seen.id("target-group.web")]
    (group,) = seen.client("elbv2").describe_target_groups(TargetGroupArns=arns)["TargetGroups"]
    assert (group["Protocol"], group["HealthCheckProtocol"]) == ("HTTPS", "HTTPS")
    assert group["TargetGroupArn"] != before
    web = next(each for each in seen.services if each["serviceName"] == "web")
    assert web["loadBalancers"][0]["targetGroupArn"] == group["TargetGroupArn"]


def test_certificate_redirects_and_encrypts(fresh: Seen, voting: str, tmp_path: Path) -> None:
    """ELB.1, ELB.17, ELB.18: once with a certificate, and back."""
    certificate = fresh.client("acm").request_certificate(DomainName="voting.example")["CertificateArn"]
    secure = switched(voting, "      port: 80\n", f"      certificate: {certificate}\n")

    def doors() -> dict[int, Any]:
        arn = fresh.id("load-balancer.web")
        return {each["Port"]: each for each in fresh.list("elbv2", "describe_listeners", "Listeners",
                                                          LoadBalancerArn=arn)}  # fmt: skip

    for _ in range(2):
        after(fresh, tmp_path, voting)
        assert set(doors()) == {80} and doors()[80]["DefaultActions"][0]["Type"] == "forward"
        assert fresh.open_ports == {"group.web_lb": {80}}
        after(fresh, tmp_path, secure)
        assert set(doors()) == {80, 443}
        redirect = doors()[80]["DefaultActions"][0]["RedirectConfig"]
        assert (redirect["Protocol"], redirect["Port"], redirect["StatusCode"]) == ("HTTPS", "443", "HTTP_301")
        assert (doors()[443]["Protocol"], doors()[443]["SslPolicy"]) == ("HTTPS", RECOMMENDED_TLS)
        assert fresh.open_ports == {"group.web_lb": {80, 443}}


def test_nat_hides_the_tasks(fresh: Seen, voting: str, tmp_path: Path) -> None:
    """ECS.2: no public addresses; the endpoint for S3 lets nobody else's credentials out."""
    text = switched(voting, "  nat: none", "  nat: per-zone")
    seen = after(fresh, tmp_path, text)
    subnets = seen.in_vpc("describe_subnets", "Subnets")
    names = {each["SubnetId"]: flat(each["Tags"])["deployer:key"] for each in subnets}
    for service in seen.services:
        network = service["networkConfiguration"]["awsvpcConfiguration"]
        assert network["assignPublicIp"] == "DISABLED"
        assert {names[subnet] for subnet in network["subnets"]} == {"subnet.private-a", "subnet.private-b"}
    public = {names[zone["SubnetId"]] for zone in seen.balancer("web")["AvailabilityZones"]}
    assert public == {"subnet.public-a", "subnet.public-b"}
    (endpoint,) = seen.in_vpc("describe_vpc_endpoints", "VpcEndpoints")
    ours, layers = json.loads(endpoint["PolicyDocument"])["Statement"]
    assert ours["Condition"] == {"StringEquals": {"aws:PrincipalAccount": "123456789012"}}
    assert layers["Action"] == "s3:GetObject" and "starport-layer-bucket" in layers["Resource"]
    assert not [each for each in subnets if each["MapPublicIpOnLaunch"]]


def test_nat_none_is_the_only_way_to_public_addresses(seen: Seen) -> None:
    settings = [service["networkConfiguration"]["awsvpcConfiguration"] for service in seen.services]
    assert {each["assignPublicIp"] for each in settings} == {"ENABLED"}
