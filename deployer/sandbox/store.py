"""What the sandbox remembers: moto's backends in one file, written after changes and read at the next start.

moto itself cannot do this: cloudpickle can, with five reducers for what it cannot (locks, keys, certificates).
"""

from __future__ import annotations

import _thread
import io
import logging
import threading
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cloudpickle
from moto.core.base_backend import BackendDict

from deployer import __version__

from .folder import write

log = logging.getLogger("deployer.sandbox")


def save(path: Path) -> None:
    """Under the lock. Raises OSError, e.g. when the disk is full; the former file then stays."""
    backends = {one.service_name: {a: dict(dict.items(each)) for a, each in dict.items(one)} for one in _backends()}
    buffer = io.BytesIO()
    _Pickler(buffer).dump((_mark(), backends))
    write(path, buffer.getvalue())


def load(path: Path) -> bool:
    """Under the lock, before the first call. False if there is nothing; what cannot be read is put aside."""
    import moto.backends

    try:
        with path.open("rb") as file:
            mark, services = cloudpickle.load(file)
        if mark != _mark():
            raise ValueError(f"it was written with {mark}, this is {_mark()}")
    except FileNotFoundError:
        return False
    except Exception as error:  # of whatever an old or damaged file holds
        log.warning("%s cannot be used and was put aside: %r", path, error)
        path.replace(path.with_suffix(".unusable"))
        return False
    for name, accounts in services.items():
        for account, regions in accounts.items():
            for region, backend in regions.items():
                dict.__setitem__(moto.backends.get_backend(name)[account], region, backend)
    return True


def _backends() -> list[Any]:
    return list(BackendDict._instances)


def _mark() -> str:
    """The objects of one version mean nothing to another."""
    return f"moto {version('moto')}, deployer {__version__}"


class _Pickler(cloudpickle.Pickler):
    def reducer_override(self, thing: Any) -> Any:
        name = type(thing).__name__
        if type(thing) is _thread.RLock:
            return threading.RLock, ()
        if type(thing) is type(threading.Lock()):
            return threading.Lock, ()
        if name == "ParameterDict":
            return _parameters, (thing.account_id, thing.region_name, dict(thing), dict(thing.__dict__))
        if name == "AWSManagedPolicy":  # some 1,600, the same everywhere
            return _aws_policy, (thing.account_id, thing.partition, thing.arn, thing.attachment_count)
        if hasattr(thing, "private_bytes") and hasattr(thing, "private_numbers"):
            return _key, (_pem(thing),)
        if name == "Certificate" and hasattr(thing, "public_bytes"):
            from cryptography.hazmat.primitives.serialization import Encoding

            return _certificate, (thing.public_bytes(Encoding.PEM),)
        return super().reducer_override(thing)


def _pem(key: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    private: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private


def _key(pem: bytes) -> Any:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return load_pem_private_key(pem, None)


def _certificate(pem: bytes) -> Any:
    from cryptography import x509

    return x509.load_pem_x509_certificate(pem)


def _parameters(account: str, region: str, items: dict[str, Any], attributes: dict[str, Any]) -> Any:
    from moto.ssm.models import ParameterDict

    made = ParameterDict(account, region)
    dict.update(made, items)
    made.__dict__.update(attributes)
    return made


def _aws_policy(account: str, partition: str, arn: str, attachments: int) -> Any:
    from moto.iam.models import iam_backends

    policy = iam_backends[account][partition].managed_policies[arn]
    policy.attachment_count = attachments
    return policy
