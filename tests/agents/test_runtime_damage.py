"""A store that is damaged, locked, full or read-only: one line that names it, and whatever is not concerned goes on."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel
from sametask.agents import Agent, Artifact, Question, Roster, TaskContext, TaskState, TextPart
from sametask.agents.errors import Unavailable
from sametask.agents.runtime import open_engine
from sametask.agents.webhooks import Webhook


class Order(BaseModel):
    text: str = ""
    ask: bool = False


agent = Agent("writer", description="writes a text down")


@agent.skill
async def write(request: Order, task: TaskContext) -> Order:
    await task.progress(1, 2, request.text)
    await task.emit(Artifact(name="text", parts=(TextPart(text=request.text),)))
    await task.step("write", lambda: request.text)
    assert task.origin.variant == "inproc"
    if request.ask:
        await task.ask(Question("more?", Order))
    return request


async def submitted(engine, follow, **order) -> str:
    handle = await engine.submit(agent.skills["write"], Order(**order))
    await follow(engine, handle.id, until=lambda event: event.final or event.state is TaskState.INPUT_REQUIRED)
    return handle.id


async def read(engine, follow, task_id: str) -> None:
    await engine.get(task_id)
    await follow(engine, task_id)


def damage(store: Path, statement: str) -> None:
    with sqlite3.connect(store) as db:
        assert db.execute(statement).rowcount > 0
    db.close()


LAST = "WHERE task = 1 AND seq = (SELECT MAX(seq) FROM events WHERE task = 1)"
ROWS = {
    "the state's event": f'UPDATE events SET body = \'{{"type": "sta\' {LAST}',
    "no json": f"UPDATE events SET body = x'00ff' {LAST}",
    "another event": "UPDATE events SET body = '[]' WHERE task = 1 AND kind = 'progress'",
    "an artifact": "UPDATE events SET body = '{}' WHERE task = 1 AND kind = 'artifact'",
}


@pytest.mark.parametrize("row", ROWS)
async def test_a_damaged_row_is_one_line_to_who_asks_for_it_and_nothing_to_the_others(open_store, store, follow, row):
    async with open_store(agent) as engine:
        bad, good = await submitted(engine, follow, text="a"), await submitted(engine, follow, text="b")
    damage(store, ROWS[row])
    async with open_store(agent) as engine:
        with pytest.raises(Unavailable, match=r"store: .*tasks\.db has a damaged row \(") as told:
            await read(engine, follow, bad)
        assert "\n" not in told.value.message
        assert (await engine.get(good)).result["text"] == "b"
        listed = {task.id: task for task in await engine.list()}
        assert listed[good].state is listed[bad].state is TaskState.COMPLETED
        assert (await engine.get(await submitted(engine, follow, text="c"))).state is TaskState.COMPLETED


STORED = {
    "its input": "UPDATE inputs SET body = '{\"text' WHERE task = 1",
    "its origin": "UPDATE tasks SET origin = '{' WHERE n = 1",
    "its question": "UPDATE questions SET schema = '{' WHERE task = 1",
}


@pytest.mark.parametrize("row", STORED)
async def test_an_open_task_whose_row_is_damaged_does_not_hold_up_the_others(open_store, store, follow, row):
    async with open_store(agent) as engine:
        bad, good = await submitted(engine, follow, text="a", ask=True), await submitted(engine, follow, text="b", ask=True)
    damage(store, STORED[row])
    async with open_store(agent) as engine:
        await engine.answer(good, "q1", {})
        assert (await follow(engine, good))[-1].state is TaskState.COMPLETED
        if row == "its question":
            with pytest.raises(Unavailable, match="damaged row"):
                await engine.answer(bad, "q1", {})
        else:
            assert (await follow(engine, bad))[-1].state is TaskState.FAILED
            error = (await engine.get(bad)).error
            assert error.code == ("invalid_input" if row == "its input" else "unavailable")
            assert "\n" not in error.message


async def test_a_damaged_webhook_is_one_line(open_store, store, follow):
    async with open_store(agent) as engine:
        id_ = await submitted(engine, follow)
        await engine.webhooks.set(Webhook("h", id_, "https://one.example/", "json"))
        damage(store, "UPDATE webhooks SET headers = '['")
        for call in (lambda: engine.webhooks.list(id_), lambda: engine.webhooks.claim(("json",), 9, 1e12)):
            with pytest.raises(Unavailable, match="damaged row"):
                await call()


async def test_a_damaged_page_is_one_line_and_the_rest_can_be_read(open_store, store, follow):
    async with open_store(agent) as engine:
        good = await submitted(engine, follow, text="b")
        bad = [await submitted(engine, follow, text="x" * 3000) for _ in range(3)]
        last = await submitted(engine, follow, text="c", ask=True)
    content = bytearray(store.read_bytes())
    hit = [at for at in range(4096, len(content), 4096) if b"x" * 500 in content[at : at + 4096]]
    assert hit
    for at in hit:
        content[at : at + 4096] = b"\xff" * 4096
    store.write_bytes(content)
    async with open_store(agent) as engine:
        for id_ in bad:
            with pytest.raises(Unavailable, match="has a damaged row") as told:
                await read(engine, follow, id_)
            assert str(store) in told.value.message
            assert "\n" not in told.value.message
        assert (await engine.get(good)).result["text"] == "b"
        with contextlib.suppress(Unavailable):  # what is next to it may be on the same page
            await engine.answer(last, "q1", {})
            await follow(engine, last)


async def test_a_file_that_someone_has_locked_is_unavailable_and_then_available_again(open_store, store, follow):
    async with open_store(agent) as engine:
        engine._store._writer.execute("PRAGMA busy_timeout=20")
        task = await submitted(engine, follow, ask=True)
        with sqlite3.connect(store, isolation_level=None) as db:
            db.execute("BEGIN IMMEDIATE")
            with pytest.raises(Unavailable, match="database is locked"):
                await engine.submit(agent.skills["write"], Order())
            with pytest.raises(Unavailable, match="database is locked"):
                await engine.answer(task, "q1", {})
            assert (await engine.get(task)).state is TaskState.INPUT_REQUIRED  # who reads does not wait
            db.execute("COMMIT")
        db.close()
        await engine.answer(task, "q1", {})
        assert (await follow(engine, task))[-1].state is TaskState.COMPLETED
        assert len(await engine.list()) == 1  # the refused submit has left nothing


@pytest.mark.embedded
async def test_a_file_that_can_no_longer_be_written_loses_nothing(open_store, follow):
    async with open_store(agent) as engine:
        task = await submitted(engine, follow, ask=True)
        engine._store._writer.execute("PRAGMA query_only=1")  # as a file system that was mounted read-only
        for call in (
            lambda: engine.submit(agent.skills["write"], Order()),
            lambda: engine.answer(task, "q1", {}),
            lambda: engine.cancel(task),
        ):
            with pytest.raises(Unavailable, match="readonly database"):
                await call()
        engine._store._writer.execute("PRAGMA query_only=0")
        await engine.answer(task, "q1", {})
        events = await follow(engine, task)
        assert events[-1].state is TaskState.COMPLETED
        assert [event.seq for event in events] == list(range(1, len(events) + 1))


@pytest.fixture
def nobody() -> Iterator[Path]:
    """A folder that this process may read and not write, even where it runs as root."""
    folder = Path(tempfile.mkdtemp(prefix="sametask-test-"))
    me = os.geteuid()
    try:
        yield folder
    finally:
        os.seteuid(me)
        folder.chmod(0o700)
        shutil.rmtree(folder)


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs POSIX permissions: run it on Linux or macOS")
@pytest.mark.parametrize("mode", [0o555, 0o755], ids=["folder", "file"])
async def test_a_read_only_file_is_refused_in_one_line(nobody, mode):
    path = nobody / "tasks.db"
    async with open_engine(f"sqlite:///{path}", Roster([agent])) as engine:
        await engine.submit(agent.skills["write"], Order())
    path.chmod(0o444)
    nobody.chmod(mode)
    content = path.read_bytes()
    if os.geteuid() == 0:
        os.seteuid(65534)
    with pytest.raises(Unavailable, match=r"cannot be used \(.*(readonly|unable to open).*\)"):
        async with open_engine(f"sqlite:///{path}", Roster([agent])):
            pass
    assert path.read_bytes() == content
