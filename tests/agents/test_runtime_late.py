"""Late durability: a task that nobody was told of may stay in memory until it has ended."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel
from sametask.agents import Agent, Artifact, Question, TaskContext, TaskState, TextPart
from sametask.agents.errors import InvalidInput, Unavailable, UnknownTask
from sametask.agents.events import Event

pytestmark = pytest.mark.embedded

FOREVER_S = 3600.0
NEVER_S = 0.0


class Order(BaseModel):
    count: int = 0
    text: str = ""


def one_skill(function: Any, **options: Any) -> tuple[Agent, Any]:
    agent = Agent("worker", description="a test's worker")
    agent.skill(**options)(function)
    return agent, agent.skills[function.__name__]


async def tell_all(request: Order, task: TaskContext) -> Order:
    for done in range(3):
        await task.progress(done, 3, "counting")
        await task.emit(Artifact(name="list", parts=(TextPart(text=str(done)),), append=done > 0, last=done == 2))
    return Order(count=await task.step("add", lambda: request.count + 1))


def bodies(events: list[Event]) -> list[Any]:
    return [event.body for event in events]


@pytest.mark.parametrize("late_s", [FOREVER_S, NEVER_S], ids=["in memory", "at once"])
@pytest.mark.parametrize("keep", [True, False], ids=["kept", "not kept"])
async def test_a_run_is_the_same_task_as_a_submit_gives(open_store, follow, late_s, keep):
    agent, skill = one_skill(tell_all)
    async with open_store(agent, late_s=late_s) as engine:
        run = await engine.run(skill, Order(count=1), keep=keep)
        if not run.state.terminal:
            await follow(engine, run.id)
            run = await engine.get(run.id)
        submitted = await engine.submit(skill, Order(count=1))
        expected = await follow(engine, submitted.id)
        told = {"id", "created_at", "updated_at"}
        assert run.model_dump(exclude=told) == (await engine.get(submitted.id)).model_dump(exclude=told)
        assert run.updated_at >= run.created_at > 0
        if keep:
            assert await engine.get(run.id) == run
            events = await follow(engine, run.id)
            assert bodies(events) == bodies(expected)
            assert [event.seq for event in events] == list(range(1, len(events) + 1))
            assert [event.at for event in events] == sorted(event.at for event in events)


async def test_what_nobody_was_told_of_is_not_stored(open_store):
    agent, skill = one_skill(tell_all)
    async with open_store(agent, late_s=FOREVER_S) as engine:
        run = await engine.run(skill, Order(), keep=False)
        assert run.state is TaskState.COMPLETED
        with pytest.raises(UnknownTask):
            await engine.get(run.id)
        assert await engine.list() == []


@pytest.mark.parametrize("keep", [True, False])
async def test_one_that_is_still_running_after_a_moment_is_stored_with_all_that_it_has_done(open_store, follow, keep):
    go, ran = asyncio.Event(), []

    async def work(request: Order, task: TaskContext) -> Order:
        await task.progress(1)
        await task.step("once", lambda: ran.append(1))
        await task.progress(2)
        await go.wait()
        await task.progress(3)
        return Order(count=len(ran))

    agent, skill = one_skill(work)
    async with open_store(agent, late_s=0.02) as engine:
        run = await engine.run(skill, Order(), keep=keep)
        assert not run.state.terminal
        before = await follow(engine, run.id, until=lambda event: event.state is None and event.body.done == 2)
    go.set()  # another run takes it up: the step is recorded, the first two are told
    async with open_store(agent) as engine:
        events = await follow(engine, run.id)
        assert (await engine.get(run.id)).result == {"count": 1, "text": ""}
    assert events[: len(before)] == before
    assert [getattr(body, "done", None) or body.state for body in bodies(events)] == [
        "submitted",
        "working",
        1,
        2,
        3,
        "completed",
    ]


async def test_one_that_asks_is_stored_when_it_asks(open_store, follow):
    async def work(request: Order, task: TaskContext) -> Order:
        await task.step("before", lambda: 1)
        return await task.ask(Question("how many?", Order))

    agent, skill = one_skill(work)
    async with open_store(agent, late_s=FOREVER_S) as engine:
        run = await engine.run(skill, Order(), keep=False)
        assert run.id == (await engine.get(run.id)).id
        await follow(engine, run.id, until=lambda event: event.state is TaskState.INPUT_REQUIRED)
        await engine.answer(run.id, "q1", {"count": 7})
        await follow(engine, run.id)
        assert (await engine.get(run.id)).result == {"count": 7, "text": ""}


async def test_a_caller_that_goes_away_loses_its_answer_never_the_task(open_store, follow):
    began, go = asyncio.Event(), asyncio.Event()

    async def work(request: Order, task: TaskContext) -> Order:
        began.set()
        await go.wait()
        return Order(count=3)

    agent, skill = one_skill(work)
    async with open_store(agent, late_s=FOREVER_S) as engine:
        call = asyncio.create_task(engine.run(skill, Order(), keep=False))
        await asyncio.wait_for(began.wait(), 20)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        go.set()
        await engine.submit(skill, Order())  # stored after it
        task = (await engine.list())[1]
        await follow(engine, task.id)
        assert (await engine.get(task.id)).result == {"count": 3, "text": ""}


async def test_a_failure_a_refusal_and_a_deadline_end_it_as_any_task(open_store):
    async def fail(request: Order, task: TaskContext) -> Order:
        if request.count:
            await asyncio.Event().wait()
        raise ValueError("no")

    agent, skill = one_skill(fail, deadline_s=0.05)
    async with open_store(agent, late_s=FOREVER_S) as engine:
        failed = await engine.run(skill, Order(), keep=False)
        assert (failed.state, failed.error.message) == (TaskState.FAILED, "ValueError: no")
        late = await engine.run(skill, Order(count=1))
        assert late.error.code == "deadline_exceeded"
        assert await engine.get(late.id) == late


async def test_a_shutdown_leaves_it_to_the_next_process(open_store, follow):
    began, runs = asyncio.Event(), []

    async def work(request: Order, task: TaskContext) -> Order:
        runs.append(1)
        began.set()
        if len(runs) == 1:
            await asyncio.Event().wait()
        return Order(count=len(runs))

    agent, skill = one_skill(work)
    async with open_store(agent, late_s=FOREVER_S) as engine:
        call = asyncio.create_task(engine.run(skill, Order()))
        await asyncio.wait_for(began.wait(), 20)
        await engine.drain()
        handle = await call
        assert not handle.state.terminal
        with pytest.raises(Unavailable, match="shutting down"):
            await engine.run(skill, Order())
    async with open_store(agent) as engine:
        await follow(engine, handle.id)
        assert (await engine.get(handle.id)).result["count"] == 2


async def test_one_that_cannot_be_stored_has_never_been(open_store):
    began, stopped = asyncio.Event(), asyncio.Event()

    async def work(request: Order, task: TaskContext) -> Order:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return Order()

    agent, skill = one_skill(work)
    async with open_store(agent, late_s=0.01) as engine:
        db = engine._store._writer
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        db.execute(f"PRAGMA max_page_count={pages}")  # as a full disk
        with pytest.raises(Unavailable, match="full"):
            await engine.run(skill, Order(text="x" * 100_000))
        await asyncio.wait_for(stopped.wait(), 20)
        db.execute("PRAGMA max_page_count=4294967294")
        assert await engine.list() == []


async def test_an_input_that_json_cannot_carry_is_refused(open_store):
    agent, skill = one_skill(tell_all)
    async with open_store(agent) as engine:
        with pytest.raises(InvalidInput):
            await engine.run(skill, Order.model_construct(text="\ud800"))
        assert await engine.list() == []
