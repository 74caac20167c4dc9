"""What of others' keeps a stack from going, and what of AWS's does so for a while. Reads only.

ours.py        the recorded objects, by type
network.py     network interfaces, strangers in the VPC, rules that refer to our groups
balancing.py   deletion protection, target groups that others' load balancers use
containers.py  guests in our cluster, users of our images, instance profiles with our roles
survey.py      all of it at once, before a `down`; and again for what is refused meanwhile
"""

from deployer.blocking import containers, network

GRANTS = (network.LISTED, containers.HELD)
BESIDES = (("repository", containers.IN_USE),)
