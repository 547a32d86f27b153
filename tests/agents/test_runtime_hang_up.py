"""A caller, a store or an engine that goes away at a bad moment: no task is left that nobody runs, and no event is lost."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from typing import Any

import pytest
from pydantic import BaseModel, RootModel
from sametask.agents import Agent, Question, Roster, TaskContext, TaskState
from sametask.agents.errors import Unavailable
from sametask.agents.runtime.embedded import owners
from sametask.agents.runtime.embedded.engine import EngineSettings, SqliteEngine


class Order(BaseModel):
    count: int = 0


class Approval(BaseModel):
    ok: bool


def one_skill(function: Any) -> tuple[Agent, Any]:
    agent = Agent("worker", description="a test's worker")
    agent.skill(function)
    return agent, agent.skills[function.__name__]


class HeldWriter:
    """While the block is entered, what is written waits."""

    def __init__(self, engine: SqliteEngine) -> None:
        self._engine, self._go, self._reached = engine, threading.Event(), asyncio.Event()

    async def __aenter__(self) -> None:
        loop = asyncio.get_running_loop()

        def hold(db: sqlite3.Connection) -> None:
            loop.call_soon_threadsafe(self._reached.set)
            assert self._go.wait(20)

        self._engine._store.post(hold, lambda result, error: None, 0, 0)
        await self._reached.wait()

    async def __aexit__(self, *_: object) -> None:
        self._go.set()


@pytest.mark.embedded  # it holds up, or looks into, that engine's own writer
async def test_a_submit_whose_caller_hangs_up_leaves_a_task_that_runs(open_store, follow):
    async def work(request: Order, task: TaskContext) -> Order:
        return request

    agent, skill = one_skill(work)
    async with open_store(agent) as engine:
        async with HeldWriter(engine):
            submit = asyncio.create_task(engine.submit(skill, Order(), key="k"))
            await asyncio.sleep(0)
            submit.cancel()
        with pytest.raises(asyncio.CancelledError):
            await submit
        again = await engine.submit(skill, Order(), key="k")
        assert (await follow(engine, again.id))[-1].state is TaskState.COMPLETED


@pytest.mark.embedded  # it holds up, or looks into, that engine's own writer
async def test_a_run_whose_caller_hangs_up_while_it_is_stored_goes_on(open_store, follow):
    asking = asyncio.Event()

    async def work(request: Order, task: TaskContext) -> Order:
        asking.set()
        return Order(count=(await task.ask(Question("go on?", Approval))).ok)

    agent, skill = one_skill(work)
    async with open_store(agent) as engine:
        async with HeldWriter(engine):
            run = asyncio.create_task(engine.run(skill, Order()))
            await asyncio.wait_for(asking.wait(), 10)
            await asyncio.sleep(0)
            run.cancel()
            with pytest.raises(asyncio.CancelledError):
                await run
        await engine._store.write(lambda db: None)
        (task,) = await engine.list()
        await follow(engine, task.id, until=lambda event: event.state is TaskState.INPUT_REQUIRED)
        await engine.answer(task.id, "q1", {"ok": True})
        assert (await follow(engine, task.id))[-1].body.result == {"count": 1}


@pytest.mark.embedded  # it holds up, or looks into, that engine's own writer
async def test_a_cancel_whose_caller_hangs_up_stops_the_task(open_store, follow):
    there = asyncio.Event()

    async def work(request: Order, task: TaskContext) -> Order:
        there.set()
        return await asyncio.Event().wait()

    agent, skill = one_skill(work)
    async with open_store(agent) as engine:
        handle = await engine.submit(skill, Order())
        await asyncio.wait_for(there.wait(), 10)
        async with HeldWriter(engine):
            cancel = asyncio.create_task(engine.cancel(handle.id))
            await asyncio.sleep(0)
            cancel.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancel
        assert (await follow(engine, handle.id))[-1].state is TaskState.CANCELED


async def test_what_an_engine_had_when_it_was_drained_is_free_while_it_stays(open_store, follow):
    runs = 0
    there = asyncio.Event()

    async def work(request: Order, task: TaskContext) -> Order:
        nonlocal runs
        runs += 1
        if runs == 1:
            there.set()
            await asyncio.Event().wait()
        return Order(count=runs)

    agent, skill = one_skill(work)
    async with open_store(agent, poll_s=3600.0) as drained:
        handle = await drained.submit(skill, Order())
        await asyncio.wait_for(there.wait(), 10)
        await drained.drain()
        await drained._tick()
        async with open_store(agent) as other:
            assert (await follow(other, handle.id))[-1].body.result == {"count": 2}


async def test_a_task_of_an_engine_that_was_buried_is_not_buried_with_it(open_store, follow, store):
    """Its lease was taken while it hung; it goes on to take and to make tasks before it has noticed, and is then killed."""
    there = asyncio.Event()
    runs: list[int] = []

    async def work(request: Order, task: TaskContext) -> Order:
        runs.append(request.count)
        if len(runs) == 1:
            there.set()
            await asyncio.Event().wait()
        return request

    agent, skill = one_skill(work)
    async with open_store(agent, poll_s=3600.0) as hung:
        await hung._store.write(lambda db: owners.bury(db, hung._me))
        handle = await hung.submit(skill, Order(count=1))
        await asyncio.wait_for(there.wait(), 10)
        assert await hung._store.write(lambda db: owners.claim(db, hung._me, hung._served)) == []
        async with open_store(agent) as other:
            assert (await follow(other, handle.id))[-1].state is TaskState.COMPLETED


@pytest.mark.embedded  # it holds up, or looks into, that engine's own writer
async def test_what_was_queued_before_a_failure_was_told_fails_with_it(open_store):
    """Or an event would be stored without the one before it, and a step without what it told."""
    began, fail = threading.Event(), threading.Event()

    def failing(db: sqlite3.Connection) -> None:
        began.set()
        assert fail.wait(20)
        raise sqlite3.OperationalError("database or disk is full")

    def insert(n: int) -> Any:
        return lambda db: db.execute("INSERT INTO inputs VALUES(?, '')", (n,)) and n

    async with open_store() as engine:
        store = engine._store
        first = asyncio.ensure_future(store.write(failing))
        await asyncio.sleep(0)
        assert await asyncio.to_thread(began.wait, 10)
        behind = asyncio.ensure_future(store.write(insert(1)))
        await asyncio.sleep(0)
        fail.set()
        for write in (first, behind):
            with pytest.raises(Unavailable, match="disk is full"):
                await write
        assert await store.write(insert(2)) == 2
        assert store.reader.execute("SELECT task FROM inputs").fetchall() == [(2,)]


class Names(RootModel[list[str]]):
    def __len__(self) -> int:
        return len(self.root)


async def test_an_input_that_counts_as_false_is_an_input(open_store, follow):
    async def work(request: Names, task: TaskContext) -> Order:
        return Order(count=len(request))

    agent, skill = one_skill(work)
    async with open_store(agent) as engine:
        task = await engine.run(skill, Names([]))
        await follow(engine, task.id)
        assert (await engine.get(task.id)).result == {"count": 0}


async def test_a_follower_hears_of_the_end_of_a_task_whose_skill_here_will_not_stop(open_store, follow):
    there, release = asyncio.Event(), asyncio.Event()

    async def work(request: Order, task: TaskContext) -> Order:
        there.set()
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        return request

    agent, skill = one_skill(work)
    # The grace is so long that it is heard of here first, and that the skill is asked to stop.
    async with open_store(agent, poll_s=0.01) as here, open_store(agent, cancel_grace_s=0.5) as other:
        handle = await here.submit(skill, Order())
        await asyncio.wait_for(there.wait(), 10)
        follower = asyncio.create_task(follow(here, handle.id))
        try:
            assert (await other.cancel(handle.id)).state is TaskState.CANCELED
            assert (await follower)[-1].state is TaskState.CANCELED
        finally:
            release.set()


async def test_one_task_that_cannot_be_read_does_not_keep_the_others_from_running(store, open_store, follow):
    async def work(request: Order, task: TaskContext) -> Order:
        return request

    agent, skill = one_skill(work)
    other = Agent("bystander", description="")
    async with open_store(agent) as engine:
        handles = [await engine.submit(skill, Order(count=n)) for n in range(3)]
        await follow(engine, handles[2].id)
    with sqlite3.connect(store) as db:
        db.execute("UPDATE tasks SET open = 1, owner = NULL, state = 'working', last_seq = 2, state_seq = 2")
        db.execute("DELETE FROM events WHERE seq > 2")
        db.execute("INSERT INTO steps VALUES(1, CAST(x'ff' AS TEXT), '1')")
    db.close()
    async with SqliteEngine.open(str(store), Roster([agent, other]), EngineSettings()) as engine:
        for handle in handles[1:]:
            assert (await follow(engine, handle.id))[-1].state is TaskState.COMPLETED


@pytest.mark.embedded  # it holds up, or looks into, that engine's own writer
async def test_a_lost_lease_does_not_stop_what_was_submitted_after_it_was_taken_again(open_store, follow):
    async def work(request: Order, task: TaskContext) -> Order:
        return Order(count=(await task.ask(Question("go on?", Approval))).ok)

    agent, skill = one_skill(work)
    async with open_store(agent, poll_s=3600.0) as engine:
        await engine._store.write(lambda db: owners.bury(db, engine._me))
        engine._renew_at = 0.0
        async with HeldWriter(engine):
            tick = asyncio.create_task(engine._tick())
            await asyncio.sleep(0)
            submit = asyncio.create_task(engine.submit(skill, Order()))
            await asyncio.sleep(0)
        await tick
        handle = await submit
        await follow(engine, handle.id, until=lambda event: event.state is TaskState.INPUT_REQUIRED)
        await engine.answer(handle.id, "q1", {"ok": True})
        assert (await follow(engine, handle.id))[-1].body.result == {"count": 1}


@pytest.mark.embedded  # it holds up, or looks into, that engine's own writer
async def test_a_question_asked_in_parallel_ends_with_its_task(open_store, follow):
    """What the skill did beside it could not be written: nobody will cancel it, nor answer it here."""
    ended = asyncio.Event()
    runs = 0

    async def work(request: Order, task: TaskContext) -> Order:
        nonlocal runs
        runs += 1
        if runs > 1:
            return request

        async def ask() -> None:
            try:
                await task.ask(Question("go on?", Approval))
            finally:
                ended.set()

        asking = asyncio.create_task(ask())
        await task.step("blocked", blocked.wait)
        await asking
        return request

    blocked = asyncio.Event()
    agent, skill = one_skill(work)
    async with open_store(agent) as engine:
        handle = await engine.submit(skill, Order())
        await follow(engine, handle.id, until=lambda event: event.state is TaskState.INPUT_REQUIRED)
        await engine._store.write(lambda db: owners.set_free(db, engine._me))
        blocked.set()
        await asyncio.wait_for(ended.wait(), 10)


async def test_an_answer_reaches_a_skill_that_carries_on_over_its_cancel(open_store, follow):
    there = asyncio.Event()

    async def work(request: Order, task: TaskContext) -> Order:
        there.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await task.ask(Question("really?", Approval))
        return request

    agent, skill = one_skill(work)
    async with open_store(agent) as here, open_store(agent, cancel_grace_s=3600.0) as other:
        handle = await here.submit(skill, Order())
        await asyncio.wait_for(there.wait(), 10)
        cancel = asyncio.create_task(other.cancel(handle.id))
        await follow(other, handle.id, until=lambda event: event.state is TaskState.INPUT_REQUIRED)
        await other.answer(handle.id, "q1", {"ok": True})
        assert (await asyncio.wait_for(cancel, 20)).state is TaskState.CANCELED


@pytest.mark.embedded  # it holds up, or looks into, that engine's own writer
async def test_a_follower_is_told_of_a_question_that_was_stored_between_two_other_events(open_store, follow):
    ready, go, told = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work(request: Order, task: TaskContext) -> Order:
        await task.step("ready", lambda: None)
        ready.set()
        await go.wait()
        await task.progress(1)
        asking = asyncio.create_task(task.ask(Question("go on?", Approval)))
        await task.progress(2)
        told.set()
        return Order(count=(await asking).ok)

    agent, skill = one_skill(work)
    async with open_store(agent) as engine:
        handle = await engine.submit(skill, Order())
        await asyncio.wait_for(ready.wait(), 10)
        follower = asyncio.create_task(follow(engine, handle.id))
        await follow(engine, handle.id, until=lambda event: event.state is TaskState.WORKING)
        async with HeldWriter(engine):
            go.set()
            await asyncio.wait_for(told.wait(), 10)
        await follow(engine, handle.id, until=lambda event: event.state is TaskState.INPUT_REQUIRED)
        await engine.answer(handle.id, "q1", {"ok": True})
        assert [event.seq for event in await follower] == list(range(1, 8))
