"""Old tasks are removed with all that belongs to them, and nothing else is."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path

import pytest
from pydantic import BaseModel
from sametask.agents import Agent, Artifact, Question, TaskContext, TaskState, TextPart
from sametask.agents.errors import UnknownTask
from sametask.agents.retention import Prunes, Retention
from sametask.agents.webhooks import Webhook, WebhookState

from .old_stores import make_old_store

DAY_S = 86_400.0


class Order(BaseModel):
    text: str = ""
    ask: bool = False


agent = Agent("writer", description="writes a text down")


@agent.skill
async def write(request: Order, task: TaskContext) -> Order:
    await task.emit(Artifact(name="text", parts=(TextPart(text=request.text),)))
    await task.step("write", lambda: request.text)
    if request.ask:
        await task.ask(Question("more?", Order))
    return request


async def written(engine, follow, at: float, text: str = "", key: str | None = None) -> str:
    """A task that ended at that time."""
    with pytest.MonkeyPatch.context() as clock:
        clock.setattr(time, "time", lambda: at)
        handle = await engine.submit(agent.skills["write"], Order(text=text), key=key)
        await follow(engine, handle.id)
    return handle.id


def rows(store: Path) -> dict[str, int]:
    with sqlite3.connect(store) as db:
        tables = ("tasks", "inputs", "events", "steps", "attempts", "questions", "webhooks")
        counts = {table: db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in tables}
    db.close()
    return counts


async def test_by_age_the_old_and_ended_go_and_all_else_stays(open_store, store, follow):
    now = time.time()
    async with open_store(agent) as engine:
        assert isinstance(engine, Prunes)
        old = await written(engine, follow, now - 3 * DAY_S, key="k")
        young = await written(engine, follow, now - DAY_S)
        with pytest.MonkeyPatch.context() as clock:
            clock.setattr(time, "time", lambda: now - 9 * DAY_S)
            open_ = (await engine.submit(agent.skills["write"], Order(ask=True))).id
            await follow(engine, open_, until=lambda event: event.state is TaskState.INPUT_REQUIRED)
        done = await engine.prune(Retention(older_than_s=2 * DAY_S))
        assert (done.tasks, done.kept) == (1, 2)
        with pytest.raises(UnknownTask):
            await engine.get(old)
        assert {task.id for task in await engine.list()} == {young, open_}
        assert (await engine.prune(Retention(older_than_s=2 * DAY_S))).tasks == 0
        assert (await engine.submit(agent.skills["write"], Order(text="other"), key="k")).id != old
        await engine.answer(open_, "q1", {})
        assert (await follow(engine, open_))[-1].state is TaskState.COMPLETED
    counts = rows(store)
    assert counts["tasks"] == counts["inputs"] == 3
    assert counts["steps"] == 3


async def test_by_size_the_oldest_go_until_it_fits_and_the_file_is_smaller(open_store, store, follow):
    now = time.time()
    async with open_store(agent) as engine:
        ids = [await written(engine, follow, now - 100 + number, "x" * 30_000) for number in range(30)]
        before = await engine.prune(Retention(larger_than_bytes=10**9))
        assert before.tasks == 0
        limit = before.held_bytes // 3
        done = await engine.prune(Retention(larger_than_bytes=limit))
        assert limit * 0.7 < done.held_bytes <= limit
        left = [task.id for task in await engine.list()]
        assert left == ids[::-1][: done.kept]
        assert done.tasks + done.kept == 30
    assert store.stat().st_size <= limit * 1.1
    async with open_store(agent) as engine:
        assert (await engine.prune(Retention(larger_than_bytes=0))).kept == 0
    assert set(rows(store).values()) == {0}


async def test_a_file_of_an_earlier_release_gets_smaller_as_well(open_store, store, follow):
    make_old_store(store, 3)
    async with open_store(agent) as engine:
        for number in range(10):
            await written(engine, follow, 1000.0 + number, "x" * 100_000)
    large = store.stat().st_size
    async with open_store(agent) as engine:
        assert (await engine.prune(Retention(older_than_s=DAY_S))).tasks == 11
        assert (await engine.get("asks")).state is TaskState.INPUT_REQUIRED
    assert store.stat().st_size < large / 4


async def test_who_has_a_webhook_to_be_told_is_kept_until_it_was(open_store, follow):
    async with open_store(agent) as engine:
        id_ = await written(engine, follow, time.time() - DAY_S)
        await engine.webhooks.set(Webhook("h", id_, "https://one.example/", "json"))
        assert (await engine.prune(Retention(older_than_s=1))).tasks == 0
        (claim,) = await engine.webhooks.claim(("json",), 9, time.time())
        await engine.webhooks.accepted(claim, 99, 0, WebhookState.DELIVERED)
        assert (await engine.prune(Retention(older_than_s=1))).tasks == 1


async def test_who_is_reading_it_is_told_that_it_is_gone(open_store, follow):
    async with open_store(agent) as engine, open_store(agent) as other:
        id_ = await written(engine, follow, time.time() - DAY_S)
        events = other.events(id_)
        assert (await anext(events)).seq == 1
        await engine.prune(Retention(older_than_s=1))
        with pytest.raises(UnknownTask):
            await asyncio.wait_for(_drained(other.events(id_, 2)), 20)
        await events.aclose()


async def _drained(events) -> None:
    async for _ in events:
        pass


@pytest.mark.embedded
async def test_it_goes_on_beside_those_who_write(open_store, follow):
    async with open_store(agent) as engine, open_store(agent) as other:
        for number in range(250):
            await engine.submit(agent.skills["write"], Order(text=str(number)))
        handles = [await other.submit(agent.skills["write"], Order(ask=True)) for _ in range(5)]
        pruned = asyncio.create_task(engine.prune(Retention(older_than_s=0)))
        for handle in handles:
            await follow(other, handle.id, until=lambda event: event.state is TaskState.INPUT_REQUIRED)
            await other.answer(handle.id, "q1", {})
            assert (await follow(other, handle.id))[-1].state is TaskState.COMPLETED
        await pruned
        await engine.prune(Retention(larger_than_bytes=0))
        assert await engine.list() == []
