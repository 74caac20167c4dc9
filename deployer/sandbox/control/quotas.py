"""Service Quotas: an account of this machine has none, unless it is told one. moto knows the defaults of VPC only, and
cannot list what applies."""

from __future__ import annotations

import json

from moto.servicequotas.responses import ServiceQuotasResponse as Response

TOLD: dict[tuple[str, str], float] = {}


def install() -> None:
    def quotas(self: Response) -> str:
        service = str(json.loads(self.body).get("ServiceCode"))
        return json.dumps({"Quotas": [
            {"ServiceCode": service, "QuotaCode": code, "Value": value}
            for (told, code), value in TOLD.items() if told == service
        ]})  # fmt: skip

    def none(self: Response) -> str:
        return json.dumps({"Quotas": []})

    Response.list_service_quotas = quotas
    Response.list_aws_default_service_quotas = none
