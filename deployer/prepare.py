"""What can be done before anything in the account is touched."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from deployer import plan as planning
from deployer.aws import Aws
from deployer.plan import Action, Plan, Step
from deployer.state import State


def prepare(plan: Plan, aws: Aws, state: State, progress: Callable[[str, str], None], parallel: int = 8) -> None:
    """Does everything that needs no change in the account: builds images, checks references. Raises the first error."""

    def one(step: Step) -> None:
        if step.resource is None or step.action is Action.KEEP:
            return
        known = step.resource.resolved(lambda ref: planning.known(ref, state.records, plan))
        known.prepare(aws, lambda text: progress(step.key, text))

    pool = ThreadPoolExecutor(parallel)
    try:
        list(pool.map(one, plan.steps))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
