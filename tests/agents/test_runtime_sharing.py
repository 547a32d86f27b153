"""Two engines on one store, as two processes have them: each hears of what the other does."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from pydantic import BaseModel
from sametask.agents import Agent, Question, TaskContext, TaskState
from sametask.agents.errors import InvalidInput, KeyReused, TaskFinished


class Order(BaseModel):
    count: int = 0


class Receipt(BaseModel):
    total: int = 0


class Approval(BaseModel):
    ok: bool


@pytest.fixture
async def pair(open_store):
    """Two engines that serve the same agent."""
    agent = Agent("worker", description="")
    runs: list[int] = []

    @agent.skill
    async def count(request: Order, task: TaskContext) -> Receipt:
        runs.append(request.count)
        for number in range(request.count):
            await task.progress(number)
            await asyncio.sleep(0.001)
        return Receipt(total=request.count)

    @agent.skill
    async def ask(request: Order, task: TaskContext) -> Receipt:
        approval = await task.ask(Question("go on?", Approval))
        return Receipt(total=int(approval.ok))

    async with AsyncExitStack() as stack:
        engines = [await stack.enter_async_context(open_store(agent)) for _ in range(2)]
        yield engines[0], engines[1], agent, runs


async def test_one_follows_what_the_other_runs(pair, follow):
    a, b, agent, _ = pair
    handle = await a.submit(agent.skills["count"], Order(count=30))
    there, here = await asyncio.gather(follow(b, handle.id), follow(a, handle.id))
    assert there == here
    assert [event.seq for event in there] == list(range(1, 34))
    assert (await b.get(handle.id)) == (await a.get(handle.id))


async def test_one_answers_and_cancels_what_the_other_runs(pair, follow):
    a, b, agent, _ = pair
    answered, canceled, both = [await a.submit(agent.skills["ask"], Order()) for _ in range(3)]
    for task in (answered, canceled):
        await follow(b, task.id, until=lambda event: event.state is TaskState.INPUT_REQUIRED)
    with pytest.raises(InvalidInput, match="ok: 3 is not accepted"):
        await b.answer(answered.id, "q1", {"ok": 3})
    assert (await b.answer(answered.id, "q1", {"ok": True})).state is TaskState.WORKING
    await a.answer(answered.id, "q1", {"ok": False})  # the first answer stands
    await follow(a, both.id, until=lambda event: event.state is TaskState.INPUT_REQUIRED)
    await asyncio.gather(*(a.answer(both.id, "q1", {"ok": ok}) for ok in (True, False, False)))
    assert [event.state for event in await follow(a, both.id)][2:] == ["input_required", "working", "completed"]
    assert (await b.get(both.id)).result in ({"total": 1}, {"total": 0})  # one of those that came at once
    events = await follow(a, answered.id)
    assert [event.state for event in events] == ["submitted", "working", "input_required", "working", "completed"]
    assert (await b.get(answered.id)).result == {"total": 1}

    assert (await b.cancel(canceled.id)).state is TaskState.CANCELED
    assert (await a.get(canceled.id)).state is TaskState.CANCELED
    with pytest.raises(TaskFinished):
        await b.answer(canceled.id, "q1", {"ok": True})


async def test_a_key_is_one_key_for_all(pair, follow):
    a, b, agent, runs = pair
    skill = agent.skills["count"]
    tasks = await asyncio.gather(*(engine.submit(skill, Order(count=2), key="k") for engine in (a, b) * 4))
    assert len({task.id for task in tasks}) == 1
    with pytest.raises(KeyReused):
        await b.submit(skill, Order(count=3), key="k")
    await follow(b, tasks[0].id)
    assert runs == [2]


async def test_each_task_is_run_by_one_of_them(pair, follow):
    a, b, agent, runs = pair
    handles = await asyncio.gather(
        *((a, b)[number % 2].submit(agent.skills["count"], Order(count=number)) for number in range(40))
    )
    for number, handle in enumerate(handles):
        events = await follow((b, a)[number % 2], handle.id)
        assert [event.seq for event in events] == list(range(1, number + 4))
    assert sorted(runs) == list(range(40))


async def test_when_one_leaves_the_other_carries_on(open_store, follow):
    agent = Agent("worker", description="")
    runs = 0
    there = asyncio.Event()

    @agent.skill
    async def work(request: Order, task: TaskContext) -> Receipt:
        nonlocal runs
        runs += 1
        await task.step("once", lambda: runs)
        if runs == 1:
            there.set()
            await asyncio.Event().wait()
        return Receipt(total=await task.step("twice", lambda: runs))

    async with open_store(agent) as b:
        async with open_store(agent) as a:
            handle = await a.submit(agent.skills["work"], Order())
            await asyncio.wait_for(there.wait(), 10)
            follower = asyncio.create_task(follow(b, handle.id))
        events = await follower
        assert [event.state for event in events] == ["submitted", "working", "completed"]
        assert (await b.get(handle.id)).result == {"total": 2}


@pytest.mark.parametrize("first", ["progress", "step", "ask", "return"])
async def test_a_runner_that_is_fenced_stops_without_a_word(open_store, follow, look, steal, first):
    """Another process took the task; here it is stood in for by what that writes: a new epoch."""
    agent = Agent("worker", description="")
    go, over = asyncio.Event(), asyncio.Event()
    runs = 0

    @agent.skill
    async def work(request: Order, task: TaskContext) -> Receipt:
        nonlocal runs
        runs += 1
        run = runs
        await go.wait()
        try:
            if first == "progress":
                await task.progress(run)
            if first in ("progress", "step"):
                await task.step("late", lambda: 1)
            if first == "ask" and run == 1:
                await task.ask(Question("go on?", Approval))
        except Exception:
            return Receipt(total=13)  # a skill that carries on over everything does not get past it
        finally:
            over.set()
        return Receipt(total=run)

    async with open_store(agent) as engine:
        handle = await engine.submit(agent.skills["work"], Order())
        await follow(engine, handle.id, until=lambda event: event.state is TaskState.WORKING)
        steal()
        go.set()
        await asyncio.wait_for(over.wait(), 10)
        assert look("SELECT COUNT(*) FROM steps") == [(0,)]
        # The stand-in holds no lock, so it is found dead, and the task is run once more.
        events = await follow(engine, handle.id)
        told = [2] if first == "progress" else []
        assert [event.state or event.body.done for event in events] == ["submitted", "working", *told, "completed"]
        assert (await engine.get(handle.id)).result == {"total": 2}


async def test_who_follows_slowly_misses_nothing_of_what_was_told_meanwhile(open_store, follow):
    """More than is kept in memory for one who does not read, and part of it by another process."""
    go = asyncio.Event()

    async def work(request: Order, task: TaskContext) -> Receipt:
        await go.wait()
        for number in range(request.count):
            await task.progress(number)
            if number == 5:
                await task.ask(Question("go on?", Approval))
        return Receipt(total=1)

    agent = Agent("worker", description="")
    agent.skill(work)
    async with open_store(agent) as engine, open_store(Agent("bystander", description="")) as other:
        handle = await engine.submit(agent.skills["work"], Order(count=900))
        slow = engine.events(handle.id)
        found = [await anext(slow)]
        go.set()
        await follow(engine, handle.id, until=lambda event: event.state is TaskState.INPUT_REQUIRED)
        await other.answer(handle.id, "q1", {"ok": True})
        fast = await follow(engine, handle.id)
        found += [event async for event in slow]
    assert found == fast
    assert [event.seq for event in found] == list(range(1, len(found) + 1))
    assert sum(1 for event in found if event.state is None) == 900
