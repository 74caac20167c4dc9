"""moto's backends, made to answer as AWS does. Everything in here changes under `tempo.LOCK`.

tempo.py        how long things take, and the one lock
corrections.py  installs the files that make moto stricter: ec2, elb, iam, logs, taskdefs, ecs, rollouts, ecr
services.py     a service and its checks;  tasks.py  its deployments and tasks
scheduler.py    plays the ECS scheduler: tasks, deployments, events, the circuit breaker
"""
