"""What has a wanted name already, and is not ours, is told with its owner before anything is made."""

from __future__ import annotations

import json

from deployer.cli.session import Session
from deployer.preflight.run import Run
from deployer.resource import TYPES, Resource
from deployer.state import Record
from tests.preflight.conftest import WEB, Ahead

TRUST = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole"}]})
SECRET = "secrets:\n  key: {generate: 32}\n" + WEB + "    secrets: {KEY: key}\n"


def names(ahead: Ahead, text: str) -> dict[str, str]:
    found: dict[str, str] = {}

    def then(run: Run, session: Session) -> None:
        found.update({one.key: one.account_name(session.aws) for one in run.made})

    ahead.run(text, then)
    return found


def test_everything_in_the_way_is_named_at_once_with_its_owner(ahead: Ahead) -> None:
    cloud, wanted = ahead.cloud, names(ahead, WEB)
    cloud.client("iam").create_role(RoleName=wanted["role.web_exec"], AssumeRolePolicyDocument=TRUST)
    tags = [{"key": "deployer:stack", "value": "voting"}, {"key": "deployer:id", "value": "another"}]
    cloud.client("ecs").create_cluster(clusterName="voting", tags=tags)
    cloud.client("logs").create_log_group(logGroupName=wanted["log-group.web"])
    problems = ahead.problems(WEB)
    assert len(problems) == 3
    role, cluster, group = (next(one for one in problems if key in one) for key in ("role.", "cluster.", "log-group."))
    assert wanted["role.web_exec"] in role and "nobody that deployer knows" in role and "another `name:`" in role
    assert "stack voting with id another" in cluster
    assert wanted["log-group.web"] in group


def test_a_repository_of_somebody_else(ahead: Ahead) -> None:
    (ahead.file.parent / "Dockerfile").write_text("FROM scratch\n")
    ahead.cloud.client("ecr").create_repository(repositoryName="voting/web")
    problems = ahead.problems("services:\n  web:\n    build: .\n")
    assert [one for one in problems if one.startswith("repository.web: voting/web exists already")]


def test_a_load_balancer_and_a_target_group_of_somebody_else(ahead: Ahead) -> None:
    ec2, elb = ahead.cloud.client("ec2"), ahead.cloud.client("elbv2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{16 * index}.0/20", AvailabilityZone=f"us-east-1{zone}")
        for index, zone in enumerate("ab")
    ]
    ids = [one["Subnet"]["SubnetId"] for one in subnets]
    keys = ["vpc.main", "subnet.public-a", "subnet.public-b"]
    kinds = [{"cidr": "10.0.0.0/16"}, {"zone": "us-east-1a"}, {"zone": "us-east-1b"}]
    ahead.records = [
        Record(key, key.partition(".")[0], id, "ready", inputs, {}, [])
        for key, id, inputs in zip(keys, [vpc, *ids], kinds, strict=True)
    ]
    text = WEB + "    load_balancer: public\n"
    wanted = names(ahead, text)
    elb.create_load_balancer(Name=wanted["load-balancer.web"], Subnets=ids, Scheme="internal")
    elb.create_target_group(Name=wanted["target-group.web"], VpcId=vpc, Port=80, Protocol="HTTP", TargetType="ip")
    problems = ahead.problems(text)
    assert sorted(one.split(":")[0] for one in problems) == ["load-balancer.web", "target-group.web"]


def test_the_name_of_a_secret_that_is_scheduled_for_deletion(ahead: Ahead) -> None:
    secrets = ahead.cloud.client("secretsmanager")
    secrets.create_secret(Name="voting/key", SecretString="x")
    assert "belongs to nobody" in ahead.problems(SECRET)[0]
    secrets.delete_secret(SecretId="voting/key")
    (problem,) = ahead.problems(SECRET)
    assert "secret.key: the secret voting/key is scheduled for deletion (20" in problem
    assert "--force-delete-without-recovery" in problem


def test_what_cannot_be_listed_is_no_problem(ahead: Ahead) -> None:
    wanted = names(ahead, WEB)
    ahead.cloud.client("iam").create_role(RoleName=wanted["role.web_exec"], AssumeRolePolicyDocument=TRUST)
    ahead.cloud.fault("error", service="iam", code="AccessDenied", times=99)
    assert ahead.problems(WEB) == []
    ahead.cloud.clear_faults()
    assert len(ahead.problems(WEB)) == 1


def test_every_type_with_a_name_of_its_own_can_be_looked_for() -> None:
    named = [type for type in TYPES.values() if type.account_name is not Resource.account_name]
    assert len(named) > 6
    assert [type for type in named if type.taken.__func__ is Resource.taken.__func__] == []  # type: ignore[attr-defined]
