"""One AWS resource type per file; importing this package makes them all known to `deployer.resource.TYPES`."""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
