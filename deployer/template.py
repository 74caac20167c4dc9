"""The `deploy.yaml` to start from."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import yaml

START = """\
# `deployer validate` checks this file, `deployer plan` tells what would be done on AWS, `deployer up` does it.
name: {name}
# region: us-east-1           # otherwise the region of your AWS configuration

services:
  web:
    {source}
    port: {port}# what the container listens on
    load_balancer: public     # an address on the internet; internal: from inside the VPC only
    cpu: 256                  # 1024 is one core; only certain pairs of cpu and memory exist
    memory: 512               # MiB
    count: 1
    # environment: {{LOG_LEVEL: info}}
    # secrets: {{API_KEY: api-key}}   # never in environment: that stays readable

# secrets:
#   api-key: {{from_env: API_KEY}}    # kept in Secrets Manager; {{generate: 32}} makes one
"""
BUILT = "build: .                  # the Dockerfile in this directory"
FOUND = "image: nginxinc/nginx-unprivileged:1.27-alpine   # there is no Dockerfile yet; with one: build: ."
PORT = 8080


def starter(directory: Path) -> str:
    """The text of a small deploy.yaml which fits `directory`: its name, its Dockerfile, the port exposed there."""
    dockerfile = directory / "Dockerfile"
    found = dockerfile.is_file()
    port = exposed(dockerfile.read_text("utf-8", errors="replace")) if found else PORT
    return START.format(name=stack_name(directory.resolve().name), source=BUILT if found else FOUND, port=f"{port:<20}")


def exposed(dockerfile: str) -> int:
    """The first TCP port of the last EXPOSE that names one, else 8080."""
    for line in reversed(re.findall(r"^[ \t]*EXPOSE[ \t]+(.+)$", dockerfile, re.MULTILINE | re.IGNORECASE)):
        for word in line.split():
            number = re.fullmatch(r"([0-9]{1,5})(-[0-9]+)?(/tcp)?", word, re.IGNORECASE)
            if number and 0 < int(number[1]) < 65536:
                return int(number[1])
    return PORT


def stack_name(directory: str) -> str:
    """A valid stack name that resembles `directory`."""
    ascii_only = unicodedata.normalize("NFKD", directory).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", ascii_only).strip("-")
    name = words if words[:1].isalpha() else f"app-{words}"
    name = name[:24].strip("-")
    name = name if len(name) > 1 else f"{name}-app"
    return name if yaml.safe_load(name) == name else f'"{name}"'
