"""What the tests of AWS's manners stand on: the account of the types, and projects for whole stacks."""

from __future__ import annotations

from tests.resources.conftest import account
from tests.whole.conftest import warm

__all__ = ["account", "warm"]
