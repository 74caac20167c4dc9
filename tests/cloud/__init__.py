"""The cloud: moto in a process of its own, made to behave enough like AWS to drive the real `deployer` against it.

The control plane and the registry are the sandbox's (deployer/sandbox/control, registry.py); this adds what tests need.

    with Cloud.start() as cloud:
        subprocess.run(["deployer", "up", "-y"], env=cloud.env())
        assert cloud.inventory()["services"] == [...]

server.py       the HTTP server: moto's application with a record, faults and latency around it; control under /_cloud/
calls.py        which AWS call a request is; the record of calls
faults.py       errors, cut and refused connections, killed clients, expired credentials, on demand
play.py         plays the tasks: they run, crash or stick on demand
permissions.py  IAM policies as AWS evaluates them;  addressed.py: what each call addresses;  guard.py: enforces it
hidden.py       what only the inventory sees
inventory.py    everything in the account that a deployer could have made, without random ids
inside.py       how it looks for that, without a connection
client.py       `Cloud`: starts the process and talks to it
fixtures.py     the pytest fixtures `cloud` and `registry_cloud`
"""

from .calls import Call
from .client import Cloud

__all__ = ["Call", "Cloud"]
