"""The lives of two stacks, led by a user who has nothing but the policy that `deployer policy` prints for them."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cloud import Cloud
from tests.cloud.permissions import Check
from tests.whole.project import IMAGES, Project, Run, Start

ACCOUNT = "123456789012"
KEY, OTHER_KEY = (
    f"arn:aws:kms:us-east-1:{ACCOUNT}:key/0b1c2d3e-0000-0000-0000-00000000000{number}" for number in (1, 2)
)

RICH = f"""\
name: rich
kms_key: {KEY}
network: {{nat: single}}
secrets:
  made: {{generate: 24}}
  given: {{from_env: GIVEN}}
  shared: {{arn: "SECRET"}}
services:
  api:
    image: registry.invalid/api:1
    port: 8080
    release: ["migrate"]
    exec: true
    load_balancer: {{scheme: public, certificate: CERTIFICATE}}
    secrets: {{MADE: made, GIVEN: given, SHARED: "shared:key"}}
  worker:
    image: registry.invalid/worker:1
"""


@dataclass
class Life:
    """`checks`: what IAM was asked; `policies`: the documents that the user had."""

    policies: list[dict[str, Any]] = field(default_factory=list)
    checks: list[dict[str, Any]] = field(default_factory=list)
    left: dict[str, list[str]] = field(default_factory=dict)

    @property
    def statements(self) -> list[dict[str, Any]]:
        return [statement for policy in self.policies for statement in policy["Statement"]]

    @property
    def actions(self) -> set[str]:
        return {action for statement in self.statements for action in statement["Action"]}

    @property
    def used(self) -> set[str]:
        return {check["action"] for check in self.checks}

    def asked(self) -> Iterator[Check]:
        for one in self.checks:
            yield Check(one["action"], one["resource"], one["context"])


class Person:
    """Who runs deployer in `project` with the policies of its file alone. Each run has to end as said, none denied."""

    def __init__(self, project: Project, **env: str) -> None:
        self.project, self.cloud = project, project.cloud
        self.policies = printed(project)
        self.env = self.cloud.user(*self.policies) | env

    def renew(self) -> None:
        """After an edit: what the file asks for now, and what is recorded."""
        self.policies = printed(self.project)
        self.cloud.allow(self.cloud.users[-1], *self.policies)

    def run(self, *args: str, code: int = 0) -> Run:
        done = self.project.run(*args, env=self.env).ended(code)
        denied = [check for check in self.cloud.checks() if not check["allowed"]]
        assert not denied, f"{args} was denied {denied}"
        return done

    def life(self, before: dict[str, list[str]]) -> Life:
        now = self.cloud.inventory()
        left = {kind: [one for one in now[kind] if one not in before[kind]] for kind in now if kind != "policies"}
        return Life(self.policies, self.cloud.checks(), left)


def printed(project: Project, *args: str) -> list[dict[str, Any]]:
    run = project.run("policy", "--account", ACCOUNT, "--split", "policies", *args).ended(0)
    assert not run.calls, "the account was given, and nobody had to be asked"
    return [json.loads((project.folder / name).read_text()) for name in run.out.split()]


def voting(cloud: Cloud, folder: Path, start: Start) -> Life:
    """Made, changed, operated, mended after what others did by hand, lost and found, and taken away."""
    project = Project(cloud, folder, app=True, start=start)
    before = cloud.inventory()
    me = Person(project)
    me.run("up", *IMAGES)
    me.run("up", *IMAGES)
    me.run("status")
    project.edit(("health: /healthz", "health: /well"), ("cpu: 256", "cpu: 512"), ("memory: 512", "memory: 1024"))
    me.run("plan", *IMAGES)
    me.run("up", *IMAGES)
    me.run("restart", "web")
    me.run("rollback", "web")
    me.run("logs", "web")
    me.run("logs", "web", "--task", "0", code=2)
    cloud.oneoff(0, "a line")
    me.run("run", "web", "--", "echo", "hello")
    project.state_file.unlink()
    me.run("state", "rebuild")
    by_hand(cloud)
    me.run("up", "-y", *IMAGES)
    cloud.scheduler("crash")
    project.edit(("cpu: 512", "cpu: 1024"), ("memory: 1024", "memory: 2048"))
    me.run("up", *IMAGES, code=1)
    cloud.scheduler("ok")
    me.run("down", "-y")
    return me.life(before)


def by_hand(cloud: Cloud) -> None:
    """What others did in the console."""
    iam, secrets = cloud.client("iam", hidden=True), cloud.client("secretsmanager", hidden=True)
    roles = iam.list_roles(PathPrefix="/deployer/voting/")["Roles"]
    policy = iam.create_policy(PolicyName="of-others", PolicyDocument=json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}]}
    ))["Policy"]["Arn"]  # fmt: skip
    for role in roles:
        if "redis-task" in role["RoleName"].replace("_", "-"):
            iam.delete_role(RoleName=role["RoleName"])
        else:
            iam.attach_role_policy(RoleName=role["RoleName"], PolicyArn=policy)
    cloud.client("logs", hidden=True).associate_kms_key(logGroupName="/deployer/voting/web", kmsKeyId=KEY)
    ec2 = cloud.client("ec2", hidden=True)
    subnet = ec2.describe_subnets(Filters=[{"Name": "tag:deployer:stack", "Values": ["voting"]}])["Subnets"][0]
    ec2.modify_subnet_attribute(SubnetId=subnet["SubnetId"], MapPublicIpOnLaunch={"Value": True})
    secrets.delete_secret(SecretId="voting/redis-password", RecoveryWindowInDays=7)


def rich(cloud: Cloud, folder: Path, start: Start) -> Life:
    """NAT, a key, a certificate, releases; answers that are lost, so that what was made has to be found."""
    project = Project(cloud, folder, start=start)
    one, other = (
        cloud.client("acm", hidden=True).request_certificate(DomainName=f"{name}.example.org")["CertificateArn"]
        for name in ("one", "other")
    )
    shared = cloud.client("secretsmanager", hidden=True).create_secret(Name="others", SecretString='{"key": "value"}')
    project.file.write_text(RICH.replace("CERTIFICATE", one).replace("SECRET", shared["ARN"]))
    before = cloud.inventory()
    me = Person(project, GIVEN="first")
    cloud.oneoff(0)
    for service, operation in LOST:
        cloud.fault("lost", service, operation)
    cloud.fault("kill-after", "ec2", "ModifyVpcAttribute")
    me.run("up", code=-signal.SIGKILL)
    cloud.fault("kill-after", "ec2", "CreateVpcEndpoint")
    me.run("up", code=-signal.SIGKILL)
    me.run("up")
    project.edit((one, other), ("{nat: single}", "{nat: per-zone, zones: 3}"))
    project.file.write_text("insights: false\n" + project.file.read_text())
    me.env["GIVEN"] = "second"
    project.edit((KEY, OTHER_KEY))
    me.renew()
    me.run("up", "-y")
    cloud.oneoff(None)
    me.run("run", "worker", "--detach", "--", "sleep", "1000")
    me.run("down", "-y")
    return me.life(before)


LOST = [
    ("elbv2", "CreateLoadBalancer"), ("elbv2", "CreateListener"), ("elbv2", "CreateTargetGroup"), ("iam", "CreateRole"),
    ("logs", "CreateLogGroup"), ("secretsmanager", "CreateSecret"), ("ecs", "RunTask"), ("ec2", "CreateSubnet"),
]  # fmt: skip
