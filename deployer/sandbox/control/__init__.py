"""moto's backends, made to answer as AWS does. Everything in here changes under `tempo.LOCK`.

tempo.py        how long things take, and the one lock
corrections.py  installs the files that make moto stricter: ec2, elb, iam, limits, logs, quotas, taskdefs,
                ecs, ecr
manner.py       what a manner of AWS's is;  manners/: those that may be switched on

ECS:
ecs.py          its API: clusters and services;  runtask.py: tasks;  history.py: service deployments and revisions
services.py     a service and its checks;  tasks.py: its deployments and tasks;  capacity.py: where they run
rollouts.py     service deployments and service revisions
scheduler.py    plays the ECS scheduler;  rolling.py: deployments;  breaker.py: failures, the way back;  events.py
answers.py      what several calls have in common
"""
