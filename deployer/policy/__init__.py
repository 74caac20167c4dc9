"""The least that AWS has to allow the one who runs `deployer`, for one deploy.yaml.

grants (in the package above)   what a call needs, declared beside the code that makes it
commands    what commands need beyond the resource types
document    grants → an IAM policy of one stack
trust       who may take a role on
certain     what of it a run calls for certain
denied      which of it the caller lacks

Imports run one way: document → commands → resources, grants.
"""

from deployer.policy.certain import certain
from deployer.policy.denied import denied
from deployer.policy.document import Site, documents, policy, size
from deployer.policy.trust import Trust, trust

__all__ = ["Site", "Trust", "certain", "denied", "documents", "policy", "size", "trust"]
