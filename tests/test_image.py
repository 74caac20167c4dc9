# ruff: noqa: F811  (fixtures are imported by name)
from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deployer import image
from deployer.context import let_through
from deployer.errors import ImageError
from deployer.image import Build, Login, content_hash, needs_buildkit, push, resolve
from tests.registry import (  # noqa: F401
    PASSWORD,
    USER,
    Import,
    Registry,
    docker_engine,
    import_image,
    native,
    public_registry,
    registry,
    shell_image,
    tag,
    unavailable,
)

DIGEST = "sha256:" + "0" * 64


def silent(_: str) -> None:
    pass


def make(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return folder


@pytest.fixture
def context(tmp_path: Path) -> Path:
    return make(tmp_path / "web", {
        "Dockerfile": "FROM scratch\nCOPY . /\n",
        ".dockerignore": "*.log\nnode_modules\n!keep.log\n",
        "app.py": "print('hello')\n",
        "noise.log": "noise",
        "keep.log": "kept",
        "node_modules/left/pad.js": "pad",
    })  # fmt: skip


# --- the hash


def test_the_hash_is_16_hex_digits_and_the_same_each_time(context: Path) -> None:
    first = content_hash(Build(context))
    assert len(first) == 16 and int(first, 16) >= 0
    assert content_hash(Build(context)) == first


def test_a_copy_of_the_folder_elsewhere_has_the_same_hash(context: Path, tmp_path: Path) -> None:
    shutil.copytree(context, tmp_path / "copy")
    assert content_hash(Build(tmp_path / "copy")) == content_hash(Build(context))


def add_a_file(context: Path) -> None:
    (context / "new.py").write_text("")


def change_a_file(context: Path) -> None:
    (context / "app.py").write_text("print('hullo')\n")


def rename_a_file(context: Path) -> None:
    (context / "app.py").rename(context / "main.py")


def make_a_file_executable(context: Path) -> None:
    (context / "app.py").chmod(0o755)


def replace_a_file_by_a_link(context: Path) -> None:
    (context / "app.py").unlink()
    (context / "app.py").symlink_to("keep.log")


def add_an_empty_folder(context: Path) -> None:
    (context / "data").mkdir()


def change_the_dockerfile(context: Path) -> None:
    (context / "Dockerfile").write_text("FROM scratch\nCOPY app.py /\n")


def change_a_file_that_an_exception_lets_through(context: Path) -> None:
    (context / "keep.log").write_text("other")


@pytest.mark.parametrize("change", [
    add_a_file, change_a_file, rename_a_file, make_a_file_executable, replace_a_file_by_a_link, add_an_empty_folder,
    change_the_dockerfile, change_a_file_that_an_exception_lets_through,
])  # fmt: skip
def test_the_hash_changes_with_what_goes_into_the_image(context: Path, change: Callable[[Path], None]) -> None:
    before = content_hash(Build(context))
    change(context)
    assert content_hash(Build(context)) != before


def touch(context: Path) -> None:
    os.utime(context / "app.py", (1, 1))
    os.utime(context, (1, 1))


def change_the_owner(context: Path) -> None:
    if os.geteuid() == 0:
        os.chown(context / "app.py", 12345, 12345)


def change_permissions_other_than_the_executable_bit(context: Path) -> None:
    (context / "app.py").chmod(0o600)


def change_ignored_files(context: Path) -> None:
    make(context, {"noise.log": "louder", "more.log": "more", "node_modules/right/pad.js": "pad"})


def write_our_own_state(context: Path) -> None:
    make(context, {".deployer/web.json": "{}", "stacks/.deployer/web.json": "{}"})
    (context / "stacks/README").write_text("")
    (context / "stacks/README").unlink()


@pytest.mark.parametrize("change", [
    touch, change_the_owner, change_permissions_other_than_the_executable_bit, change_ignored_files,
    write_our_own_state,
])  # fmt: skip
def test_the_hash_does_not_change_with_the_rest(context: Path, change: Callable[[Path], None]) -> None:
    before = content_hash(Build(context))
    change(context)
    assert content_hash(Build(context)) == before


def test_the_hash_changes_with_arguments_target_and_platform(context: Path) -> None:
    build = Build(context)
    others = [
        replace(build, args={"A": "1"}),
        replace(build, args={"A": "2"}),
        replace(build, args={"A": "1", "B": "1"}),
        replace(build, target="A"),
        replace(build, platform="linux/arm64"),
    ]
    assert len({content_hash(each) for each in [build, *others]}) == 6
    assert content_hash(replace(build, args={"B": "1", "A": "1"})) == content_hash(others[2])


def test_links_are_not_followed(context: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (context / "link").symlink_to(tmp_path / "outside")
    before = content_hash(Build(context))
    (tmp_path / "outside/file").write_text("new")
    assert content_hash(Build(context)) == before


def test_a_pipe_in_the_context_is_not_read(context: Path) -> None:
    os.mkfifo(context / "pipe")
    assert content_hash(Build(context))


def test_a_dockerfile_outside_the_context_is_allowed_and_counts(context: Path, tmp_path: Path) -> None:
    (tmp_path / "Other").write_text("FROM scratch\n")
    build = Build(context, dockerfile="../Other")
    before = content_hash(build)
    (tmp_path / "Other").write_text("FROM scratch\nUSER 1\n")
    assert content_hash(build) != before


def test_a_missing_context_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"nowhere does not exist"):
        content_hash(Build(tmp_path / "nowhere"))


def test_a_missing_dockerfile_is_named(context: Path) -> None:
    with pytest.raises(ImageError, match=r"There is no Dockerfile .*web/deploy/Dockerfile\.prod"):
        content_hash(Build(context, dockerfile="deploy/Dockerfile.prod"))


@pytest.mark.parametrize("path", ["secret.key", "folder/", ""])
def test_what_cannot_be_read_is_named(path: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        context = make(Path(name) / "web", {"Dockerfile": "FROM scratch\n", "secret.key": "x", "folder/file": "y"})
        Path(name).chmod(0o755)
        (context / path).chmod(0)
        place = re.escape(f"{context / path}")
        with nobody(), pytest.raises(ImageError, match=rf"{place}\S*: Permission denied") as caught:
            content_hash(Build(context))
        (context / path).chmod(0o700)
    assert ".dockerignore" in caught.value.hint


@contextlib.contextmanager
def nobody() -> Iterator[None]:
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


# --- .dockerignore

IGNORED = [
    ("*.pyc", "a.pyc", True),
    ("*.pyc", "sub/a.pyc", False),
    ("**/*.pyc", "sub/deep/a.pyc", True),
    ("sub", "sub/deep/a.txt", True),
    ("sub/", "sub/a.txt", True),
    ("/sub", "sub/a.txt", True),
    ("sub\n!sub/keep", "sub/keep/a.txt", False),
    ("sub\n!sub/keep", "sub/other", True),
    ("*\n!**/*.py", "pkg/deep/a.py", False),
    ("*\n!**/*.py", "pkg/deep/a.txt", True),
    ("*\n!pkg/*/a.py", "pkg/deep/a.py", False),
    ("!sub/a\nsub", "sub/a", True),
    ("docs", "Docs/a", False),
    ("# docs\n\n  docs  ", "docs/a", True),
    ("**/cache\n!x/keep", "a/b/cache/c/file", True),
    ("?.txt", "a.txt", True),
    ("?.txt", "ab.txt", False),
    ("**", "a/b", True),
]


@pytest.mark.parametrize(("patterns", "path", "ignored"), IGNORED)
def test_dockerignore_means_what_it_means_to_docker(tmp_path: Path, patterns: str, path: str, ignored: bool) -> None:
    make(tmp_path, {"Dockerfile": "FROM scratch\n", ".dockerignore": patterns, path: "x"})
    assert (path not in let_through(Build(tmp_path))) == ignored


def test_a_dockerfile_may_have_an_ignore_file_of_its_own(context: Path) -> None:
    make(context, {"Dockerfile.dockerignore": "app.py\n"})
    assert "app.py" not in let_through(Build(context))
    assert "noise.log" in let_through(Build(context))


# --- what needs BuildKit

BUILDKIT = [
    ("# syntax=docker/dockerfile:1\nFROM scratch", "# syntax=docker/dockerfile:1"),
    ("# escape=`\n#syntax = docker/dockerfile:1\nFROM scratch", "#syntax = docker/dockerfile:1"),
    ("FROM x\nRUN --mount=type=cache,target=/c pip install x", "RUN --mount=type=cache,target=/c pip install x"),
    ("FROM x\nrun --network=none true", "run --network=none true"),
    ("FROM x\nRUN --security=insecure true", "RUN --security=insecure true"),
    ("FROM x\nRUN \\\n  # why\n  --mount=type=bind \\\n  true", "RUN --mount=type=bind true"),
    ("FROM x\nCOPY --link a b", "COPY --link a b"),
    ("FROM x\nCOPY --from=y --chmod=755 a b", "COPY --from=y --chmod=755 a b"),
    ("FROM x\nCOPY --parents a/b c", "COPY --parents a/b c"),
    ("FROM x\nADD --checksum=sha256:0 https://x/y z", "ADD --checksum=sha256:0 https://x/y z"),
    ("FROM x\nRUN <<EOF\necho\nEOF", "RUN <<EOF"),
    ("FROM x\nRUN python3 <<-'END'\nEND", "RUN python3 <<-'END'"),
    ('FROM x\nCOPY <<"EOF" /file\nEOF', 'COPY <<"EOF" /file'),
    ("FROM --platform=$BUILDPLATFORM x", "FROM --platform=$BUILDPLATFORM x"),
    ("FROM x\nARG TARGETARCH\nRUN echo", "ARG TARGETARCH"),
    ("FROM x\nONBUILD RUN --mount=type=cache true", "ONBUILD RUN --mount=type=cache true"),
]
CLASSIC = [
    "FROM python:3.12-slim\nRUN pip install flask\nCOPY . .\n",
    "FROM x\n# syntax=docker/dockerfile:1\n",
    "FROM x\nCOPY --from=y --chown=1:1 a b",
    "FROM x\nRUN docker run --network=host --mount=type=bind y",
    "FROM x\nRUN echo $((1 << 2)) && cat <<< word",
    "FROM x\nRUN echo 'a <<EOF b'",
    "FROM x\nRUN echo it's <fine",
    "FROM --platform=linux/amd64 x\nARG TARGETARCH=amd64\nARG VERSION",
    "# RUN --mount=type=cache\nFROM x",
    "",
]


@pytest.mark.parametrize(("dockerfile", "line"), BUILDKIT)
def test_a_line_that_needs_buildkit_is_found(dockerfile: str, line: str) -> None:
    assert needs_buildkit(dockerfile) == line


@pytest.mark.parametrize("dockerfile", CLASSIC)
def test_a_dockerfile_that_does_not_need_buildkit_is_left_alone(dockerfile: str) -> None:
    assert needs_buildkit(dockerfile) is None


# --- no engine


def test_importing_images_does_not_import_docker_or_boto3() -> None:
    code = "import sys, deployer.image; sys.exit(any(name in sys.modules for name in ('docker', 'boto3', 'requests')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_an_engine_the_error_says_where_it_looked_and_how_to_get_one(
    context: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    with pytest.raises(ImageError, match=r"No Docker engine answers at unix:///nonexistent/docker\.sock") as caught:
        image.build(Build(context), "web:1", silent)
    assert "No such file" in caught.value.message
    assert "systemctl start docker" in caught.value.hint
    assert resolve("redis:7", "linux/amd64") is None


def test_an_engine_that_accepts_and_says_nothing_is_given_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    with mute_server() as port:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{port}")
        started = time.monotonic()
        assert resolve("redis:7", "linux/amd64") is None
        assert time.monotonic() - started < 15


@contextlib.contextmanager
def mute_server() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


# --- buildx, where the plug-in is a program of ours: it records what it was given


@pytest.fixture
def needs_plugin(context: Path) -> Build:
    (context / "Dockerfile").write_text("FROM scratch\nRUN --mount=type=cache,target=/c true\n")
    return Build(context, args={"TOKEN": "s3cr3t-value"}, target="prod")


def docker_program(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    (folder / "docker").write_text(f"#!/bin/sh\n{textwrap.dedent(script)}")
    (folder / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


@pytest.mark.docker
def test_without_buildx_the_error_names_the_line_that_needs_it(
    docker_engine: Any, needs_plugin: Build, tag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker_program(tmp_path / "bin", "exit 1\n", monkeypatch)
    with pytest.raises(ImageError, match=r"needs BuildKit, for this line: RUN --mount=type=cache") as caught:
        image.build(needs_plugin, tag, silent)
    assert "docker buildx" in caught.value.hint


@pytest.mark.docker
def test_buildx_is_given_the_platform_the_target_and_no_secret_on_its_command_line(
    docker_engine: Any, needs_plugin: Build, tag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker_program(tmp_path / "bin", f"""\
        [ "$2" = version ] && exit 0
        echo "$@" > {tmp_path}/arguments; echo "$TOKEN" > {tmp_path}/token
        echo '#4 [prod 2/3] RUN --mount=type=cache,target=/c true'
        echo '#4 0.1 the token is s3cr3t-value'
        echo '------'
        echo ' > [prod 2/3] RUN --mount=type=cache,target=/c true:'
        echo 'ERROR: failed to solve: process "/bin/sh -c true" did not complete successfully: exit code: 1' >&2
        exit 1
        """, monkeypatch)  # fmt: skip
    monkeypatch.setenv("TOKEN", "another value")
    lines: list[str] = []
    with pytest.raises(ImageError, match=r"failed at step 2/3: RUN --mount") as caught:
        image.build(replace(needs_plugin, args={**needs_plugin.args, "PATH": "/app"}), tag, lines.append)
    assert "exit code: 1" in caught.value.message and "the token is ***" in caught.value.message
    assert "s3cr3t" not in caught.value.message
    assert lines == ["step 2/3: RUN --mount=type=cache,target=/c true"]
    arguments = (tmp_path / "arguments").read_text()
    assert "--platform linux/amd64" in arguments and "--target prod" in arguments and "--load" in arguments
    assert "--build-arg TOKEN --build-arg PATH=/app" in arguments and "s3cr3t" not in arguments
    assert (tmp_path / "token").read_text() == "s3cr3t-value\n"


@pytest.mark.docker
def test_a_dockerfile_that_needs_buildkit_is_built_by_it(
    docker_engine: Any, shell_image: str, tag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    buildkit_or_skip(tmp_path, monkeypatch)
    context = make(tmp_path / "web", {
        "Dockerfile": f"FROM {shell_image}\nCOPY . /app\nARG A\nRUN --mount=type=tmpfs,target=/t test $A = hush",
        ".dockerignore": "*.log\n",
        "a.txt": "a", "b.log": "b", ".deployer/web.json": "{}",
    })  # fmt: skip
    lines: list[str] = []
    image.build(Build(context, args={"A": "hush"}, platform=native(docker_engine)), tag, lines.append)
    assert any(line.startswith("step 3/3: RUN --mount") for line in lines)
    assert files_in(docker_engine, tag, "/app") == {".dockerignore", "Dockerfile", "a.txt"}


def buildkit_or_skip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real buildx, or the BuildKit client that `docker` brought along before version 23."""
    if subprocess.run(["docker", "buildx", "version"], capture_output=True, check=False).returncode == 0:
        return
    for program in ("docker", "/usr/bin/docker"):
        said = subprocess.run([program, "--version"], capture_output=True, check=False, text=True).stdout
        if said.startswith(("Docker version 19.", "Docker version 20.")):
            script = f'shift; [ "$1" = version ] && exit 0\nexport DOCKER_BUILDKIT=1\n' \
                     f'for word; do shift; [ "$word" = --load ] || set -- "$@" "$word"; done\nexec {program} "$@"\n'
            docker_program(tmp_path / "bin", script, monkeypatch)
            return
    unavailable("no buildx on this machine")


# --- building in a real engine


def files_in(client: Any, name: str, folder: str) -> set[str]:
    container = client.containers.create(name, command=["none"])
    try:
        data = b"".join(container.get_archive(folder)[0])
    finally:
        container.remove()
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {each.name.partition("/")[2] for each in tar.getmembers() if not each.isdir()}


@pytest.mark.docker
def test_the_image_holds_what_dockerignore_lets_through(
    docker_engine: Any, context: Path, import_image: Import, tag: str
) -> None:
    base = import_image({"etc/base": b"base"}, native(docker_engine))
    make(context, {"Dockerfile": f"FROM {base}\nCOPY . /app\n", ".deployer/web.json": "{}"})
    image.build(Build(context, platform=native(docker_engine)), tag, silent)
    assert files_in(docker_engine, tag, "/app") == {".dockerignore", "Dockerfile", "app.py", "keep.log"}


@pytest.mark.docker
def test_an_ignored_dockerfile_is_still_built_from(
    docker_engine: Any, context: Path, import_image: Import, tag: str
) -> None:
    base = import_image({"etc/base": b"base"}, native(docker_engine))
    make(context, {"Dockerfile": f"FROM {base}\nCOPY . /app\n", ".dockerignore": "*\n!app.py\n"})
    image.build(Build(context, platform=native(docker_engine)), tag, silent)
    assert files_in(docker_engine, tag, "/app") == {"app.py"}


@pytest.mark.docker
def test_a_dockerfile_outside_the_context_builds_and_stays_outside(
    docker_engine: Any, context: Path, import_image: Import, tag: str
) -> None:
    base = import_image({"etc/base": b"base"}, native(docker_engine))
    (context / "Dockerfile").unlink()
    (context / ".dockerignore").unlink()
    (context.parent / "Other").write_text(f"FROM {base}\nCOPY . /app\n")
    build = Build(context, dockerfile=str(context.parent / "Other"), platform=native(docker_engine))
    image.build(build, tag, silent)
    assert files_in(docker_engine, tag, "/app") == {"app.py", "keep.log", "noise.log", "node_modules/left/pad.js"}


@pytest.mark.docker
def test_steps_are_reported_and_a_second_build_does_nothing(
    docker_engine: Any, context: Path, shell_image: str, tag: str
) -> None:
    make(context, {"Dockerfile": f"FROM {shell_image}\nARG WHO\nRUN echo $WHO > /who\n"})
    build = Build(context, args={"WHO": "somebody"}, platform=native(docker_engine))
    lines: list[str] = []
    image.build(build, tag, lines.append)
    first = docker_engine.images.get(tag).id
    assert lines == [f"step 1/3: FROM {shell_image}", "step 2/3: ARG WHO", "step 3/3: RUN echo $WHO > /who"]
    lines.clear()
    (context / "Dockerfile").write_text("nonsense, which would fail")
    image.build(build, tag, lines.append)
    assert lines == [f"{tag} is built already"]
    assert docker_engine.images.get(tag).id == first


@pytest.mark.docker
def test_a_target_stops_the_build_there(docker_engine: Any, context: Path, shell_image: str, tag: str) -> None:
    make(context, {"Dockerfile": f"FROM {shell_image} AS one\nRUN echo one > /one\nFROM one\nRUN exit 1\n"})
    image.build(Build(context, target="one", platform=native(docker_engine)), tag, silent)
    assert docker_engine.images.get(tag).history()[0]["CreatedBy"].endswith("echo one > /one")


@pytest.mark.docker
def test_a_target_that_is_not_there_is_told(docker_engine: Any, context: Path, import_image: Import, tag: str) -> None:
    base = import_image({"etc/base": b"base"}, native(docker_engine))
    make(context, {"Dockerfile": f"FROM {base}\nCOPY app.py /\n"})
    with pytest.raises(ImageError, match=r"nope") as caught:
        image.build(Build(context, target="nope", platform=native(docker_engine)), tag, silent)
    assert "build.target" in caught.value.hint


@pytest.mark.docker
def test_a_failed_build_names_the_step_and_shows_the_last_lines_but_no_argument(
    docker_engine: Any, context: Path, shell_image: str, tag: str
) -> None:
    run = "RUN echo fetching with $TOKEN; for n in 1 2 3 4 5 6 7 8 9; do echo line $n; done; echo gone >&2; exit 7"
    make(context, {"Dockerfile": f"FROM {shell_image}\nARG TOKEN\n{run}\n"})
    build = Build(context, args={"TOKEN": "s3cr3t value/1"}, platform=native(docker_engine))
    lines: list[str] = []
    with pytest.raises(ImageError, match=r"failed at step 3/3: RUN echo fetching with \$TOKEN") as caught:
        image.build(build, tag, lines.append)
    message = caught.value.message
    assert message.startswith(f"Building {tag} from {context}/Dockerfile for linux/")
    assert "fetching with ***" in message and "line 9" in message and "  gone\n" in message
    assert "returned a non-zero code: 7" in message and "intermediate container" not in message
    assert caught.value.hint.startswith("To see all of its output: docker build")
    assert "s3cr3t" not in message + caught.value.hint + repr(build) + "".join(lines)
    everything = docker_engine.containers.list(all=True, ignore_removed=True)
    assert not [each for each in everything if "s3cr3t" in str(each.attrs["Config"])]


@pytest.mark.docker
def test_arguments_are_not_in_the_error_for_a_dockerfile_that_cannot_be_parsed(
    docker_engine: Any, context: Path, tag: str
) -> None:
    make(context, {"Dockerfile": "FROM scratch\nNONSENSE here\n"})
    with pytest.raises(ImageError, match=r"unknown instruction: NONSENSE") as caught:
        image.build(Build(context, args={"TOKEN": "s3cr3t"}, platform=native(docker_engine)), tag, silent)
    assert "s3cr3t" not in caught.value.message


@pytest.mark.docker
def test_a_silent_step_is_waited_for(
    docker_engine: Any, context: Path, shell_image: str, tag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image, "PATIENT", 2)
    make(context, {"Dockerfile": f"FROM {shell_image}\nRUN sleep 4\n"})
    image.build(Build(context, platform=native(docker_engine)), tag, silent)


@pytest.mark.docker
def test_a_full_disk_is_told_with_a_way_out(docker_engine: Any, context: Path, shell_image: str, tag: str) -> None:
    make(context, {"Dockerfile": f"FROM {shell_image}\nRUN dd if=/dev/zero of=/dev/full bs=1 count=1\n"})
    with pytest.raises(ImageError, match=r"No space left on device") as caught:
        image.build(Build(context, platform=native(docker_engine)), tag, silent)
    assert "docker system prune" in caught.value.hint


@pytest.mark.docker
def test_programs_of_another_architecture_are_told_with_a_way_out(
    docker_engine: Any, context: Path, import_image: Import, tag: str
) -> None:
    foreign = import_image({"bin/sh": b"\x7fELF of another world"}, native(docker_engine))
    make(context, {"Dockerfile": f"FROM {foreign}\nRUN true\n"})
    with pytest.raises(ImageError, match=r"exec format error") as caught:
        image.build(Build(context, platform=native(docker_engine)), tag, silent)
    assert "tonistiigi/binfmt" in caught.value.hint


@pytest.mark.docker
@pytest.mark.parametrize(("has", "wants"), [("linux/arm64", "linux/amd64"), ("linux/amd64", "linux/arm64")])
def test_an_image_of_another_architecture_is_refused_and_both_are_named(
    docker_engine: Any, context: Path, import_image: Import, tag: str, has: str, wants: str
) -> None:
    base = import_image({"etc/base": b"base"}, has)
    make(context, {"Dockerfile": f"FROM {base}\nCOPY app.py /\n"})
    with pytest.raises(ImageError) as caught:
        image.build(Build(context, platform=wants), tag, silent)
    assert has in caught.value.message and wants in caught.value.message
    assert "architecture" in caught.value.hint
    assert not docker_engine.images.list(tag)


@pytest.mark.docker
def test_an_image_for_the_other_platform_can_be_built_when_nothing_has_to_run(
    docker_engine: Any, context: Path, import_image: Import, tag: str
) -> None:
    base = import_image({"etc/base": b"base"}, "linux/arm64")
    make(context, {"Dockerfile": f"FROM {base}\nCOPY app.py /\n"})
    image.build(Build(context, platform="linux/arm64"), tag, silent)
    assert docker_engine.images.get(tag).attrs["Architecture"] == "arm64"


@pytest.mark.docker
def test_an_engine_that_dies_during_a_build_is_an_error(
    docker_engine: Any, context: Path, shell_image: str, tag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(context, {"Dockerfile": f"FROM {shell_image}\nRUN sleep 20\n"})
    with cut_off(tmp_path / "engine.sock", engine_socket()) as cut:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/engine.sock")

        def dies(line: str) -> None:
            if "sleep" in line:
                threading.Timer(0.3, cut).start()

        with pytest.raises(ImageError, match=r"Building .*") as caught:
            image.build(Build(context, platform=native(docker_engine)), tag, dies)
    assert "docker info" in caught.value.hint


def engine_socket() -> str:
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if not host.startswith("unix://"):
        unavailable("the engine is not on a socket of this machine")
    return host.removeprefix("unix://")


@contextlib.contextmanager
def cut_off(path: Path, target: str) -> Iterator[Callable[[], None]]:
    """The engine behind a socket of ours, until `cut()`."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()
    ends: list[socket.socket] = []

    def copy(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                near = server.accept()[0]
                far = socket.socket(socket.AF_UNIX)
                far.connect(target)
                ends.extend((near, far))
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=copy, args=pair, daemon=True).start()

    def cut() -> None:
        path.unlink(missing_ok=True)
        server.close()
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield cut
    finally:
        cut()


# --- pushing to a real registry


class Logins:
    """Hands out the passwords in turn; `asked` is with what `renew`."""

    def __init__(self, registry: Registry, *passwords: str) -> None:
        self.registry = registry
        self.passwords = list(passwords)
        self.asked: list[bool] = []

    def __call__(self, renew: bool) -> Login:
        self.asked.append(renew)
        return Login(USER, self.passwords[len(self.asked) - 1], self.registry.host)


@pytest.fixture
def built(docker_engine: Any, import_image: Import, tag: str, context: Path) -> str:
    base = import_image({"etc/base": os.urandom(1000)}, "linux/amd64")
    make(context, {"Dockerfile": f"FROM {base}\nCOPY app.py /\n"})
    image.build(Build(context), tag, silent)
    return tag


@pytest.mark.docker
def test_a_push_returns_the_digest_that_the_registry_has(registry: Registry, built: str) -> None:
    lines: list[str] = []
    login = Logins(registry, PASSWORD)
    digest = push(built, f"{registry.host}/voting/web", "abc123", login, lines.append)
    assert digest == registry.digest("voting/web", "abc123")
    assert login.asked == [False]
    assert lines[-1] == "pushing 2 of 2 layers"


@pytest.mark.docker
def test_a_second_push_gives_the_same_digest(registry: Registry, built: str) -> None:
    digests = {
        push(built, f"{registry.host}/web", name, Logins(registry, PASSWORD), silent) for name in ("a", "a", "b")
    }
    assert digests == {registry.digest("web", "b")}


@pytest.mark.docker
def test_a_login_that_has_expired_is_renewed_once(registry: Registry, built: str) -> None:
    login = Logins(registry, "an-expired-password", PASSWORD)
    assert push(built, f"{registry.host}/web", "1", login, silent) == registry.digest("web", "1")
    assert login.asked == [False, True]


@pytest.mark.docker
def test_a_wrong_password_is_an_error_after_one_renewal_and_is_not_shown(registry: Registry, built: str) -> None:
    login = Logins(registry, "wrong-password-1", "wrong-password-2", "never-asked-for")
    with pytest.raises(ImageError, match=rf"Pushing {built} to {registry.host}/web:1 failed: .+") as caught:
        push(built, f"{registry.host}/web", "1", login, silent)
    assert login.asked == [False, True]
    assert "wrong-password" not in caught.value.message + caught.value.hint + repr(login(True))
    assert registry.digest("web", "1") is None


@pytest.mark.docker
def test_a_push_of_what_is_not_there_is_an_error(docker_engine: Any, registry: Registry) -> None:
    with pytest.raises(ImageError, match=r"Pushing deployer-test-none:1 .*No such image"):
        push("deployer-test-none:1", f"{registry.host}/web", "1", Logins(registry, PASSWORD), silent)


@pytest.mark.docker
def test_a_registry_that_is_not_there_is_an_error(registry: Registry, built: str) -> None:
    registry.stop()
    with pytest.raises(ImageError, match=r"connection refused"):
        push(built, f"{registry.host}/web", "1", Logins(registry, PASSWORD), silent)


@pytest.mark.docker
def test_a_registry_that_dies_during_a_push_is_an_error(
    registry: Registry, docker_engine: Any, import_image: Import
) -> None:
    large = import_image({"large": os.urandom(150_000_000)})
    lines: list[str] = []

    def kill_once_a_layer_arrives() -> None:
        while not any(path.stat().st_size for path in registry.storage.rglob("_uploads/*/data")):
            time.sleep(0.01)
        registry.stop(signal.SIGKILL)

    killer = threading.Thread(target=kill_once_a_layer_arrives)
    killer.start()
    try:
        with pytest.raises(ImageError, match=r"Pushing .* failed: .+") as caught:
            push(large, f"{registry.host}/web", "1", Logins(registry, PASSWORD), lines.append)
    finally:
        killer.join(60)
        docker_engine.api.remove_image(f"{registry.host}/web:1", force=True)
    assert caught.value.hint
    assert any("trying again" in line for line in lines)


# --- resolving


@pytest.fixture
def published(docker_engine: Any, import_image: Import, public_registry: Registry) -> Iterator[Registry]:
    """`tool:amd64`, `tool:arm64` and `tool:both` in a registry."""
    names = []
    for architecture in ("amd64", "arm64"):
        name = import_image({"file": architecture.encode()}, f"linux/{architecture}")
        push(name, f"{public_registry.host}/tool", architecture, Logins(public_registry, "none"), silent)
        names.append(f"{public_registry.host}/tool:{architecture}")
    public_registry.put_list("tool", "both", {"linux/amd64": "amd64", "linux/arm64": "arm64"})
    yield public_registry
    for name in names:
        docker_engine.api.remove_image(name, force=True)


@pytest.mark.docker
@pytest.mark.parametrize(("name", "platform"), [
    ("amd64", "linux/amd64"), ("arm64", "linux/arm64"), ("both", "linux/amd64"), ("both", "linux/arm64"),
])  # fmt: skip
def test_a_reference_is_pinned_to_the_digest_that_its_registry_has(
    published: Registry, name: str, platform: str
) -> None:
    pinned = resolve(f"{published.host}/tool:{name}", platform)
    assert pinned == f"{published.host}/tool@{published.digest('tool', name)}"


@pytest.mark.docker
def test_an_image_without_a_variant_for_the_platform_is_refused_with_those_it_has(published: Registry) -> None:
    with pytest.raises(ImageError, match=r"tool:arm64 has no variant for linux/amd64; it has linux/arm64\."):
        resolve(f"{published.host}/tool:arm64", "linux/amd64")
    with pytest.raises(ImageError, match=r"no variant for linux/s390x; it has linux/amd64, linux/arm64\."):
        resolve(f"{published.host}/tool:both", "linux/s390x")


@pytest.mark.docker
@pytest.mark.parametrize("name", ["tool:none", "none:amd64"])
def test_an_image_that_the_registry_does_not_have_is_refused(published: Registry, name: str) -> None:
    with pytest.raises(ImageError, match=rf"The image {published.host}/{name} cannot be found: .*unknown"):
        resolve(f"{published.host}/{name}", "linux/amd64")


@pytest.mark.docker
def test_a_private_image_is_not_called_absent(registry: Registry, built: str) -> None:
    push(built, f"{registry.host}/web", "1", Logins(registry, PASSWORD), silent)
    assert resolve(f"{registry.host}/web:1", "linux/amd64") is None


def test_a_reference_with_a_digest_is_returned_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    assert resolve(f"redis@{DIGEST}", "linux/amd64") == f"redis@{DIGEST}"


@pytest.mark.docker
def test_a_registry_that_cannot_be_reached_gives_none(docker_engine: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert resolve(f"127.0.0.1:{port}/redis:7", "linux/amd64") is None


@pytest.mark.docker
def test_a_registry_that_accepts_and_says_nothing_gives_none_within_15_seconds(docker_engine: Any) -> None:
    started = time.monotonic()
    with mute_server() as port:
        assert resolve(f"127.0.0.1:{port}/redis:7", "linux/amd64") is None
    assert time.monotonic() - started < 15
