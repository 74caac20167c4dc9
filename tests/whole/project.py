"""A copy of the voting app in a directory of its own, and `deployer` run in it as a process of its own."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cloud import Call, Cloud

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "deployer")
# Images that no registry can be asked for: nothing outside this machine is needed, and nothing has to be built.
IMAGES = ("--image", "web=registry.invalid/web:1", "--image", "redis=registry.invalid/redis:7")
TIMEOUT = 120
QUICK = {"task": 0.02, "drain": 0.02, "nat": 0.02}  # seconds that the cloud takes
STANDING: dict[str, tempfile.TemporaryDirectory[str]] = {}  # a cloud's URL -> what an `up` has left there


@dataclass
class Run:
    """What one run did. `calls`: what AWS was asked meanwhile."""

    args: tuple[str, ...]
    code: int
    out: str
    err: str
    calls: list[Call] = field(default_factory=list)

    def __post_init__(self) -> None:
        if "--verbose" not in self.args:
            assert "Traceback" not in self.out + self.err, f"a traceback of {self.args}:\n{self.out}\n{self.err}"

    @property
    def mutations(self) -> list[str]:
        return [str(call) for call in self.calls if call.mutating]

    @property
    def text(self) -> str:
        """Both streams with their lines joined: where a terminal breaks a line does not matter."""
        return " ".join(f"{self.out}\n{self.err}".split())

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The lines of a run with --json."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def summary(self) -> dict[str, Any]:
        assert self.events[-1]["event"] == "summary", self
        return self.events[-1]

    def ended(self, code: int) -> Run:
        """This very run, which has to have ended with `code`."""
        assert self.code == code, f"{' '.join(self.args)} ended with {self.code}, not {code}:\n{self.out}\n{self.err}"
        return self


Start = Callable[..., Run]


class Project:
    """`deploy.yaml` and what it needs in `folder`. `start` runs a command line there: a process, or a warm one.

    `file`: another deploy.yaml than the voting app's, of a stack called `stack`."""

    def __init__(
        self, cloud: Cloud, folder: Path, *, app: bool = False, start: Start | None = None,
        file: Path = ROOT / "deploy.yaml", stack: str = "voting",
    ) -> None:
        self.cloud = cloud
        self.folder = folder
        self.start = start or cold
        folder.mkdir(parents=True, exist_ok=True)
        self.stack = stack
        shutil.copy(file, folder / "deploy.yaml")
        if app:
            shutil.copy(ROOT / "Dockerfile", folder)
            shutil.copy(ROOT / ".dockerignore", folder)
            shutil.copytree(ROOT / "app", folder / "app", ignore=shutil.ignore_patterns("__pycache__"))

    def stand(self) -> None:
        """The voting app stands here and in the empty account, as after `up`; the first of a cloud really makes it."""
        if self.cloud.url not in STANDING:
            STANDING[self.cloud.url] = tempfile.TemporaryDirectory()
        kept = Path(STANDING[self.cloud.url].name)
        if not (kept / "account").exists():
            self.up().ended(0)
            shutil.copytree(self.folder / ".deployer", kept / "record")
            self.cloud.keep(kept / "account")
            return
        self.cloud.restore(kept / "account")
        self.cloud.tempo(**QUICK)
        shutil.copytree(kept / "record", self.folder / ".deployer")

    def run(self, *args: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> Run:
        self.cloud.forget_calls()
        done = self.start(args, self.cloud.env() | (env or {}), cwd or self.folder)
        done.calls = self.cloud.calls()
        return done

    def up(self, *args: str, env: dict[str, str] | None = None) -> Run:
        return self.run("up", *IMAGES, *args, env=env)

    def plan(self, *args: str, env: dict[str, str] | None = None) -> Run:
        return self.run("plan", *IMAGES, *args, env=env)

    def down(self, *args: str) -> Run:
        return self.run("down", "-y", *args)

    def begin(self, *args: str, env: dict[str, str] | None = None, **how: Any) -> subprocess.Popen[str]:
        """The process, still running."""
        how = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | how
        return subprocess.Popen(
            [*COMMAND, *args], cwd=self.folder, env=path(self.cloud.env() | (env or {})), text=True, **how
        )

    # --- the files

    @property
    def file(self) -> Path:
        return self.folder / "deploy.yaml"

    @property
    def state_file(self) -> Path:
        return self.folder / ".deployer" / f"{self.stack}.json"

    @property
    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.state_file.read_text())
        return found

    def record(self, key: str) -> dict[str, Any]:
        return next(record for record in self.state["records"] if record["key"] == key)

    def edit(self, *changes: tuple[str, str]) -> None:
        """Replaces texts of deploy.yaml; each has to be there."""
        text = self.file.read_text()
        for old, new in changes:
            assert old in text, f"deploy.yaml does not hold {old!r}"
            text = text.replace(old, new)
        self.file.write_text(text)


def cold(args: Iterable[str], env: dict[str, str], cwd: Path) -> Run:
    words = tuple(args)
    done = subprocess.run(
        [*COMMAND, *words], cwd=cwd, env=path(env), stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=TIMEOUT,
    )  # fmt: skip
    return Run(words, done.returncode, done.stdout, done.stderr)


def nowhere() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}


def path(env: dict[str, str]) -> dict[str, str]:
    """With this checkout's `deployer`, wherever the process starts."""
    return env | {"PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), env.get("PYTHONPATH", "")]))}


def until(look: Callable[[], Any], seconds: float = 30) -> Any:
    """What `look` finds, as soon as it finds something."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)
    return found


def governed() -> None:
    """In the child: the terminal on standard input is the one whose Ctrl-C counts."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@dataclass
class Terminal:
    """A run on a terminal of 80x24: `say` types when `prompt` appears, `end` gives the exit code and what was shown."""

    process: subprocess.Popen[Any]
    near: int
    shown: str = ""

    @classmethod
    def begin(cls, project: Project, *args: str, env: dict[str, str] | None = None) -> Terminal:
        near, far = pty.openpty()
        fcntl.ioctl(far, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        how = {"stdin": far, "stdout": far, "stderr": far, "start_new_session": True, "preexec_fn": governed}
        process = project.begin(*args, env={"TERM": "xterm-256color"} | (env or {}), **how)
        os.close(far)
        return cls(process, near)

    def say(self, prompt: str, answer: str) -> Terminal:
        while prompt not in self.shown:
            assert self._read(), f"it ended without {prompt!r}: {self.shown}"
        os.write(self.near, answer.encode())
        return self

    def end(self, code: int) -> str:
        while self._read():
            pass
        os.close(self.near)
        ended = self.process.wait(TIMEOUT)
        assert ended == code, f"it ended with {ended}, not {code}: {self.shown}"
        assert "Traceback" not in self.shown
        return self.shown

    def interrupt(self, prompt: str) -> Terminal:
        """Ctrl-C at the prompt, again if it fell between Python's look for signals and its wait for a key."""
        self.say(prompt, "")
        while self.process.poll() is None:
            os.write(self.near, b"\x03")
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(1)
        return self

    def _read(self) -> bool:
        """False once the process has closed its side."""
        assert select.select([self.near], [], [], TIMEOUT)[0], f"nothing comes any more: {self.shown}"
        try:
            data = os.read(self.near, 65536)
        except OSError:  # Linux says EIO at the end
            return False
        self.shown += data.decode(errors="replace")
        return bool(data)


class Warm:
    """Runs `deployer` in children of a process that has imported everything: as real, and without the second that
    starting takes. With a `cloud` it can run only there, and need not make clients either. (See warm.py.)"""

    def __init__(self, folder: Path, cloud: Cloud | None = None) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.parent = subprocess.Popen(
            [sys.executable, "-m", "tests.whole.warm"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, env=cloud.env() if cloud else nowhere(),
        )  # fmt: skip

    def __call__(self, args: Iterable[str], env: dict[str, str], cwd: Path) -> Run:
        assert self.parent.stdin and self.parent.stdout
        words = tuple(args)
        files = {name: str(self.folder / name) for name in ("stdout", "stderr")}
        order = {"args": words, "env": env, "cwd": str(cwd), "seconds": TIMEOUT, **files}
        self.parent.stdin.write(json.dumps(order) + "\n")
        self.parent.stdin.flush()
        line = self.parent.stdout.readline()
        assert line, "the warm process has ended"
        code = json.loads(line)["code"]
        assert code != -signal.SIGALRM, f"{words} did not end in {TIMEOUT} s"
        out, err = (Path(files[name]).read_text(errors="replace") for name in ("stdout", "stderr"))
        return Run(words, code, out, err)

    def close(self) -> None:
        assert self.parent.stdin
        self.parent.stdin.close()
        self.parent.wait(10)
