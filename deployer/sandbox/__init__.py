"""An AWS on this machine: `deployer up --sandbox` needs no account. The rest of `deployer` does not know it: it talks
to an endpoint, as it talks to AWS.

    process.py      the sandbox's one background process, seen from a command: find it, start it, stop it
    __main__.py     that process;  server.py  its HTTP side;  store.py  its memory on the disk
    control/        the control plane: moto, made to answer as AWS does, and the ECS scheduler
    containers/     tasks as containers in the local Docker engine
    fronts/         load balancers as real fronts on 127.0.0.1, with health checks
    registry.py     a real image registry on loopback behind ECR
    running.py      joins them: what the scheduler wants, the containers do, and the load balancers see

What it needs beyond `deployer` is the extra `deployer[sandbox]`. The tests' cloud stands on control/ too, with a
runtime that only plays tasks (tests/cloud/play.py).
"""
