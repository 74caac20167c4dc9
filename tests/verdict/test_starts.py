"""What keeps a task from starting, in the words that AWS has printed to others; the source stands at each."""

from __future__ import annotations

import pytest

from deployer.verdict.evidence import Evidence, Facts
from deployer.verdict.verdict import judge
from tests.verdict.cases import ECR, events, exited, failed_to_start

PULL = "CannotPullContainerError: pull image manifest has been retried 1 time(s):"
AUTH = "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed:"
ASM = f"{AUTH} unable to retrieve secret from asm: service call has been retried 1 time(s):"
SECRET = "arn:aws:secretsmanager:us-east-1:111122223333:secret:voting/db-7qFlRJ"
FETCH = f"{ASM} failed to fetch secret {SECRET} from secrets manager:"
ROLE = "User: arn:aws:sts::111122223333:assumed-role/voting-exec/26e17af95b5e431893308026b892584f"
LOGGER = "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times:"
OCI = (
    "CannotStartContainerError: ResourceInitializationError: failed to create new container runtime task: failed to "
    "create shim task: OCI runtime create failed: runc create failed: unable to start container process:"
)
CLOSED = Facts(port=8080, public_ip=False, nat="none")
OPEN = Facts(port=8080, public_ip=True, secrets={"DB_PASSWORD": SECRET})

IMAGES = {
    # aviswerdlow/relay#71
    "image-architecture": failed_to_start(
        "CannotPullContainerError: pull image manifest has been retried 7 time(s): image Manifest does not contain "
        "descriptor matching platform 'linux/amd64'."
    ),
    # ECS developer guide, task_cannot_pull_image
    "image-rate-limit": failed_to_start(
        "CannotPullContainerError: inspect image has been retried 5 time(s): httpReaderSeeker: failed open: unexpected "
        "status code https://registry-1.docker.io/v2/library/redis/manifests/sha256:1f: 429 Too Many Requests - Server "
        "message: toomanyrequests: You have reached your pull rate limit.",
        image="redis:7-alpine",
    ),
    # aws/aws-cdk#14457
    "ecr-permission": failed_to_start(
        'CannotPullContainerError: inspect image has been retried 1 time(s): failed to resolve ref "' + ECR + '": '
        "unexpected status code [manifests 6981141]: 403 Forbidden"
    ),
    # docker's registry; aws docs: pull access denied
    "image-denied": failed_to_start(
        f"{PULL} failed to resolve ref docker.io/acme/web:1: pull access denied, repository does not exist or may "
        "require authorization: server message: insufficient_scope: authorization failed",
        image="acme/web:1",
    ),
    # aws/aws-app-mesh-examples#413
    "no-route-to-registry": failed_to_start(
        f"{AUTH} unable to retrieve ecr registry auth: service call has been retried 5 time(s): RequestError: send "
        "request failed caused by: Post https://api.ecr.us-east-1.amazonaws.com/: dial tcp 52.94.1.2:443: i/o timeout",
        facts=CLOSED,
    ),
    # Go's resolver, as ECS passes it on
    "registry-name": failed_to_start(
        f'{PULL} failed to resolve ref registry.acme.test/web:1: failed to do request: Head "https://registry.acme.test/'
        'v2/web/manifests/1": dial tcp: lookup registry.acme.test on 10.0.0.2:53: no such host',
        image="registry.acme.test/web:1",
    ),
    # deepfence/terraform-aws-cloud-scanner#13
    "registry-unreachable": failed_to_start(
        "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref "
        "quay.io/deepfenceio/cloud-scanner:latest: failed to do request: Head "
        '"https://quay.io/v2/deepfenceio/cloud-scanner/manifests/latest": dial tcp 3.210.148.47:443: i/o timeout',
        image="quay.io/deepfenceio/cloud-scanner:latest",
    ),
    # aws/containers-roadmap#2687
    "ecr-image-missing": failed_to_start(f"{PULL} failed to resolve ref {ECR}@sha256:86311: not found"),
    # deployer's sandbox, after containers-roadmap#2493
    "image-not-found": failed_to_start(
        f"{PULL} failed to resolve ref docker.io/library/redis:77: docker.io/library/redis:77: not found",
        image="redis:77",
    ),
    # aws-samples/dify-self-hosted-on-aws#3
    "image-damaged": failed_to_start(
        "CannotPullContainerError: ref pull has been retried 1 time(s): failed to unpack image on snapshotter "
        "overlayfs: mismatched image rootfs and manifest layers"
    ),
    # ECS developer guide, task_cannot_pull_image
    "image-too-big": failed_to_start(
        "CannotPullContainerError: write /var/lib/docker/tmp/GetImageBlob111111111: no space left on device"
    ),
    # ECS developer guide, task_cannot_pull_image
    "image-not-pulled": failed_to_start(
        "CannotPullContainerError: ref pull has been retried 1 time(s): failed to copy: httpReaderSeeker: failed open: "
        "unexpected status code"
    ),
}
STARTS = {
    # recorded in a test of a CloudTrail consumer, 48251834547; benchling's report
    "secret-json-key": failed_to_start(
        f"{ASM} retrieved secret from Secrets Manager did not contain json key MY_SECRET"
    ),
    # the ECS agent's asm package
    "secret-not-json": failed_to_start(
        f"{ASM} invalid character 'h' looking for beginning of value from Secrets Manager", facts=OPEN
    ),
    # Secrets Manager: InvalidRequestException
    "secret-deleted": failed_to_start(
        f"{FETCH} InvalidRequestException: You can't perform this operation on the secret because it was marked for "
        "deletion.",
        facts=OPEN,
    ),
    # Secrets Manager: ResourceNotFoundException
    "secret-not-found": failed_to_start(
        f"{FETCH} ResourceNotFoundException: Secrets Manager can't find the specified secret.", facts=OPEN
    ),
    # GiamPy5/terraform-aws-directus#10
    "secret-key-permission": failed_to_start(
        f"{FETCH} AccessDeniedException: Access to KMS is not allowed status code: 400, request id: a87a66d9"
    ),
    # quoted by AWS and many others
    "secret-permission": failed_to_start(
        f"{FETCH} AccessDeniedException: {ROLE} is not authorized to perform: secretsmanager:GetSecretValue on "
        "resource: "
        f"{SECRET} because no identity-based policy allows the secretsmanager:GetSecretValue action"
    ),
    # Releem/releem-agent#195
    "no-route-to-secrets": failed_to_start(
        f"{FETCH} RequestCanceled: request context canceled caused by: context deadline exceeded. Please check your "
        "task network configuration.",
        facts=CLOSED,
    ),
    # the newer words: fleetshell-gateway, 63228656455
    "secrets-unreachable": failed_to_start(
        "ResourceInitializationError: unable to pull secrets or registry auth: unable to retrieve secret from asm: "
        "There is a connection issue between the task and AWS Secrets Manager. Check your task network configuration. "
        "failed "
        f"to fetch secret {SECRET} from secrets manager: operation error Secrets Manager: GetSecretValue, https "
        "response error StatusCode: 0, RequestID: , canceled, context deadline exceeded."
    ),
    "secret-not-read": failed_to_start(f"{FETCH} InternalServiceError: An error occurred on the server side."),
    # civiform/civiform#7648
    "log-group-missing": failed_to_start(
        f"{LOGGER} failed to create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not "
        "exist. : exit status 1"
    ),
    # doctorray117/minecraft-ondemand#12
    "log-permission": failed_to_start(
        f"{LOGGER} failed to create Cloudwatch log stream: AccessDeniedException: {ROLE} is not authorized to perform: "
        "logs:CreateLogStream : exit status 1"
    ),
    "logs-unreachable": failed_to_start(
        f"{LOGGER} failed to create Cloudwatch log stream: RequestError: send request failed caused by: Post "
        '"https://logs.us-east-1.amazonaws.com/": dial tcp 3.236.94.1:443: i/o timeout : exit status 1'
    ),
    # telia-oss/terraform-aws-ecs-fargate#58
    "role-not-assumed": events(
        "failed to launch a task with (error ECS was unable to assume the role "
        "'arn:aws:iam::111122223333:role/voting-exec' that was provided for this task. Please verify that the role "
        "being passed has the proper trust relationship and permissions and that your IAM user has permissions to pass "
        "this role.)."
    ),
    # wellcomecollection's handbook, airflow
    "network-interface": failed_to_start("Timeout waiting for network interface provisioning to complete."),
    # containerd, copilot-cli#1949
    "exec-format-error": exited(1, "exec /usr/local/bin/gunicorn: exec format error"),
    "user-unknown": failed_to_start(
        "Task failed to start",
        "CannotStartContainerError: ResourceInitializationError: unable to create new container: unable to find user "
        "app: no matching entries in passwd file",
    ),
    # 12354302345
    "command-not-executable": failed_to_start(
        "Task failed to start", f'{OCI} exec: "/bin/start.sh": permission denied: unknown'
    ),
    # saebyn/glowing-telegram#398
    "command-not-found": failed_to_start(
        "Task failed to start", f'{OCI} exec: "gunicron": executable file not found in $PATH: unknown'
    ),
    # aws/amazon-ecs-agent#3526
    "container-not-started": failed_to_start(
        "Task failed to start", f"{OCI} error during container init: error creating device nodes: mknod: errno 524"
    ),
    "task-not-initialized": failed_to_start("ResourceInitializationError: failed to prepare the volume"),
}
CASES = IMAGES | STARTS


@pytest.mark.parametrize("name", CASES)
def test_cause(name: str) -> None:
    assert judge(CASES[name]).cause == name


@pytest.mark.parametrize("name", CASES)
def test_the_same_words_as_an_event(name: str) -> None:
    """Stopped tasks are gone after an hour, events are not."""
    task = CASES[name].last
    words = task.words if task and not task.exited else ()
    if words:
        told = Evidence("web", "voting-web:7", CASES[name].image, facts=CASES[name].facts, events=(
            f"(service web) was unable to place a task. Reason: {words[-1]}",))  # fmt: skip
        assert judge(told).cause == name


def test_sentences_name_things() -> None:
    said = {name: judge(CASES[name]) for name in CASES}
    assert "MY_SECRET" in said["secret-json-key"].sentence
    assert "voting/db" in said["secret-not-found"].sentence and "restore-secret" in said["secret-deleted"].advice
    assert "linux/amd64" in said["image-architecture"].advice and "x86_64" in said["image-architecture"].sentence
    assert (
        "gunicron" in said["command-not-found"].sentence and "network.nat: single" in said["no-route-to-secrets"].advice
    )
    assert "role/voting-exec" in said["role-not-assumed"].sentence and "redis:77" in said["image-not-found"].sentence
    assert "deployer push-image web" in said["ecr-image-missing"].advice


def test_which_secret_lacks_the_key() -> None:
    said = f"{ASM} retrieved secret from Secrets Manager did not contain json key MY_SECRET"
    for secrets, name in (
        ({"A": f"{SECRET}:MY_SECRET::", "B": "other"}, "voting/db"),
        ({"A": "voting-db:MY_SECRET", "B": "other:KEY"}, "voting-db"),
        ({"A": "voting-db"}, "voting-db"),
        ({"A": "one", "B": "two"}, "of web"),
    ):
        found = judge(failed_to_start(said, facts=Facts(secrets=secrets)))
        assert found.sentence == f"The secret {name} has no JSON key MY_SECRET."


def test_older_runtime_words_for_a_missing_command() -> None:
    """aws/amazon-ecs-agent#2954, jenkinsci/amazon-ecs-plugin#258: cut in the middle by ECS."""
    for words in ('exec: "/opt/sonarqube/bin/run.sh": stat /opt/sonarqube/bin/run.sh...no such file or direct...',
                  'exec: "-url": executable file not found in $PATH'):  # fmt: skip
        reason = (
            "CannotStartContainerError: ResourceInitializationError: failed to create new container runtime task: OCI "
            f"runtime create failed: container_linux.go:370: starting container process caused: {words}"
        )
        assert judge(failed_to_start("Task failed to start", reason)).cause == "command-not-found"
