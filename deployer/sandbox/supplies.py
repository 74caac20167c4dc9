"""What containers need of the account while they run: secrets at their start, a place for their output."""

from __future__ import annotations

import json
from typing import Any

from .control.tempo import LOCK

KEPT = 20_000  # events of a log stream; what is older is forgotten


class Supplies:
    def __init__(self, account: str) -> None:
        self.account = account

    def secret(self, value_from: str) -> str:
        """The value of a `valueFrom`: a Secrets Manager ARN (with `:key:stage:version`) or an SSM parameter.

        Raises LookupError with AWS's words."""
        with LOCK:
            if ":secretsmanager:" in value_from:
                return self._secret(value_from)
            return self._parameter(value_from)

    def _secret(self, value_from: str) -> str:
        from moto.secretsmanager.models import secretsmanager_backends

        parts = value_from.split(":")
        arn, (key, stage, version) = ":".join(parts[:7]), (*parts[7:10], "", "", "")[:3]
        try:
            backend = secretsmanager_backends[self.account][parts[3]]
            found = backend.get_secret_value(secret_id=arn, version_id=version, version_stage=stage)
        except Exception as error:  # of moto's many kinds
            raise LookupError(_words(error)) from error
        text = str(found.get("SecretString", ""))
        if not key:
            return text
        try:
            return str(json.loads(text)[key])
        except (ValueError, TypeError, KeyError):
            raise LookupError(f"retrieved secret from Secrets Manager did not contain json key {key}") from None

    def _parameter(self, value_from: str) -> str:
        from moto.ssm.models import ssm_backends

        region = value_from.split(":")[3] if value_from.startswith("arn:") else ""
        name = value_from.split(":parameter", 1)[-1] if region else value_from
        for known, backend in ssm_backends[self.account].items():
            found = backend.get_parameter(name) if region in ("", known) else None
            found = found or (backend.get_parameter(name.lstrip("/")) if region in ("", known) else None)
            if found is not None:
                return str(found.response_object(decrypt=True, region=known)["Value"])
        raise LookupError(f"ParameterNotFound: invalid parameters: {name}")

    def log(self, group: str, stream: str, events: list[tuple[int, str]]) -> None:
        """(milliseconds, text) into a stream, which is made if need be. Raises LookupError without the group."""
        from moto.logs.models import logs_backends

        with LOCK:
            backend = next((one for one in logs_backends[self.account].values() if group in one.groups), None)
            if backend is None:
                raise LookupError("ResourceNotFoundException: The specified log group does not exist.")
            streams = backend.groups[group].streams
            if stream not in streams:
                backend.create_log_stream(group, stream)
            if events:
                backend.put_log_events(group, stream, [{"timestamp": when, "message": text} for when, text in events])
                kept: list[Any] = streams[stream].events
                del kept[:-KEPT]

    def last(self, group: str, stream: str) -> int:
        """When the last event of the stream was written, in milliseconds; 0 without any."""
        from moto.logs.models import logs_backends

        with LOCK:
            found = [one.groups[group] for one in logs_backends[self.account].values() if group in one.groups]
            streams = [each.streams[stream] for each in found if stream in each.streams]
            return max((event.timestamp for each in streams for event in each.events), default=0)


def _words(error: Exception) -> str:
    code, message = getattr(error, "error_type", type(error).__name__), getattr(error, "message", str(error))
    return f"{code}: {message}"
