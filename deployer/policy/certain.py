"""What a run calls for certain, as it is asked of IAM: few statements, for a simulation and not for a policy."""

from __future__ import annotations

import re
from collections.abc import Iterable

from deployer.policy.document import Site, Statement, given, merged
from deployer.resource import Resource

# Not: what only some runs call; tags beside the call that makes something, which some accounts still need no permission
# for; a key's use, which the key's own policy may allow; linked roles, which are mostly there.
MAKING = re.compile(r"(?!kms:|iam:CreateServiceLinkedRole).*:(Create|Allocate|Register|AssociateRoute|PassRole)")
CHANGING = re.compile(r"(ecs|iam):Update")


def certain(made: Iterable[Resource], changed: Iterable[Resource], site: Site) -> list[Statement]:
    """A statement for each service, and one more for what knows no resources: its conditions are met by the tags and
    names of all of these calls together."""
    grants = (
        one
        for resources, calls in ((made, MAKING), (changed, CHANGING))
        for resource in resources
        for grant in resource.grants
        if (chosen := [action for action in grant.actions.split() if calls.match(action)])
        for one in given(resource, [grant._replace(actions=" ".join(chosen))], site)
    )
    return merged(grants, site, lambda action, anywhere, when: (action.partition(":")[0], anywhere))
