"""What takes its time: steps that are tried again, deadlines, questions that nobody answers, keys that grow old."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from sametask.agents import Agent, Limits, Question, Rejected, Retry, TaskContext, TaskState
from sametask.agents.errors import InvalidInput, KeyReused, NotWaiting
from sametask.agents.events import Event, Progress, StateChanged
from sametask.agents.loading import load_roster

AT_ONCE = Retry(attempts=4, first_delay_s=0)


class Order(BaseModel):
    count: int = 0


def one_skill(function: Any, **options: Any) -> tuple[Agent, Any]:
    agent = Agent("worker", description="a test's worker")
    agent.skill(**options)(function)
    return agent, agent.skills[function.__name__]


def states(events: list[Event]) -> list[str]:
    return [event.state.value for event in events if event.state is not None]


def told(events: list[Event]) -> list[float]:
    return [event.body.done for event in events if isinstance(event.body, Progress)]


def asks(event: Event) -> bool:
    return event.state is TaskState.INPUT_REQUIRED


def failing(times: int, error: Callable[[int], Exception] = lambda n: OSError(f"try {n}")) -> tuple[Any, list[int]]:
    """A step that raises that often, and the numbers of its attempts."""
    attempts: list[int] = []

    async def step() -> int:
        attempts.append(len(attempts) + 1)
        if len(attempts) <= times:
            raise error(len(attempts))
        return len(attempts)

    return step, attempts


async def test_a_step_that_raises_is_tried_again_and_recorded_once(open_store, follow):
    step, attempts = failing(3)

    async def work(request: Order, task: TaskContext) -> Order:
        return Order(count=await task.step("flaky", step, retry=AT_ONCE))

    agent, skill = one_skill(work)
    async with open_store(agent) as engine:
        handle = await engine.submit(skill, Order())
        assert states(await follow(engine, handle.id)) == ["submitted", "working", "completed"]
        assert (await engine.get(handle.id)).result == {"count": 4}
    assert attempts == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("retry", "error", "tried", "code"),
    [
        (AT_ONCE, lambda n: OSError(f"try {n}"), 4, "skill_failed"),
        (None, lambda n: OSError(f"try {n}"), 1, "skill_failed"),
        (Retry(on=(ValueError,)), lambda n: OSError(f"try {n}"), 1, "skill_failed"),
        (AT_ONCE, lambda n: Rejected("never"), 1, "rejected"),
        (AT_ONCE, lambda n: InvalidInput("count", 1, "2"), 1, "invalid_input"),
    ],
    ids=["limit", "no retry", "another exception", "declined", "bad input"],
)
async def test_what_its_last_attempt_raised_is_raised(open_store, follow, retry, error, tried, code):
    step, attempts = failing(99, error)

    async def work(request: Order, task: TaskContext) -> Order:
        return await task.step("flaky", step, retry=retry)

    agent, skill = one_skill(work)
    async with open_store(agent) as engine:
        handle = await engine.submit(skill, Order())
        await follow(engine, handle.id)
        task = await engine.get(handle.id)
    assert task.error.code == code
    assert task.error.message == (f"OSError: try {tried}" if code == "skill_failed" else str(error(tried)))
    assert attempts == list(range(1, tried + 1))


async def test_attempts_of_an_earlier_run_count_and_what_they_told_is_not_told_again(open_store, follow):
    """The run is ended in the middle of its third attempt; the next one makes that attempt again, and one more is left."""
    third, attempts, nested = asyncio.Event(), [], []

    async def work(request: Order, task: TaskContext) -> Order:
        async def look() -> int:
            nested.append(len(attempts))
            return len(nested)

        async def step() -> None:
            attempts.append(len(attempts) + 1)
            await task.progress(len(attempts) if len(attempts) < 4 else 3)
            await task.step("look", look)
            await task.progress(10 * len(attempts))
            if len(attempts) == 3:
                third.set()
                await asyncio.Event().wait()
            raise OSError(f"try {len(attempts)}")

        await task.step("flaky", step, retry=AT_ONCE)
        return Order()

    agent, skill = one_skill(work)
    async with open_store(agent) as engine:
        handle = await engine.submit(skill, Order())
        await asyncio.wait_for(third.wait(), 20)
        await follow(engine, handle.id, until=lambda event: isinstance(event.body, Progress) and event.body.done == 30)
    assert attempts == [1, 2, 3]
    async with open_store(agent) as engine:
        events = await follow(engine, handle.id)
        assert (await engine.get(handle.id)).error.message == "OSError: try 5"
    assert attempts == [1, 2, 3, 4, 5]  # the third again, and the fourth
    assert nested == [1, 2, 3, 5]  # in an attempt that is made again, what it recorded stands
    assert told(events) == [1, 10, 2, 20, 3, 30, 3, 50]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


def test_delays_grow_to_their_limit():
    retry = Retry(attempts=9, first_delay_s=1, factor=3, longest_delay_s=20)
    assert [retry.delay_s(failed) for failed in (1, 2, 3, 4, 5000)] == [1, 3, 9, 20, 20]


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: Retry(attempts=0), "retry: attempts = 0 is not accepted; at least 1 is accepted"),
        (lambda: Retry(first_delay_s=-1), "retry: first_delay_s = -1 is not accepted"),
        (lambda: Retry(factor=float("nan")), "retry: factor = nan is not accepted"),
        (lambda: Limits(concurrency=0), "limits: concurrency = 0 is not accepted; at least 1 is accepted"),
        (lambda: Limits(starts=1, per_s=0), "limits: per_s = 0 is not accepted"),
    ],
)
def test_numbers_that_make_no_sense_are_refused_where_they_are_written(made, words):
    with pytest.raises(ValueError, match=words):
        made()


def test_time_limits_are_for_tasks():
    async def quick(request: Order) -> Order:
        return request

    async def long(request: Order, task: TaskContext) -> Order:
        return request

    with pytest.raises(TypeError, match=r"worker\.quick: deadline_s and limits are for tasks; accepted with long=True"):
        one_skill(quick, deadline_s=1)
    with pytest.raises(ValueError, match="deadline_s = 0 is not accepted; above 0 is accepted"):
        one_skill(long, deadline_s=0)
    assert one_skill(quick, long=True, deadline_s=1)[1].deadline_s == 1


@pytest.mark.parametrize("where", ["in its body", "in a step", "at a question", "will not stop", "returns all the same"])
async def test_a_task_that_is_not_done_by_its_deadline_has_failed(open_store, follow, where):
    stopped = asyncio.Event()

    async def work(request: Order, task: TaskContext) -> Order:
        try:
            if where == "in a step":
                await task.step("hang", asyncio.Event().wait)
            elif where == "at a question":
                await task.ask(Question("well?", Order))
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if where == "will not stop":
                await asyncio.shield(asyncio.ensure_future(_stubborn(stopped)))
            if where != "returns all the same":
                raise
        return Order()

    agent, skill = one_skill(work, deadline_s=0.05)
    async with open_store(agent, cancel_grace_s=0.05) as engine:
        handle = await engine.submit(skill, Order())
        events = await follow(engine, handle.id)
        task = await engine.get(handle.id)
        stopped.set()
    assert task.state is TaskState.FAILED
    assert (task.error.code, task.error.message) == ("deadline_exceeded", "worker.work was not done within its 0.05 s")
    assert states(events)[-1] == "failed"


async def _stubborn(stopped: asyncio.Event) -> None:
    await stopped.wait()


async def test_a_deadline_goes_on_while_nobody_runs_the_task_and_a_done_one_has_none(open_store, follow):
    runs, began = itertools.count(1), asyncio.Event()

    async def work(request: Order, task: TaskContext) -> Order:
        next(runs)
        began.set()
        if request.count:
            await asyncio.Event().wait()
        return Order()

    agent, skill = one_skill(work, deadline_s=2)
    other = Agent("bystander", description="serves nothing of the task's")
    async with open_store(agent) as engine:
        done = await engine.submit(skill, Order())
        assert (await follow(engine, done.id))[-1].state is TaskState.COMPLETED
        began.clear()
        handle = await engine.submit(skill, Order(count=1))
        await asyncio.wait_for(began.wait(), 20)
    async with open_store(other) as engine:
        assert (await engine.get(handle.id)).state is TaskState.WORKING
    with pytest.MonkeyPatch.context() as clock:
        later = time.time() + 3  # the deadline has passed
        clock.setattr(time, "time", lambda: later)
        async with open_store(agent) as engine:
            assert (await follow(engine, handle.id))[-1].state is TaskState.FAILED
            assert (await engine.get(handle.id)).error.code == "deadline_exceeded"
            assert (await engine.get(done.id)).state is TaskState.COMPLETED
    assert next(runs) == 3  # it was not begun again only to be stopped


async def test_a_cancel_before_the_deadline_is_a_cancel(open_store, follow):
    async def work(request: Order, task: TaskContext) -> Order:
        await asyncio.Event().wait()
        return Order()

    agent, skill = one_skill(work, deadline_s=3600)
    async with open_store(agent) as engine:
        handle = await engine.submit(skill, Order())
        assert (await engine.cancel(handle.id)).state is TaskState.CANCELED
        assert (await follow(engine, handle.id))[-1].state is TaskState.CANCELED


async def test_a_question_that_nobody_answers_in_time_is_closed_and_the_skill_is_told(open_store, follow):
    async def work(request: Order, task: TaskContext) -> Order:
        with pytest.raises(TimeoutError, match=r"no answer within 0\.02 s to: well\?"):
            await task.ask(Question("well?", Order), timeout_s=0.02)
        return await task.ask(Question("and now?", Order), timeout_s=3600)

    agent, skill = one_skill(work)
    async with open_store(agent) as engine:
        handle = await engine.submit(skill, Order())
        second = lambda event: isinstance(event.body, StateChanged) and (q := event.body.question) and q.request_id == "q2"  # noqa: E731
        events = await follow(engine, handle.id, until=second)
        assert states(events) == ["submitted", "working", "input_required", "working", "input_required"]
        with pytest.raises(NotWaiting, match="did not ask 'q1'; accepted: the open question 'q2'"):
            await engine.answer(handle.id, "q1", {"count": 1})
        assert [question.request_id for question in await engine.questions(handle.id)] == ["q2"]
        await engine.answer(handle.id, "q2", {"count": 2})
        events += await follow(engine, handle.id, after=events[-1].seq)
        assert (await engine.get(handle.id)).result == {"count": 2}
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


async def test_a_question_that_nobody_answered_stays_closed_in_a_later_run(open_store, follow):
    after = asyncio.Event()

    async def work(request: Order, task: TaskContext) -> Order:
        with pytest.raises(TimeoutError):
            await task.ask(Question("well?", Order), timeout_s=0.02)
        after.set()
        return await task.ask(Question("and now?", Order))

    agent, skill = one_skill(work)
    async with open_store(agent) as engine:
        handle = await engine.submit(skill, Order())
        await asyncio.wait_for(after.wait(), 20)
    after.clear()
    async with open_store(agent) as engine:
        await asyncio.wait_for(after.wait(), 20)
        await follow(engine, handle.id, until=lambda event: asks(event) and event.body.question.request_id == "q2")
        await engine.answer(handle.id, "q2", {"count": 2})
        events = await follow(engine, handle.id)
    assert states(events) == ["submitted", "working", "input_required", "working", "input_required", "working", "completed"]


async def test_of_two_questions_one_may_expire_before_the_other(open_store, follow):
    async def work(request: Order, task: TaskContext) -> Order:
        async def first() -> int:
            try:
                return (await task.ask(Question("first?", Order), timeout_s=0.05)).count
            except TimeoutError:
                return -1

        async def second() -> int:
            return (await task.ask(Question("second?", Order))).count

        return Order(count=sum(await asyncio.gather(first(), second())))

    agent, skill = one_skill(work)
    async with open_store(agent) as engine:
        handle = await engine.submit(skill, Order())
        events = await follow(engine, handle.id, until=lambda e: asks(e) and e.body.question.text == "second?")
        assert [question.text for question in await engine.questions(handle.id)] == ["second?"]
        await engine.answer(handle.id, "q2", {"count": 5})
        events += await follow(engine, handle.id, after=events[-1].seq)
    questions = [event.body.question.text for event in events if asks(event)]
    assert questions == ["first?", "second?"]
    assert events[-1].body.result == {"count": 4}


async def test_a_key_names_its_task_while_that_runs_and_for_its_lifetime(open_store, follow):
    go = asyncio.Event()

    async def work(request: Order, task: TaskContext) -> Order:
        await go.wait()
        return request

    agent, skill = one_skill(work)
    async with open_store(agent, key_lifetime_s=0) as engine:
        first = await engine.submit(skill, Order(), key="k")
        assert (await engine.submit(skill, Order(), key="k")).id == first.id  # it runs still
        with pytest.raises(KeyReused):
            await engine.submit(skill, Order(count=1), key="k")
        go.set()
        await follow(engine, first.id)
        second = await engine.submit(skill, Order(count=1), key="k")
        assert second.id != first.id
        await follow(engine, second.id)
        assert (await engine.get(first.id)).result == {"count": 0}
    async with open_store(agent, key_lifetime_s=3600) as engine:
        assert (await engine.submit(skill, Order(count=1), key="k")).id == second.id


async def test_a_clock_that_jumps_takes_nobodys_tasks_away(open_store, follow):
    runs, go = itertools.count(1), asyncio.Event()

    async def work(request: Order, task: TaskContext) -> Order:
        await task.progress(next(runs))
        await go.wait()
        return Order()

    agent, skill = one_skill(work)
    real = time.time
    async with open_store(agent) as one:
        handle = await one.submit(skill, Order())
        await follow(one, handle.id, until=lambda event: isinstance(event.body, Progress))
        for jump in (86_400.0, -86_400.0):
            with pytest.MonkeyPatch.context() as clock:
                clock.setattr(time, "time", lambda jump=jump: real() + jump)
                async with open_store(agent) as other:
                    assert (await other.get(handle.id)).state is TaskState.WORKING
                    second = await other.submit(skill, Order())  # a write of each, seen by the other
                    await follow(one, second.id, until=lambda event: isinstance(event.body, Progress))
                    await other.cancel(second.id)
        go.set()
        events = await follow(one, handle.id)
    assert told(events) == [1]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert events[-1].state is TaskState.COMPLETED


async def test_the_example_of_the_guide_does_what_it_says(open_store, follow, tmp_path):
    text = (Path(__file__).parents[2] / "docs" / "durability.md").read_text()
    (tmp_path / "orders.py").write_text(text.split("```python\n")[1].split("```")[0])
    (agent,) = load_roster([str(tmp_path / "orders.py")]).values()
    skill = agent.skills["place"]
    assert skill.deadline_s == 3600
    async with open_store(agent) as engine:
        handle = await engine.submit(skill, skill.parse({"cents": 5}))
        await follow(engine, handle.id, until=asks)
        await engine.answer(handle.id, "q1", {"ok": True})
        await follow(engine, handle.id)
        assert (await engine.get(handle.id)).result == {"result": f"receipt for {handle.id}/charge"}
