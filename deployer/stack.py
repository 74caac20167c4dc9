"""From a `Config` to the list of resources: the topology (network · secrets · balancing · workload).

Names with an underscore are the stack's own parts; a service's name cannot hold one.
"""

from __future__ import annotations

from collections.abc import Mapping

from deployer.balancing import balancing
from deployer.config import Config
from deployer.network import network
from deployer.place import Member, Place, port_suffix, scheme
from deployer.resource import Resource
from deployer.resources.cluster import Cluster
from deployer.resources.log_group import LogGroup, insights
from deployer.resources.secret import Secret
from deployer.state import Record
from deployer.workload import image_parts, secret_mark, workload


def build(config: Config, place: Place, recorded: Mapping[str, Record]) -> list[Resource]:
    """Everything the stack consists of. Raises ImageError when a build context is missing or unreadable."""
    resources = network(config, place)
    resources += [_secret(config, place, name, recorded) for name, secret in config.secrets.items() if not secret.arn]
    resources += _cluster(config)
    for name in config.services:
        member = Member(config, place, name)
        resources += [*balancing(member), *workload(member, recorded)]
    return resources


def images(config: Config, place: Place, recorded: Mapping[str, Record], names: list[str]) -> list[Resource]:
    """Only what `push-image` needs: the repositories and the images of these services."""
    return [part for name in names for part in image_parts(Member(config, place, name), recorded)]


def _cluster(config: Config) -> list[Resource]:
    if not config.insights:
        return [Cluster(name="main", insights=False)]
    log = LogGroup(
        name="cluster_insights", group=insights(config.stack), retention=config.logs.retention, kms_key=config.kms_key
    )
    return [log, Cluster(name="main", insights=True, depends_on=(log.key,))]


def _secret(config: Config, place: Place, name: str, recorded: Mapping[str, Record]) -> Secret:
    secret = config.secrets[name]
    mark = secret_mark(config, place, name, recorded)
    return Secret(name=name, generate=secret.generate, from_env=secret.from_env, mark=mark, kms_key=config.kms_key)


def outputs(config: Config, records: Mapping[str, Record]) -> dict[str, str]:
    """`services.<name>.url` for what is public, `.host` and `.port`, `.image`, as far as they are known."""
    known: dict[str, str] = {}
    for name, service in config.services.items():
        lb, record = service.load_balancer, records.get(f"load-balancer.{name}")
        if lb and record and "host" in record.outputs:
            host = record.outputs["host"]
            if lb.scheme == "public":
                known[f"services.{name}.url"] = f"{scheme(lb)}://{host}{port_suffix(lb)}"
            known[f"services.{name}.host"] = host
            known[f"services.{name}.port"] = str(lb.port)
        task = records.get(f"task-definition.{name}")
        if task:
            known[f"services.{name}.image"] = task.inputs["image"]
    return known
