"""Opening either engine with settings, for tests and for the processes that they start."""

from __future__ import annotations

import dataclasses
from contextlib import AbstractAsyncContextManager

from sametask.agents import Agent, Roster, TaskEngine


def opened_at(url: str, *agents: Agent, **settings: float) -> AbstractAsyncContextManager[TaskEngine]:
    if url.startswith("sqlite"):
        from sametask.agents.runtime.embedded.engine import EngineSettings, SqliteEngine

        return SqliteEngine.open(url.partition(":///")[2], Roster(agents), EngineSettings(**settings))  # type: ignore[arg-type]
    from sametask.agents.runtime.distributed.engine import EngineSettings as Settings
    from sametask.agents.runtime.distributed.engine import PostgresEngine

    known = {field.name for field in dataclasses.fields(Settings)}
    chosen = {"beat_s": 0.2} | {name: value for name, value in settings.items() if name in known}
    return PostgresEngine.open(url, Roster(agents), Settings(**chosen))
