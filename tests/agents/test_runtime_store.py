"""The file itself: what is refused, and what is shared between writers."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel
from sametask.agents import Agent, Question, Roster, TaskContext, TaskState
from sametask.agents.errors import SametaskError, Unavailable
from sametask.agents.runtime import open_engine
from sametask.agents.runtime.schema import SCHEMA_VERSION, connect
from sametask.agents.runtime.store import Store


async def test_missing_folders_are_made_and_nothing_but_the_store_is_left(open_store, store, tmp_path):
    store.parent.rmdir()
    async with open_store():
        assert store.exists()
    assert [path.name for path in tmp_path.iterdir()] == [store.name]


def newer(path: Path) -> Path:
    connections = connect(path, "FULL")
    connections[0].execute("PRAGMA user_version=4")
    for connection in connections:
        connection.close()
    return path


def foreign(path: Path) -> Path:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE bookmarks(url)")
    db.close()
    return path


def not_a_database(path: Path) -> Path:
    path.write_text("a shopping list, and not a short one: " + "milk " * 100)
    return path


def a_folder(path: Path) -> Path:
    path.mkdir()
    return path


def below_a_file(path: Path) -> Path:
    path.touch()
    return path / "tasks.db"


def read_only_folder(path: Path) -> Path:
    return Path("/proc/self/tasks.db") if sys.platform == "linux" else path / "\0"  # read-only for root as well


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (newer, "has schema version 4, made by a newer release; accepted: up to 3"),
        (foreign, "is another program's database"),
        (not_a_database, "file is not a database"),
        (a_folder, "unable to open"),
        (below_a_file, "exists|Not a directory"),
        (read_only_folder, "unable to open"),
    ],
)
async def test_a_file_that_cannot_be_used_is_refused_in_one_line_that_names_it(tmp_path, made, reason):
    from sametask.agents.contract import Roster
    from sametask.agents.runtime import open_engine

    path = made(tmp_path / "tasks.db")
    content = path.read_bytes() if path.is_file() else b""
    with pytest.raises(Unavailable, match=reason) as refused:
        async with open_engine(f"sqlite:///{path}", Roster([])):
            pass
    assert str(path) in refused.value.message
    assert refused.value.details["field"] == "store"
    assert (path.read_bytes() if path.is_file() else b"") == content


@pytest.fixture
async def rows(tmp_path):
    """A store, and the tasks of every commit it told of."""
    commits: list[set[int]] = []
    opened = Store(tmp_path / "rows.db", *connect(tmp_path / "rows.db", "FULL"), commits.append)
    yield opened, commits
    opened.close()


def insert(n: int):
    return lambda db: db.execute("INSERT INTO inputs VALUES(?, '')", (n,)).lastrowid


async def test_waiting_writes_share_a_transaction_and_one_that_refuses_undoes_itself_alone(rows):
    store, commits = rows

    def refuse(db: sqlite3.Connection) -> None:
        insert(99)(db)
        raise SametaskError("no")

    outcomes = await asyncio.gather(
        *(store.write(insert(n), n) for n in range(1, 50)), store.write(refuse, 99), return_exceptions=True
    )
    assert outcomes[:-1] == list(range(1, 50))
    assert str(outcomes[-1]) == "no"
    assert store.reader.execute("SELECT COUNT(*), MAX(task) FROM inputs").fetchone() == (49, 49)
    assert len(commits) < 49
    assert set().union(*commits) == set(range(1, 50))


async def test_a_file_that_can_no_longer_be_written_is_unavailable_and_then_available_again(rows):
    store, _ = rows
    (pages,) = store._writer.execute("PRAGMA page_count").fetchone()
    store._writer.execute(f"PRAGMA max_page_count={pages}")  # as a full disk
    with pytest.raises(Unavailable, match=r"rows\.db cannot be used \(database or disk is full\)"):
        await store.write(lambda db: db.execute("INSERT INTO inputs VALUES(1, ?)", ("x" * 100_000,)) and None, 1)
    store._writer.execute("PRAGMA max_page_count=4294967294")
    assert await store.write(insert(2), 2) == 2


async def test_back_pressure_holds_a_writer_until_there_is_room(rows, monkeypatch):
    store, _ = rows
    monkeypatch.setattr("sametask.agents.runtime.store.PENDING_BYTES", 10)
    done: list[int] = []
    store.post(insert(1), lambda result, error: done.append(result), 1, 20)
    await asyncio.wait_for(store.room(), 10)
    assert done == [1]


async def test_a_closed_store_has_written_what_was_queued_and_takes_no_more(tmp_path):
    path = tmp_path / "closing.db"
    store = Store(path, *connect(path, "FULL"), lambda tasks: None)
    writes = [asyncio.ensure_future(store.write(insert(n), n)) for n in range(1, 20)]
    await asyncio.sleep(0)
    store.close()
    await asyncio.gather(*writes)
    with pytest.raises(Unavailable):
        await store.write(insert(30))
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT COUNT(*) FROM inputs").fetchone() == (19,)
    db.close()


class Order(BaseModel):
    count: int = 0


async def test_a_file_of_the_first_schema_is_made_one_of_this_and_its_open_question_is_answered(tmp_path):
    path = tmp_path / "tasks.db"
    agent = Agent("old", description="Was asked before.")

    @agent.skill
    async def ask(request: Order, task: TaskContext) -> Order:
        return Order(count=(await task.ask(Question("how many?", Order))).count)

    async with open_engine(f"sqlite:///{path}", Roster([agent])) as engine:
        task = await engine.submit(agent.skills["ask"], Order())
        async for event in engine.events(task.id):
            if event.state is TaskState.INPUT_REQUIRED:
                break
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE webhooks")
        db.execute("ALTER TABLE questions DROP COLUMN text")
        db.execute("PRAGMA user_version=1")
    db.close()
    async with open_engine(f"sqlite:///{path}", Roster([agent])) as engine:
        (question,) = await engine.questions(task.id)
        assert (question.request_id, question.text) == ("q1", "how many?")
        await engine.answer(task.id, "q1", {"count": 3})
        assert [event async for event in engine.events(task.id)][-1].body.result == {"count": 3}
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    db.close()
