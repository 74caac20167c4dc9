"""An AWS on this machine: `deployer up --sandbox` needs no account. The rest of `deployer` does not know it: it talks
to an endpoint, as it talks to AWS.

    process.py      the sandbox's one background process, seen from a command: find it, start it, stop it
    __main__.py     that process;  life.py  what it does from its start to its end;  quick.py  a quick start
    server.py       AWS's calls from whoever has the key;  endpoint.py  moto behind HTTP
    control/        the control plane: moto, made to answer as AWS does, and the ECS scheduler
    containers/     tasks as containers in the local Docker engine
    fronts/         load balancers as real fronts on 127.0.0.1, with health checks
    running.py      joins them: what the scheduler wants, the containers do, and the load balancers see
    supplies.py     what containers need of the account: secrets, a place for their output
    registry.py     a real image registry on loopback behind ECR;  contained.py  the same from a container
    leftovers.py    what Docker still holds of what the account has deleted;  store.py  the account, on the disk

What it needs beyond `deployer` is the extra `deployer[sandbox]`. The tests' cloud stands on control/ too, with a
runtime that only plays tasks (tests/cloud/play.py).
"""
