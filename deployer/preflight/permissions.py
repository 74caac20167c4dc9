"""Permissions that the caller lacks, as far as IAM may be asked.

Only what is called for certain is asked for (`policy.certain`), with the stack's tags and names as the real calls will
have them. IAM's simulation is stricter than the calls: it knows neither what does not exist yet nor where and how the
caller has signed in. So an action counts as denied only if it is so on everything that was asked, and if no policy
misses anything in the question.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from deployer.aws import POLICY, Aws
from deployer.errors import AwsError
from deployer.policy import Site, certain, denied
from deployer.policy.document import Statement
from deployer.preflight.run import Ask, Finding, Run, Told


class Permissions:
    def asks(self, run: Run) -> Mapping[str, Ask]:
        if not run.going:
            return {}
        aws, made = run.aws, {one.key for one in run.made}
        site = Site(aws.stack, aws.account, aws.region, aws.partition)
        updated = [one for one in run.changed if one.key not in made]
        return {"denied": partial(_denied, aws, certain(run.made, updated, site))}

    def judge(self, run: Run, told: Told) -> Iterator[Finding]:
        if actions := told.get("denied"):
            ask = "that permission" if len(actions) == 1 else "these permissions"
            yield AwsError(
                f"permissions: {run.aws.caller} may not call {', '.join(actions)}, which this run needs, says IAM.",
                f"Ask for {ask}, then run this again; {POLICY}",
            )


def _denied(aws: Aws, statements: list[Statement]) -> list[str] | None:
    try:
        return denied(aws, statements)
    except AwsError:
        return None
