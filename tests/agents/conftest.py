"""What the runtime's tests share: a store of their own over each engine, and following a task to its end."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sametask.agents import Agent, Event, Roster, TaskEngine

from . import postgres

Open = Callable[..., AbstractAsyncContextManager[TaskEngine]]
Follow = Callable[..., Awaitable[list[Event]]]
Look = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "tasks.db"


@pytest.fixture(scope="session")
def prepared() -> Generator[str]:
    """The name of an empty database of ours, to be copied: making one anew takes a second."""
    from sametask.agents.runtime import check_engine

    with postgres.database() as url:
        check_engine(url)
        yield url.rpartition("/")[2]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The same test body runs over both engines; one that asks for the `store` file is about that file."""
    if "url" in metafunc.fixturenames:
        about_a_file = "store" in inspect.signature(metafunc.function).parameters
        metafunc.parametrize("url", ["sqlite"] if about_a_file else ["sqlite", "postgres"], indirect=True)


@pytest.fixture
def url(request: pytest.FixtureRequest, store: Path) -> Generator[str]:
    """The test's store, as `--engine` names it."""
    if request.param == "sqlite":
        yield f"sqlite:///{store}"
    else:
        with postgres.database(request.getfixturevalue("prepared")) as made:
            yield made


@pytest.fixture
def open_store(url: str) -> Open:
    """Open the test's store with these agents; settings by keyword, of which each engine takes its own. A test that hangs is
    stopped by `follow`.
    """

    def opened(*agents: Agent, **settings: float) -> AbstractAsyncContextManager[TaskEngine]:
        return opened_at(url, *agents, **settings)

    return opened


def opened_at(url: str, *agents: Agent, **settings: float) -> AbstractAsyncContextManager[TaskEngine]:
    if url.startswith("sqlite"):
        from sametask.agents.runtime.embedded.engine import EngineSettings, SqliteEngine

        return SqliteEngine.open(url.partition(":///")[2], Roster(agents), EngineSettings(**settings))  # type: ignore[arg-type]
    from sametask.agents.runtime.distributed.engine import EngineSettings as Settings
    from sametask.agents.runtime.distributed.engine import PostgresEngine

    known = {field.name for field in dataclasses.fields(Settings)}
    chosen = {"beat_s": 0.2} | {name: value for name, value in settings.items() if name in known}
    return PostgresEngine.open(url, Roster(agents), Settings(**chosen))


@pytest.fixture
def look(url: str) -> Look:
    """What a statement gives that is made behind the engine's back; both engines call their tables the same."""

    def rows(statement: str) -> list[tuple[Any, ...]]:
        with behind(url) as db:
            found = db.execute(statement)
            return found.fetchall() if found.description else []

    return rows


@contextmanager
def behind(url: str) -> Generator[Any]:
    if url.startswith("sqlite"):
        with sqlite3.connect(url.partition(":///")[2]) as db:
            yield db
        db.close()
    else:
        import psycopg

        with psycopg.connect(url, options="-c search_path=sametask") as db:
            yield db


@pytest.fixture
def follow() -> Follow:
    """The events of a task after `after`, up to one that `until` accepts; by default up to the terminal one."""

    async def following(
        engine: TaskEngine, task_id: str, after: int = 0, until: Callable[[Event], bool] | None = None
    ) -> list[Event]:
        async def collect(events: AsyncIterator[Event]) -> list[Event]:
            found: list[Event] = []
            async for event in events:
                found.append(event)
                if until is not None and until(event):
                    break
            return found

        return await asyncio.wait_for(collect(engine.events(task_id, after)), 20)

    return following
