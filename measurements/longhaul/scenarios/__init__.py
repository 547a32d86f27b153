"""The scenarios: one file each, which exports `SCENARIO`."""

from __future__ import annotations

from ...exported import exported
from ..contract import Scenario


def scenarios() -> list[Scenario]:
    """All of them, found by looking into this folder."""
    return sorted(exported(__name__, "SCENARIO"), key=lambda scenario: scenario.order)
