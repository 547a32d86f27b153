"""Opening either engine with settings, for tests and for the processes that they start."""

from __future__ import annotations

import dataclasses
from contextlib import AbstractAsyncContextManager
from typing import Any

from sametask.agents import Agent, Roster, TaskEngine


def opened_at(url: str, *agents: Agent, **settings: float) -> AbstractAsyncContextManager[TaskEngine]:
    """Each engine takes the settings that it knows."""
    if url.startswith("sqlite"):
        from sametask.agents.runtime.embedded.engine import EngineSettings, SqliteEngine

        chosen = EngineSettings(**_known(EngineSettings, settings))
        return SqliteEngine.open(url.partition(":///")[2], Roster(agents), chosen)
    from sametask.agents.runtime.distributed.engine import EngineSettings as Settings
    from sametask.agents.runtime.distributed.engine import PostgresEngine

    return PostgresEngine.open(url, Roster(agents), Settings(**{"beat_s": 0.2} | _known(Settings, settings)))


def _known(settings: Any, given: dict[str, float]) -> dict[str, Any]:
    names = {field.name for field in dataclasses.fields(settings)}
    return {name: value for name, value in given.items() if name in names}
