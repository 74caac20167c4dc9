"""What makes the start quick, where moto's import is most of it, and the answers."""

from __future__ import annotations

import contextlib
import functools
import gc
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def starting() -> Iterator[None]:
    """While moto is imported and its backends are made: botocore's models, which moto asks a new session for again and
    again, are read once; and nothing is looked for that could be collected, as all of it stays."""
    from botocore.loaders import JSONFileLoader

    original, known = JSONFileLoader.load_file, dict[str, Any]()

    def load_file(self: Any, path: str) -> Any:
        if path not in known:
            known[path] = original(self, path)
        return known[path]

    JSONFileLoader.load_file = load_file
    gc.disable()
    try:
        yield
    finally:
        JSONFileLoader.load_file = original
        gc.enable()
        gc.freeze()


def answering() -> None:
    """moto lists its own folder twice in each call, and all methods of the service's class once: two fifths of the time
    that a call takes. Neither changes while it runs."""
    from moto import backends
    from moto.core import responses

    modules = tuple(backends.list_of_moto_modules())
    backends.list_of_moto_modules = lambda: modules
    responses.method_names_from_class = functools.cache(responses.method_names_from_class)
