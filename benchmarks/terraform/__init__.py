"""Terraform with its AWS provider, on the stack of voting.tf, against a simulated AWS.

Nothing is downloaded: `terraform` is looked for on the PATH, the provider in TF_PLUGIN_MIRROR (a filesystem mirror) or
where Terraform itself looks. `terraform init` is no part of what is measured.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from benchmarks.up import DIGEST

SOURCE = Path(__file__).with_name("voting.tf")
PROVIDER = "registry.terraform.io/hashicorp/aws"
VARIABLES = {
    "TF_VAR_web_image": f"registry.invalid/web{DIGEST}",
    "TF_VAR_redis_image": f"registry.invalid/redis{DIGEST}",
    "TF_VAR_redis_password": "not-a-secret-since-nothing-runs-32",
}
CHANGE = ("    environment = [\n", '    environment = [\n      { name = "TITLE", value = "Changed" },\n')


def mirror() -> Path | None:
    """The folder that holds the AWS provider, if there is one."""
    given = [os.environ.get(name) for name in ("TF_PLUGIN_MIRROR", "TF_PLUGIN_CACHE_DIR")]
    usual = ["~/.terraform.d/plugins", "/usr/local/share/terraform/plugins", "/usr/share/terraform/plugins"]
    folders = [Path(each).expanduser() for each in [*given, *usual] if each]
    return next((folder for folder in folders if any(folder.glob(f"{PROVIDER}/*"))), None)


def missing() -> list[str]:
    """What has to be there before anything can be compared; empty if all is."""
    found = []
    if not shutil.which("terraform"):
        found.append("`terraform` is not on the PATH")
    if not mirror():
        found.append(
            f"{PROVIDER} is in no plugin folder: name one in TF_PLUGIN_MIRROR (`terraform providers mirror` makes one)"
        )
    return found


class Terraform:
    """voting.tf in `folder`, initialised. `env`: which AWS it sees."""

    def __init__(self, folder: Path, env: Mapping[str, str], parallelism: int = 10) -> None:
        self.name = f"terraform -parallelism={parallelism}"
        self.folder = folder
        self.options = ["-auto-approve", "-no-color", f"-parallelism={parallelism}"]
        inherited = {name: value for name, value in env.items() if not name.startswith("TF_")}
        settings = {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1", "TF_INPUT": "0"}
        self.env = inherited | settings | VARIABLES | {"TF_CLI_CONFIG_FILE": str(folder / "terraform.rc")}
        folder.mkdir(parents=True)
        shutil.copy(SOURCE, folder)
        text = f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror()}"\n  }}\n}}\n'
        (folder / "terraform.rc").write_text(text)
        command = ["terraform", "init", "-no-color"]
        done = subprocess.run(command, cwd=folder, env=self.env, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"terraform init failed:\n{done.stdout}{done.stderr}")

    def command(self, run: str) -> list[str]:
        return ["terraform", "destroy" if run == "down" else "apply", *self.options]

    def change(self) -> None:
        """One more environment variable of `web`."""
        file = self.folder / SOURCE.name
        text = file.read_text()
        assert CHANGE[0] in text
        file.write_text(text.replace(*CHANGE))

    def version(self) -> str:
        """Of Terraform and of the provider that was taken."""
        asked = subprocess.run(["terraform", "version", "-json"], env=self.env, capture_output=True, check=True)
        lock = (self.folder / ".terraform.lock.hcl").read_text()
        provider = re.search(r'version\s*=\s*"([^"]+)"', lock)
        number = json.loads(asked.stdout)["terraform_version"]
        return f"Terraform {number} with its AWS provider {provider.group(1) if provider else '?'}"
