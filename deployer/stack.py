"""From a `Config` to the list of resources: the topology (network · secrets · balancing · workload).

Names with an underscore are the stack's own parts; a service's name cannot hold one.
"""

from __future__ import annotations

from collections.abc import Mapping

from deployer.balancing import balancing
from deployer.config import Config
from deployer.network import network
from deployer.place import Member, Place
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
    secret, record = config.secrets[name], recorded.get(f"secret.{name}")
    mark = secret_mark(config, place, name, recorded)
    # What was generated once stays, whatever length is asked for now.
    generate = secret.generate and ((record and record.inputs.get("generate")) or secret.generate)
    return Secret(name=name, generate=generate, from_env=secret.from_env, mark=mark, kms_key=config.kms_key)


def outputs(records: Mapping[str, Record]) -> dict[str, str]:
    """`services.<name>.url` for what is public, `.host` and `.port`, `.image`, as they are recorded."""
    known: dict[str, str] = {}
    for record in records.values():
        if record.key != record.base:
            continue
        if record.type == "load-balancer" and "host" in record.outputs:
            known |= _address(record, records)
        elif record.type == "task-definition":
            known[f"services.{record.name}.image"] = str(record.inputs.get("image", ""))
    return known


def _address(balancer: Record, records: Mapping[str, Record]) -> dict[str, str]:
    name, host = f"services.{balancer.name}", balancer.outputs["host"]
    for listener in records.values():
        ours = listener.type == "listener" and listener.inputs.get("load_balancer") == balancer.id
        if not ours or not listener.inputs.get("target_group"):
            continue
        protocol, port = listener.inputs["protocol"].lower(), listener.inputs["port"]
        plain = (protocol, port) in (("http", 80), ("https", 443))
        known = {f"{name}.host": host, f"{name}.port": str(port)}
        if balancer.inputs.get("scheme") == "internet-facing":
            door = balancer.outputs.get("door") or ("" if plain else port)
            known[f"{name}.url"] = f"{protocol}://{host}" + (f":{door}" if door else "")
        return known
    return {}
