"""CloudWatch Logs: the key of a log group may change, which moto does not know."""

from __future__ import annotations

from moto.logs.exceptions import ResourceNotFoundException
from moto.logs.responses import LogsResponse as Response


def set_key(self: Response, key: str | None) -> str:
    group = self.logs_backend.groups.get(self._get_param("logGroupName"))
    if group is None:
        raise ResourceNotFoundException
    group.kms_key_id = key
    return ""


def install() -> None:
    Response.associate_kms_key = lambda self: set_key(self, self._get_param("kmsKeyId"))
    Response.disassociate_kms_key = lambda self: set_key(self, None)
