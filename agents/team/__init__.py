"""The bundled agents: one folder each, which exports `agent`."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from ..contract import Roster


def team() -> Roster:
    """All bundled agents, found by looking into this folder."""
    names = sorted(found.name for found in pkgutil.iter_modules(__path__) if found.ispkg)
    return Roster(import_module(f".{name}", __name__).agent for name in names)
