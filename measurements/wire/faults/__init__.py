"""The faults there are, found by looking into this folder: a file for each, exporting its config class as `FAULT`."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import Any


def faults() -> dict[str, type[Any]]:
    """Every fault's config class by its name."""
    found: dict[str, type[Any]] = {}
    for entry in pkgutil.iter_modules(__path__):
        fault = getattr(import_module(f".{entry.name}", __package__), "FAULT", None)
        if fault is not None:
            found[fault.name] = fault
    return found
