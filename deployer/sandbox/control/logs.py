"""CloudWatch Logs: the key of a log group may change, and a missing stream is no missing group: moto knows neither."""

from __future__ import annotations

from typing import Any

from moto.logs.exceptions import ResourceNotFoundException
from moto.logs.models import LogGroup
from moto.logs.responses import LogsResponse as Response


def set_key(self: Response, key: str | None) -> str:
    group = self.logs_backend.groups.get(self._get_param("logGroupName"))
    if group is None:
        raise ResourceNotFoundException
    group.kms_key_id = key
    return ""


def install() -> None:
    read = LogGroup.get_log_events

    def get_log_events(self: LogGroup, log_stream_name: str, *rest: Any, **named: Any) -> Any:
        if log_stream_name not in self.streams:
            raise ResourceNotFoundException("The specified log stream does not exist.")
        return read(self, log_stream_name, *rest, **named)

    LogGroup.get_log_events = get_log_events
    Response.associate_kms_key = lambda self: set_key(self, self._get_param("kmsKeyId"))
    Response.disassociate_kms_key = lambda self: set_key(self, None)
