"""What programs die of, why load balancers find them unwell, and why no task is placed."""

from __future__ import annotations

import pytest

from deployer.verdict.causes import CAUSES
from deployer.verdict.evidence import Facts, TargetHealth
from deployer.verdict.verdict import judge
from tests.verdict import test_starts
from tests.verdict.cases import (
    ELB,
    FAILED,
    GROUP,
    TIMED_OUT,
    code,
    events,
    evidence,
    exited,
    failed_to_start,
    task,
    unwell,
)

READ_ONLY = Facts(port=8080, read_only=True)
NETWORK = Facts(port=6379, balancer="network", grace=300)
GUNICORN = "[2026-11-21 09:14:02 +0000] [7] [INFO] Listening at: http://0.0.0.0:8080 (7)"

EXITS = {
    # ECS developer guide; repost.aws
    "out-of-memory": evidence(task(code=137, container="OutOfMemoryError: Container killed due to memory usage")),
    "exit-0": exited(0, "done"),
    "exit-127": exited(127, "/bin/sh: 1: gunicorn: not found"),
    "exit-137": exited(137),
    "exit-139": exited(139, "Segmentation fault (core dumped)"),
    "exit-134": exited(134, "terminate called after throwing an instance of 'std::bad_function_call'"),
    "exit-143": exited(143),
    "usage-error": exited(2, "gunicorn: error: unrecognized arguments: --wrkers"),
    "exit-code": exited(1, "something went wrong"),
    # what languages and servers print
    "heap-exhausted": exited(1, "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory"),
    "address-in-use": exited(1, "OSError: [Errno 98] Address already in use"),
    "port-not-permitted": exited(1, "nginx: [emerg] bind() to 0.0.0.0:80 failed (13: Permission denied)"),
    "read-only-files": exited(
        1, "OSError: [Errno 30] Read-only file system: '/app/cache'", facts=READ_ONLY
    ),
    "module-missing": exited(1, "Traceback:", "ModuleNotFoundError: No module named 'flask_cors'"),
    "library-missing": exited(1, "./server: error while loading shared libraries: libpq.so.5: cannot open"),
    "variable-missing": exited(1, "    raise KeyError(key) from None", "KeyError: 'REDIS_HOST'"),
    "login-refused": exited(1, 'FATAL:  password authentication failed for user "voting"'),
    "name-not-resolved": exited(1, "redis.exceptions.ConnectionError: Error -2 connecting to redis:6379. Name or "
    "service "
                                   "not known."),
    "not-connected": exited(1, "redis.exceptions.ConnectionError: Error 111 connecting to 10.0.1.7:6379. Connection "
                               "refused."),
    "application-missing": exited(4, "Failed to find attribute 'app' in 'app.voting'."),
    "file-missing": exited(3, "python: can't open file '/app/main.py': [Errno 2] No such file or directory"),
    "file-not-permitted": exited(1, "PermissionError: [Errno 13] Permission denied: '/data/votes.db'"),
}  # fmt: skip
HEALTH = {
    "health-path-404": unwell(code(404), GUNICORN),
    "health-redirect": unwell(code(301), GUNICORN),
    "health-forbidden": unwell(code(401), GUNICORN),
    "health-bad-request": unwell(code(400), "Invalid HTTP_HOST header: '10.0.0.12:8080'."),
    "health-error": unwell(code(502), GUNICORN),
    "health-code": unwell(code(204), GUNICORN),
    "listens-locally": unwell(FAILED, " * Running on http://127.0.0.1:8080"),
    "listens-elsewhere": unwell(FAILED, "INFO:     Uvicorn running on http://0.0.0.0:8000 (Press CTRL+C to quit)"),
    "health-too-early": unwell(FAILED, "Applying migrations: 0001_initial ... 0042_votes"),
    "health-slow": unwell(TIMED_OUT, GUNICORN, '10.0.0.8 "GET /healthz HTTP/1.1" 200 "-" "ELB-HealthChecker/2.0"'),
    "security-group": unwell(TIMED_OUT, GUNICORN),
    "health-timeout": unwell(TIMED_OUT),
    "nobody-listens": unwell(FAILED),
    "target-unused": evidence(targets=(TargetHealth("unused", "Target.NotInUse", "Target group is not configured to "
                                                    "receive traffic from the load balancer"),)),
    # ECS developer guide, stopped-task-errors
    "container-health": evidence(task("Task failed container health checks", 137, stop="ServiceSchedulerInitiated")),
    "health-failed": evidence(task(ELB, 143, stop="ServiceSchedulerInitiated"),
                              targets=(TargetHealth("initial", "Elb.RegistrationInProgress"),)),
    "health-pending": evidence(targets=(TargetHealth("initial", "Elb.InitialHealthChecking",
                                                     "Initial health checks in progress"),)),
}  # fmt: skip
UNABLE = "was unable to place a task. Reason:"
CAPACITY = f"{UNABLE} Capacity is unavailable at this time. Please try again later or in a different availability zone."
EC2 = "Unexpected EC2 error while attempting to Create Network Interface"
UNPLACED = {
    # airflow, aws-samples
    "spot-interruption": evidence(task("Your Spot Task was interrupted.", 137, stop="SpotInterruption")),
    # ECS developer guide, task retirement
    "host-retired": evidence(
        task(
            "ECS is performing maintenance on the underlying infrastructure hosting the task.",
            143,
            stop="UserInitiated",
        )
    ),
    # recorded in a test, 70592860467
    "subnet-full": failed_to_start(f"{EC2} in subnet 'subnet-0a1b': InsufficientFreeAddressesInSubnet"),
    "network-gone": failed_to_start(f"{EC2} in subnet 'subnet-0a1b': InvalidSubnetID.NotFound"),
    # ECS developer guide, stopped-task-errors; airflow
    "interface-refused": failed_to_start(
        f"{EC2} with public IP assignment enabled in subnet 'subnet-0a1b': AuthFailure"
    ),
    # aws-samples/aws-modern-application-workshop#69
    "service-linked-role": evidence(
        rollout="Unable to assume the service linked role. Please verify that the ECS service linked role exists."
    ),
    # ClientException of UpdateService and RunTask, 66045849313
    "task-definition-inactive": events("failed to launch a task with (error TaskDefinition is inactive)."),
    # ECS developer guide, service-event-messages, and 69058706924
    "deployment-percent": events(
        "was unable to stop or start tasks during a deployment because of the service deployment configuration. "
        "Update the minimumHealthyPercent or maximumPercent value and try again."
    ),
    "vcpu-quota": events(f"{UNABLE} You’ve reached the limit on the number of vCPUs you can run concurrently"),
    "task-quota": events(f"{UNABLE} You've reached the limit on the number of tasks you can run concurrently"),
    "size-above-limit": events(f"{UNABLE} The requested MEMORY configuration is above your limit."),
    "zone-unsupported": events(f"{UNABLE} Internal error."),
    "no-spot-capacity": events(CAPACITY, facts=Facts(capacity_provider="FARGATE_SPOT")),
    "no-capacity": events(CAPACITY),
    # ECS developer guide, api_failures_messages
    "no-resource": events(f"{UNABLE} RESOURCE:ENI."),
    "ecs-permission": events(
        "IAM permissions policies have been misconfigured or changed, and ECS can no longer maintain your service"
    ),
    "throttled": events("operations are being throttled. Will try again later."),
}
CASES = EXITS | HEALTH | UNPLACED


@pytest.mark.parametrize("name", CASES)
def test_cause(name: str) -> None:
    assert judge(CASES[name]).cause == name


@pytest.mark.parametrize("line", ["KeyError: 'user_id'", "the configuration is missing", "ERROR: it is not set"])
def test_what_is_no_environment_variable_is_not_called_one(line: str) -> None:
    assert judge(exited(1, line)).cause == "exit-code"


def test_every_cause_has_its_test() -> None:
    assert {cause.name for cause in CAUSES} == CASES.keys() | test_starts.CASES.keys()
    assert len(CAUSES) == len({cause.name for cause in CAUSES}) >= 34


def test_every_advice_is_of_this_service_and_complete() -> None:
    for given in (CASES | test_starts.CASES).values():
        said = judge(given)
        assert said.sentence.endswith(".") and said.advice.endswith(".")
        assert "{" not in said.sentence and not said.advice.startswith("{")
        assert "`" in said.advice, "a key or a command"


def test_health_by_events_alone() -> None:
    """The targets are deregistered with their tasks."""
    for words, name in (
        ("Health checks failed with these codes: [404]", "health-path-404"),
        ("Request timed out", "health-timeout"),
        ("Health checks failed", "nobody-listens"),
    ):
        said = f"(port 8080) is unhealthy in (target-group {GROUP}) due to (reason {words})."
        assert judge(events(said)).cause == name


def test_flask_on_all_addresses_names_localhost_too() -> None:
    log = (" * Running on all addresses (0.0.0.0)", " * Running on http://127.0.0.1:8080")
    assert judge(unwell(TIMED_OUT, *log)).cause == "security-group"


@pytest.mark.parametrize("said", [
    "[INFO] Listening at: http://127.0.0.1:8080 (7)", "server listening on localhost:8080", "Running on http://[::1]:8080",
])  # fmt: skip
def test_local_addresses(said: str) -> None:
    found = judge(unwell(FAILED, said))
    assert found.cause == "listens-locally" and "0.0.0.0:8080" in found.advice


@pytest.mark.parametrize("said", [
    "Server listening on port 3000", "Tomcat started on port(s): 3000 (http)", "Listening on :3000",
    "> ready - started server on 0.0.0.0:3000, url: http://localhost:3000",
])  # fmt: skip
def test_other_ports(said: str) -> None:
    found = judge(unwell(FAILED, said))
    assert found.cause == "listens-elsewhere" and "services.web.port: 3000" in found.advice


def test_too_early_by_time_and_by_the_signal() -> None:
    late = task(ELB, 143, stop="ServiceSchedulerInitiated", started_at=1000.0, stopped_at=1090.0)
    given = evidence(late, targets=(FAILED,), log=("booting", GUNICORN), log_times=(1001.0, 1085.0))
    assert judge(given).cause == "health-too-early"
    assert judge(unwell(FAILED, "got SIGTERM", GUNICORN)).cause == "health-too-early"
    early = evidence(late, targets=(TIMED_OUT,), log=(GUNICORN,), log_times=(1002.0,))
    assert judge(early).cause == "security-group"


def test_a_network_balancer_tells_less() -> None:
    log = "Ready to accept connections tcp, listening on 0.0.0.0:6379"
    assert judge(unwell(FAILED, log, facts=NETWORK)).cause == "security-group"
    assert "TCP server" in judge(unwell(FAILED, facts=NETWORK)).sentence


def test_the_precise_beats_the_general() -> None:
    crash = task(code=1)
    full = events("was unable to place a task. Reason: Capacity is unavailable at this time.").events
    assert judge(evidence(crash, events=full)).cause == "exit-code"
    assert judge(evidence(crash, log=("Address already in use",), events=full)).cause == "address-in-use"
    assert judge(exited(127, "exec format error")).cause == "exec-format-error"
    assert judge(exited(1, "Read-only file system: '/x'")).cause == "exit-code", "not without read_only"
    assert judge(evidence(crash, targets=(FAILED,))).cause == "exit-code"


def test_the_newest_failure_counts_and_the_scheduler_is_no_failure() -> None:
    old = task("CannotPullContainerError: dial tcp: i/o timeout", id="old")
    taken = task("Scaling activity initiated by (deployment ecs-svc/12)", 0, stop="ServiceSchedulerInitiated")
    assert judge(evidence(taken, task(code=139), old)).cause == "exit-139"
    assert judge(evidence(taken)).cause == "unknown"
