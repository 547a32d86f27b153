"""The bundled agents: one folder each, which exports `agent`, and its `DESCRIPTION` without the agent's libraries."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..contract import Roster


def team() -> Roster:
    """All bundled agents, found by looking into this folder."""
    from ..contract import Roster

    return Roster(import_module(f".{name}", __name__).agent for name in _names())


def descriptions() -> dict[str, str]:
    """What each bundled agent does, by its name."""
    return {name: import_module(f".{name}", __name__).DESCRIPTION for name in _names()}


def _names() -> list[str]:
    return sorted(found.name for found in pkgutil.iter_modules(__path__) if found.ispkg)
