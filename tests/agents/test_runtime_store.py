"""The file itself: what is refused, and what is shared between writers."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel
from sametask.agents import Agent, Question, TaskContext
from sametask.agents.errors import SametaskError, Unavailable
from sametask.agents.runtime.embedded.locks import OwnerLock
from sametask.agents.runtime.embedded.schema import SCHEMA_VERSION, connect
from sametask.agents.runtime.embedded.store import Store
from sametask.agents.webhooks import Webhook

from .old_stores import VERSIONS, make_old_store


async def test_missing_folders_are_made_and_nothing_but_the_store_is_left(open_store, store, tmp_path):
    store.parent.rmdir()
    async with open_store():
        assert store.exists()
    assert [path.name for path in tmp_path.iterdir()] == [store.name]


def newer(path: Path) -> Path:
    connections = connect(path, "FULL")
    connections[0].execute("PRAGMA user_version=5")
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
        (newer, "has schema version 5, made by a newer release; accepted: up to 4"),
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
    commits: list[dict[int, list[object]]] = []
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
    monkeypatch.setattr("sametask.agents.runtime.embedded.store.PENDING_BYTES", 10)
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


old = Agent("old", description="Was asked before.")


@old.skill
async def ask(request: Order, task: TaskContext) -> Order:
    return Order(count=(await task.ask(Question("how many?", Order))).count)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_file_of_an_earlier_schema_is_made_one_of_this_with_all_that_it_holds(store, open_store, version):
    make_old_store(store, version)
    async with open_store(old) as engine:
        assert (await engine.get("done")).result == {"count": 1}
        (question,) = await engine.questions("asks")
        assert (question.request_id, question.text) == ("q1", "how many?")
        await engine.answer("asks", "q1", {"count": 3})
        assert [event async for event in engine.events("asks")][-1].body.result == {"count": 3}
        await engine.webhooks.set(Webhook("h", "done", "https://one.example/", "json"))
    async with open_store(old) as engine:
        assert [each.id for each in await engine.webhooks.list("done")] == ["h"]


def columns(path: Path) -> dict[str, object]:
    with sqlite3.connect(path) as db:
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")]
        found = {name: sorted(row[1:] for row in db.execute(f"PRAGMA table_xinfo({name})")) for name in names}
        version = db.execute("PRAGMA user_version").fetchone()
    db.close()
    return {**found, "version": version}


@pytest.mark.parametrize("version", VERSIONS)
def test_an_upgraded_file_has_the_schema_of_a_new_one(store, tmp_path, version):
    make_old_store(store, version)
    for path in (store, tmp_path / "new.db"):
        for connection in connect(path, "FULL"):
            connection.close()
    assert columns(store) == columns(tmp_path / "new.db")
    assert columns(store)["version"] == (SCHEMA_VERSION,)


async def test_two_that_open_an_old_file_at_once_upgrade_it_once(store):
    make_old_store(store, 2)
    opened = await asyncio.gather(*(asyncio.to_thread(connect, store, "FULL") for _ in range(8)))
    for connections in opened:
        for connection in connections:
            connection.close()


async def test_an_old_file_that_an_earlier_release_is_using_is_left_as_it_is(store, open_store):
    make_old_store(store, 3)
    lock = OwnerLock(store)
    with sqlite3.connect(store) as db:
        db.execute("INSERT INTO owners VALUES(?, 0)", (lock.id,))
    db.close()
    with pytest.raises(Unavailable, match="in use by a process of an earlier release; accepted: once that has stopped"):
        async with open_store(old):
            pass
    assert columns(store)["version"] == (3,)
    lock.release()
    async with open_store(old) as engine:
        assert (await engine.get("done")).result == {"count": 1}


async def test_a_task_whose_step_could_not_be_written_is_run_again_when_it_can(open_store, store, follow):
    agent = Agent("worker", description="")
    runs = 0
    failed = asyncio.Event()

    @agent.skill
    async def work(request: Order, task: TaskContext) -> Order:
        nonlocal runs
        runs += 1
        await task.step("small", lambda: 1)
        try:
            await task.step("large", lambda: "x" * 500_000)
        except asyncio.CancelledError:
            failed.set()
            raise
        return Order(count=runs)

    async with open_store(agent) as engine:
        writer = engine._store._writer
        (pages,) = writer.execute("PRAGMA page_count").fetchone()
        writer.execute(f"PRAGMA max_page_count={pages + 20}")  # as a disk that is nearly full
        handle = await engine.submit(agent.skills["work"], Order())
        await asyncio.wait_for(failed.wait(), 10)
        writer.execute("PRAGMA max_page_count=4294967294")
        assert [event.state for event in await follow(engine, handle.id)] == ["submitted", "working", "completed"]
        assert (await engine.get(handle.id)).result["count"] == runs >= 2


async def test_a_skill_that_tells_faster_than_the_disk_is_held_back(open_store, store, follow, monkeypatch):
    monkeypatch.setattr("sametask.agents.runtime.embedded.store.PENDING_COUNT", 8)
    agent = Agent("worker", description="")
    pending: list[int] = []

    @agent.skill
    async def work(request: Order, task: TaskContext) -> Order:
        for done in range(500):
            await task.progress(done)
            pending.append(engines[0]._store._pending_count)
        return Order()

    engines = []
    async with open_store(agent) as engine:
        engines.append(engine)
        handle = await engine.submit(agent.skills["work"], Order())
        assert [event.body.done for event in (await follow(engine, handle.id))[2:-1]] == list(range(500))
    assert max(pending) == 8
