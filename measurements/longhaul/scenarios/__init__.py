"""The scenarios: one file each, which exports `SCENARIO`."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from ..trial import Scenario


def scenarios() -> list[Scenario]:
    """All of them, found by looking into this folder."""
    found: list[Scenario] = [import_module(f".{entry.name}", __name__).SCENARIO for entry in pkgutil.iter_modules(__path__)]
    return sorted(found, key=lambda scenario: scenario.order)
