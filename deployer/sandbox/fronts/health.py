"""The health of one target: pure, from one check to the next."""

from __future__ import annotations

from dataclasses import dataclass

from deployer.sandbox.fronts.view import Check, Told

REGISTERING: Told = ("initial", "Elb.RegistrationInProgress", "Target registration is in progress")
CHECKING: Told = ("initial", "Elb.InitialHealthChecking", "Initial health checks in progress")
HEALTHY: Told = ("healthy", None, None)
TIMED_OUT: Told = ("unhealthy", "Target.Timeout", "Request timed out")
FAILED: Told = ("unhealthy", "Target.FailedHealthChecks", "Health checks failed")

# The sandbox is quicker than AWS, and no less strict: seconds between two checks.
INITIAL_PAUSE = 0.3
UNHEALTHY_PAUSE = 1.0
LONGEST_INTERVAL = 5.0


def mismatch(code: int) -> Told:
    return ("unhealthy", "Target.ResponseCodeMismatch", f"Health checks failed with these codes: [{code}]")


def accepts(codes: str, code: int) -> bool:
    """`codes`: like 200-399 or 200,301."""
    bounds = [part.strip().partition("-") for part in codes.split(",")]
    return any(int(low) <= code <= int(high or low) for low, _, high in bounds)


@dataclass
class Health:
    since: float
    told: Told = REGISTERING
    _failures: int = 0
    _successes: int = 0

    @property
    def state(self) -> str:
        return self.told[0]

    def note(self, failure: Told | None, check: Check, now: float) -> None:
        """One more check was made; `failure` is what came of it, None if it went well."""
        self._failures = self._failures + 1 if failure else 0
        self._successes = 0 if failure else self._successes + 1
        if failure is None:
            if self.state != "unhealthy" or self._successes >= check.healthy:
                self.told = HEALTHY
        elif self.state == "unhealthy" or self._lost(check, now):
            self.told = failure
        elif self.state == "initial":
            self.told = CHECKING

    def _lost(self, check: Check, now: float) -> bool:
        """A new target is checked far more often than AWS would: there it is the time that counts."""
        if self.state == "initial":
            return now - self.since >= check.unhealthy * min(check.interval, LONGEST_INTERVAL)
        return self._failures >= check.unhealthy

    def pause(self, check: Check) -> float:
        quick = {"initial": INITIAL_PAUSE, "unhealthy": UNHEALTHY_PAUSE}
        return quick.get(self.state, min(check.interval, LONGEST_INTERVAL))
