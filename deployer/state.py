"""The record of what was created: one JSON file per stack, saved atomically after every change.

A save costs one write and one fsync; saves that wait at the same moment share one (group commit).
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import threading
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

from deployer.errors import StateError
from deployer.resource import SEEN

FORMAT = 1
# creating: the call may or may not have reached AWS · unfinished: exists, not configured to the end
# made: configured, not yet seen usable · deleting: being removed
Status = Literal["creating", "unfinished", "made", "ready", "deleting"]


@dataclass(frozen=True)
class Record:
    """One object: `inputs` are concrete and hold no secret values; `depends_on` are keys, for the way back."""

    key: str
    type: str
    id: str | None
    status: Status
    inputs: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    depends_on: list[str] = field(default_factory=list)

    @property
    def base(self) -> str:
        """The key without the mark of a former revision or of a replaced object (`taskdef.web~3fa2c1`)."""
        return self.key.partition("~")[0]

    @property
    def usable(self) -> bool:
        """Seen usable once, and not seen otherwise by the last `read` (which then says `settled: False`)."""
        return self.status == "ready" and bool(self.outputs.get("settled", True))

    @property
    def name(self) -> str:
        return self.base.partition(".")[2]

    @property
    def sound(self) -> bool:
        """Whether `State` can have written this."""
        kinds = {"key": str, "type": str, "id": str | None, "inputs": dict, "outputs": dict, "depends_on": list}
        fits = all(isinstance(getattr(self, name), kind) for name, kind in kinds.items())
        return fits and self.status in get_args(Status)

    def but(self, **changes: Any) -> Record:
        return replace(self, **changes)


class State:
    """The records of one stack. `put` and `drop` return once the file on disk says so, whatever the thread."""

    def __init__(self, path: Path, stack: str, account: str, region: str, id: str | None = None) -> None:
        self.path = path
        self.stack = stack
        self.account = account
        self.region = region
        self.id = id or secrets.token_hex(6)
        self.saved = id is not None
        self.touched = 0.0  # when the file was last written before this run, in seconds since the epoch
        self._records: dict[str, Record] = {}
        self._texts: dict[str, str] = {}
        self._version = self._written = 0
        self._memory = threading.Lock()
        self._disk = threading.Lock()

    @classmethod
    def open(cls, path: Path, stack: str, account: str, region: str) -> State:
        """The stack's state, or an empty one with a new id. Raises StateError, and leaves the file as it was,
        when it is damaged, of a newer format, of another stack, or of another account or region."""
        data = read(path)
        if data is None:
            return cls(path, stack, account, region)
        for what, here in (("stack", stack), ("account", account), ("region", region)):
            if data[what] != here:
                raise StateError(
                    f"{path} records {what} {data[what]}, and this run is for {what} {here}.",
                    f"Use the credentials and the region of {data['account']}, {data['region']}, "
                    "or another name in deploy.yaml.",
                )
        state = cls(path, stack, account, region, data["id"])
        for item in data["records"]:
            state._remember(Record(**item))
        state._written = state._version
        state.touched = path.stat().st_mtime
        return state

    @property
    def records(self) -> dict[str, Record]:
        with self._memory:
            return dict(self._records)

    def get(self, key: str) -> Record | None:
        return self._records.get(key)

    def put(self, record: Record) -> None:
        with self._memory:
            self._remember(record)
        self.save(record)

    def drop(self, key: str) -> None:
        with self._memory:
            self._records.pop(key, None)
            self._texts.pop(key, None)
            self._version += 1
        self.save()

    def rename(self, record: Record, key: str) -> None:
        """Sets `record` aside under another key, in one save."""
        with self._memory:
            self._records.pop(record.key, None)
            self._texts.pop(record.key, None)
            self._remember(record.but(key=key))
        self.save()

    def observe(self, record: Record) -> None:
        """Takes over what was seen in the account; saved with the next change."""
        with self._memory:
            self._remember(record)

    def forget(self, key: str) -> None:
        """Takes over that something is gone; saved with the next change."""
        with self._memory:
            self._texts.pop(key, None)
            self._version += self._records.pop(key, None) is not None

    def _remember(self, record: Record) -> None:
        lasting = {name: value for name, value in record.outputs.items() if name != SEEN}
        text = json.dumps(asdict(record.but(outputs=lasting)), sort_keys=True, indent=1)
        self._version += text != self._texts.get(record.key)
        self._records[record.key] = record
        self._texts[record.key] = text

    def save(self, record: Record | None = None) -> None:
        """Returns once everything put so far is on the disk. Raises StateError with the record that could not be."""
        with self._memory:
            wanted = self._version
        with self._disk:
            if self.saved and self._written >= wanted:
                return
            with self._memory:
                version, text = self._version, self._text()
            try:
                _write(self.path, text)
            except OSError as error:
                raise StateError(
                    _unsaved(self.path, error, record),
                    "Make room or mend the permissions, "
                    + ("keep the record above, " if record else "")
                    + "and run the command again.",
                ) from error
            self._written, self.saved = version, True

    def _text(self) -> str:
        head = json.dumps(
            {"account": self.account, "format": FORMAT, "id": self.id, "region": self.region, "stack": self.stack},
            sort_keys=True,
            indent=1,
        )
        records = ",\n".join(self._texts[key] for key in sorted(self._texts))
        return f'{head[:-2]},\n "records": [\n{records}\n ]\n}}\n'

    def remove(self) -> None:
        """Removes the file: nothing of the stack is left."""
        with self._disk, contextlib.suppress(FileNotFoundError):
            self.path.unlink()
            self.saved = False


def read(path: Path) -> dict[str, Any] | None:
    """The file's content, None if there is no file. Raises StateError when it cannot be what `State` has written."""
    advice = "Restore it from a copy, or move it away and run `deployer state rebuild`."
    try:
        data: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StateError(f"Reading {path}: {error.strerror}.", "Mend that, or move it away, and run again.") from error
    except (ValueError, RecursionError) as error:
        raise StateError(f"{path} is not a valid state file ({error}); it was left as it is.", advice) from error
    version = data.get("format") if isinstance(data, dict) else None
    if isinstance(version, int) and version > FORMAT:
        raise StateError(
            f"{path} was written by a newer deployer (format {version}, this one knows {FORMAT}).",
            "Upgrade: pip install --upgrade deployer.",
        )
    wanted = {"stack": str, "id": str, "account": str, "region": str, "records": list}
    if version != FORMAT or not all(isinstance(data.get(name), kind) for name, kind in wanted.items()):
        raise StateError(f"{path} is not a valid state file; it was left as it is.", advice)
    try:
        sound = all(Record(**item).sound for item in data["records"])
    except TypeError:
        sound = False
    if not sound:
        raise StateError(f"{path} holds a record that makes no sense; it was left as it is.", advice)
    return data


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    temporary = path.with_suffix(".json.tmp")  # the lock allows one writer
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _unsaved(path: Path, error: OSError, record: Record | None) -> str:
    message = f"Saving the state to {path}: {error.strerror}."
    if record:
        message += f"\nThis record could not be saved:\n{json.dumps(asdict(record), sort_keys=True, indent=1)}"
    return message
