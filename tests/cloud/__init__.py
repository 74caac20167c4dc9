"""The cloud: moto in a process of its own, made to behave enough like AWS to drive the real `deployer` against it.

    with Cloud.start() as cloud:
        subprocess.run(["deployer", "up", "-y"], env=cloud.env())
        assert cloud.inventory()["services"] == [...]

server.py       the HTTP server: moto's application with a record, faults and latency around it; control under /_cloud/
calls.py        which AWS call a request is; the record of calls
faults.py       errors, cut connections, killed clients, on demand
tempo.py        how long things take, and the one lock
corrections.py  installs the files that make moto stricter: ec2.py, elb.py, iam.py, logs.py, taskdefs.py, ecs.py, ecr.py
services.py     a service and its checks; tasks.py: its deployments and tasks
scheduler.py    plays the ECS scheduler: tasks, targets, deployments, events, the circuit breaker
registry.py     a real image registry with TLS and a password, for ecr.py
inventory.py    everything in the account that a deployer could have made, without random ids
client.py       `Cloud`: starts the process and talks to it
fixtures.py     the pytest fixtures `cloud` and `registry_cloud`
"""

from .calls import Call
from .client import Cloud

__all__ = ["Call", "Cloud"]
