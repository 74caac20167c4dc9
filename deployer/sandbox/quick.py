"""What makes the start quick: moto's import is most of it."""

from __future__ import annotations

import contextlib
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
