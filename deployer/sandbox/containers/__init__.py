"""ECS tasks as containers in the Docker engine of this machine.

    containers   all tasks of a sandbox: run, look, stop, reach, adopt, clean
    task         the life of one, in a thread of its own, which is told news and never polls
    container    one of its containers;  image: found or pulled;  options: a definition in the engine's terms
    output       what containers write, to the log;  watch: the engine's events, to the tasks
    network      a network for each VPC, and its way to the load balancers: gateway, a program in a container
    engine       the connection, and the labels by which everything of ours is found;  reasons: AWS's words for ends

Threads: two for all, one for each task, one for each container with a log. What does not carry the owner's label is
never touched.
"""

from deployer.sandbox.containers.containers import Containers
from deployer.sandbox.containers.model import ContainerSeen, Seen, TaskSpec

__all__ = ["ContainerSeen", "Containers", "Seen", "TaskSpec"]
