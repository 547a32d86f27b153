"""What the runtime's tests share: a store of their own over each engine, and following a task to its end."""

from __future__ import annotations

import asyncio
import inspect
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sametask.agents import Agent, Event, TaskEngine

from . import postgres
from .opening import opened_at

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
    """The same test body runs over both engines, but for what is about one of them or asks for the `store` file."""
    if "url" in metafunc.fixturenames:
        marked = {marker.name for marker in metafunc.definition.iter_markers()}
        about_a_file = "store" in inspect.signature(metafunc.function).parameters
        chosen: list[Any] = ["sqlite"] if "distributed" not in marked else []
        if "embedded" not in marked and not about_a_file:
            # As a mark, so that the summary has one line for each file; in CI `postgres.server` fails instead.
            chosen.append(pytest.param("postgres", marks=[] if postgres.wanted() else pytest.mark.skip(postgres.HOW)))
        metafunc.parametrize("url", chosen, indirect=True)


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


@pytest.fixture
def look(url: str) -> Look:
    """What a statement gives that is made behind the engine's back; both engines call their tables the same."""

    def rows(statement: str) -> list[tuple[Any, ...]]:
        with behind(url) as db:
            found = db.execute(statement)
            return found.fetchall() if found.description else []

    return rows


@pytest.fixture
def steal(url: str, look: Look, store: Path) -> Callable[[], None]:
    """Give every task to a worker that is not there, in a new epoch, as one that takes over does."""

    def stolen() -> None:
        if url.startswith("sqlite"):
            store.with_name(f"{store.name}-owner-someone").touch()
            look("INSERT INTO owners VALUES('someone', 1, 1e12)")
        else:
            look("INSERT INTO workers VALUES('someone', 'someone', 1, 1e12)")
        look("UPDATE tasks SET epoch = epoch + 1, owner = 'someone'")

    return stolen


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
