"""What the runtime's tests share: a store of their own, and following a task to its end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from sametask.agents import Agent, Event, Roster, TaskEngine
from sametask.agents.runtime.embedded.engine import EngineSettings, SqliteEngine

Open = Callable[..., AbstractAsyncContextManager[SqliteEngine]]
Follow = Callable[..., Awaitable[list[Event]]]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "tasks.db"


@pytest.fixture
def open_store(store: Path) -> Open:
    """Open the test's store with these agents; settings by keyword. A test that hangs is stopped by `follow`."""

    def opened(*agents: Agent, **settings: float) -> AbstractAsyncContextManager[SqliteEngine]:
        return SqliteEngine.open(str(store), Roster(agents), EngineSettings(**settings))  # type: ignore[arg-type]

    return opened


@pytest.fixture
def follow() -> Follow:
    """The events of a task after `after`, up to one that `until` accepts; by default up to the terminal one."""

    async def following(
        engine: TaskEngine, task_id: str, after: int = 0, until: Callable[[Event], bool] | None = None
    ) -> list[Event]:
        import asyncio

        async def collect(events: AsyncIterator[Event]) -> list[Event]:
            found: list[Event] = []
            async for event in events:
                found.append(event)
                if until is not None and until(event):
                    break
            return found

        return await asyncio.wait_for(collect(engine.events(task_id, after)), 20)

    return following
