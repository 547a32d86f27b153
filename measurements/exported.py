"""What the files of a folder export, so that adding a file is all there is to do."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import Any


def exported(package: str, name: str) -> list[Any]:
    """Every module's `name`, and each of its `name` + "S", in the order of the file names."""
    found: list[Any] = []
    for entry in pkgutil.iter_modules(import_module(package).__path__):
        module = import_module(f".{entry.name}", package)
        found += [getattr(module, name)] if hasattr(module, name) else getattr(module, f"{name}S", ())
    return found
