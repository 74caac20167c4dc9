"""What a stack of many services costs. `python -m benchmarks.scale [--services 100]`.

Against the simulated AWS, whose ECS takes as many calls a second as AWS's does (the manner `rates`): our own processor
time for a plan (beyond that of a stack of one service), `up` and `down` with the calls that were throttled, and the
memory of `up` for each service more. Peak memory is the process's own (VmHWM).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.cloud import Cloud
from tests.test_scale import large
from tests.whole.project import path

MEASURED = """
import sys, time
import deployer.cli as cli
leave = cli.os._exit
def measured(code):
    status = open("/proc/self/status").read()
    peak = status.partition("VmHWM:")[2].split()[0]
    print(f"measured {peak} {time.process_time()}", file=sys.stderr, flush=True)
    leave(code)
cli.os._exit = measured
sys.argv = ["deployer", *sys.argv[1:]]
cli.main()
"""


@dataclass(frozen=True)
class Cost:
    """Of one command: seconds by the clock and of the processor, KiB, calls, and how many of them were throttled."""

    seconds: float
    own: float
    peak: int
    calls: int
    throttled: int


def run(cloud: Cloud, folder: Path, *args: str) -> Cost:
    """Raises SystemExit with the output when the command fails."""
    cloud.forget_calls()
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", MEASURED, *args], cwd=folder, env=path(cloud.env()),
                          capture_output=True, text=True, check=False)  # fmt: skip
    seconds = time.monotonic() - began
    if done.returncode:
        raise SystemExit(f"deployer {' '.join(args)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    peak, own = done.stderr.rpartition("measured ")[2].split()
    calls = cloud.calls()
    print(f"deployer {args[0]}: {seconds:.1f} s", file=sys.stderr, flush=True)
    return Cost(seconds, float(own), int(peak), len(calls), sum(call.status == 400 for call in calls))


def life(cloud: Cloud, services: int) -> dict[str, Cost]:
    """A stack of so many services: made, looked at, taken away."""
    cloud.reset()
    cloud.tempo(task=0.1, drain=0.1)
    cloud.manners("rates")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "deploy.yaml").write_text(large(services) + "region: us-east-1\n")
        return {
            "plan": run(cloud, folder, "plan"),
            "up": run(cloud, folder, "up", "-y", "--quiet", "--timeout", "60m"),
            "plan again": run(cloud, folder, "plan"),
            "down": run(cloud, folder, "down", "-y", "--quiet", "--timeout", "60m"),
        }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--services", type=int, default=100)
    count = parser.parse_args().services
    with Cloud.start() as cloud:
        few, one, many = life(cloud, count // 5), life(cloud, 1), life(cloud, count)
    print(f"{count} services\n\n| run | seconds | own processor time, s | more than of 1 service | calls | throttled |")
    print("|---|---|---|---|---|---|")
    for name, cost in many.items():
        more = cost.own - one[name].own
        print(f"| {name} | {cost.seconds:.1f} | {cost.own:.2f} | {more:.2f} | {cost.calls} | {cost.throttled} |")
    grown = (many["up"].peak - few["up"].peak) / (count - count // 5)
    print(f"\nMemory of `up`: {many['up'].peak / 1000:.0f} MB, {grown:.0f} KiB for each service more.")


if __name__ == "__main__":
    main()
