"""A stack that is about to be deployed into an account made for the purpose; nothing of it is ever made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deployer import config as configuration
from deployer import plan as planning
from deployer.aws import Aws
from deployer.caller import connect
from deployer.cli.session import Session
from deployer.preflight import Outlook, look
from deployer.preflight.run import Run
from deployer.settings import Settings
from deployer.state import Record, State
from tests.cloud import Cloud
from tests.whole.conftest import project, warm  # noqa: F401

IMAGE = "registry.example/web@sha256:" + "0" * 64
HEAD = "name: voting\nregion: us-east-1\n"
WEB = f"services:\n  web:\n    image: {IMAGE}\n    port: 80\n"


class Ahead:
    """`run` plans the file; `look` checks it, and remembers what was asked."""

    def __init__(self, cloud: Cloud, folder: Path, aws: Aws) -> None:
        self.cloud, self.file, self.aws = cloud, folder / "deploy.yaml", aws
        self.records: list[Record] = []

    def run(self, text: str, then: Callable[[Run, Session], None]) -> None:
        self.file.write_text(HEAD + text)
        loaded = configuration.load(self.file)
        state = State.open(self.file.with_name("state.json"), "voting", self.aws.account, self.aws.region)
        self.aws.stack_id = state.id
        session = Session(Settings(self.file), loaded.config, self.aws, state)
        for record in self.records:
            state.observe(record)
        plan = planning.make(session.wanted(), state.records)
        then(Run(self.aws, plan, state.records, loaded.config, loaded.line), session)

    def look(self, text: str) -> Outlook:
        found: list[Outlook] = []

        def then(run: Run, session: Session) -> None:
            self.cloud.forget_calls()
            found.append(look(run))

        self.run(text, then)
        assert not [call for call in self.cloud.calls() if call.mutating]
        return found[0]

    def problems(self, text: str) -> list[str]:
        return [f"{one.message} {one.hint}" for one in self.look(text).problems]

    @property
    def asked(self) -> list[str]:
        return [str(call) for call in self.cloud.calls()]


@pytest.fixture(scope="session")
def aws(cloud_process: Cloud) -> Iterator[Aws]:
    with pytest.MonkeyPatch.context() as patch:
        standing_in(cloud_process, patch)
        yield connect("voting", region="us-east-1", profile=None, account=None)


def standing_in(cloud: Cloud, patch: pytest.MonkeyPatch) -> None:
    for name, value in cloud.env().items():
        if name.startswith("AWS_") or name.lower() == "no_proxy":
            patch.setenv(name, value)


@pytest.fixture
def ahead(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, aws: Aws) -> Iterator[Ahead]:
    standing_in(cloud, monkeypatch)
    yield Ahead(cloud, tmp_path, aws)
    assert not cloud.errors(), "the cloud itself failed"
