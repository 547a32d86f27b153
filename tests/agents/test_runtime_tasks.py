"""One engine on one store: what a task tells, records, asks, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import threading
from typing import Any

import pytest
from pydantic import BaseModel, Field, field_validator
from sametask.agents import Agent, Artifact, DataPart, Origin, Question, Rejected, TaskContext, TaskEngine, TaskState, TextPart
from sametask.agents.contract import Roster
from sametask.agents.errors import (
    InvalidInput,
    KeyReused,
    NotWaiting,
    SametaskError,
    TaskFinished,
    TooLarge,
    Unavailable,
    UnknownSkill,
    UnknownTask,
)
from sametask.agents.events import ArtifactEmitted, Event, Progress, StateChanged
from sametask.agents.runtime import open_engine


class Order(BaseModel):
    count: int = 1
    text: str = ""


class Receipt(BaseModel):
    total: int = 0
    text: str = ""


class Approval(BaseModel):
    model_config = {"extra": "forbid"}
    ok: bool
    share: int = Field(default=1, ge=1, le=9)

    @field_validator("share")
    @classmethod
    def not_seven(cls, value: int) -> int:
        if value == 7:
            raise ValueError("seven is not accepted")
        return value


def one_skill(function: Any) -> tuple[Agent, Any]:
    agent = Agent("worker", description="a test's worker")
    agent.skill(function)
    return agent, agent.skills[function.__name__]


def told(events: list[Event]) -> list[Any]:
    """Each event in a word: its state, its progress, its artifact's name."""
    words = {
        StateChanged: lambda body: body.state.value,
        Progress: lambda body: body.done,
        ArtifactEmitted: lambda body: body.artifact.name,
    }
    return [words[type(event.body)](event.body) for event in events]


def asks(event: Event) -> bool:
    return event.state is TaskState.INPUT_REQUIRED


async def test_the_log_tells_everything_in_order_and_ends_with_the_result(open_store, follow):
    async def work(request: Order, task: TaskContext) -> Receipt:
        for done in range(request.count):
            await task.progress(done, request.count, "counting")
        await task.emit(Artifact(name="draft", parts=(TextPart(text="a"),), last=False))
        await task.emit(Artifact(name="table", parts=(DataPart(data={"rows": [1]}),)))
        await task.emit(Artifact(name="draft", parts=(TextPart(text="b"),), append=True))
        return Receipt(total=request.count)

    agent, skill = one_skill(work)
    async with open_store(agent) as engine:
        handle = await engine.submit(skill, Order(count=3))
        assert (handle.state, handle.last_seq, handle.agent, handle.skill) == ("submitted", 1, "worker", "work")
        events = await follow(engine, handle.id)
        assert told(events) == ["submitted", "working", 0, 1, 2, "draft", "table", "draft", "completed"]
        assert [event.seq for event in events] == list(range(1, 10))
        assert events[-1].final
        assert [e.seq for e in await follow(engine, handle.id, after=7)] == [8, 9]
        assert await follow(engine, handle.id, after=9) == []
        task = await engine.get(handle.id)
    assert task.result == {"total": 3, "text": ""}
    assert task.progress == Progress(done=2, total=3, text="counting")
    assert [(a.name, [p.text for p in a.parts if isinstance(p, TextPart)], a.last) for a in task.artifacts] == [
        ("draft", ["a", "b"], True),
        ("table", [], True),
    ]
    assert task.last_seq == 9
    assert task.updated_at >= task.created_at > 0


async def test_a_follower_sees_events_as_they_come(open_store, follow):
    go = asyncio.Event()

    async def work(request: Order, task: TaskContext) -> Receipt:
        await task.progress(1)
        await go.wait()
        return Receipt()

    agent, skill = one_skill(work)
    async with open_store(agent) as engine:
        handle = await engine.submit(skill, Order())
        before = await follow(engine, handle.id, until=lambda e: isinstance(e.body, Progress))
        assert (await engine.get(handle.id)).state is TaskState.WORKING
        followers = [asyncio.create_task(follow(engine, handle.id, after=before[-1].seq)) for _ in range(3)]
        await asyncio.sleep(0)
        go.set()
        assert [told(events) for events in await asyncio.gather(*followers)] == [["completed"]] * 3


@pytest.mark.parametrize(
    ("raised", "state", "code", "message"),
    [
        (Rejected("no such\n station"), "rejected", "rejected", "no such station"),
        (TooLarge("over the limit"), "failed", "too_large", "over the limit"),
        (ValueError("bad luck"), "failed", "skill_failed", "ValueError: bad luck"),
        (ExceptionGroup("parallel", [Rejected("one of them")]), "rejected", "rejected", "one of them"),
        (SystemExit(3), "failed", "skill_failed", "SystemExit: 3"),
        (asyncio.CancelledError("mine"), "failed", "skill_failed", "CancelledError: the skill cancelled itself"),
    ],
)
async def test_what_a_skill_raises_becomes_how_its_task_ends(open_store, follow, raised, state, code, message):
    async def work(request: Order, task: TaskContext) -> Receipt:
        await task.progress(1)
        raise raised

    agent, skill = one_skill(work)
    async with open_store(agent) as engine:
        handle = await engine.submit(skill, Order())
        events = await follow(engine, handle.id)
        task = await engine.get(handle.id)
    assert told(events) == ["submitted", "working", 1, state]
    assert task.error is not None
    assert (task.error.code, task.error.message) == (code, message)
    assert "Traceback" not in task.model_dump_json()


@pytest.mark.parametrize("returned", [None, {"total": "many"}])
async def test_an_output_that_is_not_of_the_model_fails_the_task(open_store, follow, returned):
    async def work(request: Order, task: TaskContext) -> Receipt:
        return returned

    agent, skill = one_skill(work)
    async with open_store(agent) as engine:
        handle = await engine.submit(skill, Order())
        assert told(await follow(engine, handle.id))[-1] == "failed"
        assert (await engine.get(handle.id)).error.code == "skill_failed"


async def test_a_progress_that_json_cannot_carry_fails_the_task_not_the_log(open_store, follow):
    async def work(request: Order, task: TaskContext) -> Receipt:
        await task.progress(float("nan"))
        return Receipt()

    agent, skill = one_skill(work)
    async with open_store(agent) as engine:
        handle = await engine.submit(skill, Order())
        assert told(await follow(engine, handle.id)) == ["submitted", "working", "failed"]


class Doubler:
    def method(self, value: int) -> int:
        return value * 2


async def _coroutine(value: int) -> Receipt:
    return Receipt(total=value)


def _plain(value: int) -> tuple[int, str]:
    return value, threading.current_thread().name


async def test_steps_take_any_kind_of_function_and_give_what_they_are_annotated_to_return(open_store, follow):
    seen: list[Any] = []

    async def work(request: Order, task: TaskContext) -> Receipt:
        seen.append(await task.step("coroutine", _coroutine, 1))
        seen.append(await task.step("partial", functools.partial(_coroutine, 2)))
        seen.append(await task.step("method", Doubler().method, 3))
        seen.append(await task.step("lambda", lambda: _coroutine(4)))
        seen.append(await task.step("unannotated", lambda: (1, None)))
        seen.append(await task.step("plain", _plain, 5))
        return Receipt()

    agent, skill = one_skill(work)
    async with open_store(agent) as engine:
        handle = await engine.submit(skill, Order())
        assert told(await follow(engine, handle.id))[-1] == "completed"
    assert seen[:5] == [Receipt(total=1), Receipt(total=2), 6, {"total": 4, "text": ""}, [1, None]]
    assert seen[5][0] == 5
    assert seen[5][1] != threading.current_thread().name  # a plain function may block: not on the loop


async def test_a_step_value_that_json_cannot_carry_fails_the_task_and_names_the_step(open_store, follow):
    async def work(request: Order, task: TaskContext) -> Receipt:
        await task.step("open socket", object)
        return Receipt()

    agent, skill = one_skill(work)
    async with open_store(agent) as engine:
        handle = await engine.submit(skill, Order())
        await follow(engine, handle.id)
        assert "step 'open socket'" in (await engine.get(handle.id)).error.message


async def test_steps_run_in_parallel_and_are_recorded_once_each(open_store, follow, look):
    together = asyncio.Barrier(3)

    async def part(name: str) -> str:
        await together.wait()  # passes only if all three run at the same time
        return name.upper()

    async def work(request: Order, task: TaskContext) -> Receipt:
        values = await asyncio.gather(*(task.step(name, part, name) for name in "abc"))
        return Receipt(text="".join(values))

    agent, skill = one_skill(work)
    async with open_store(agent) as engine:
        handle = await engine.submit(skill, Order())
        await follow(engine, handle.id)
        assert (await engine.get(handle.id)).result["text"] == "ABC"
    assert look("SELECT path, value FROM steps ORDER BY path") == [("/a#1", '"A"'), ("/b#1", '"B"'), ("/c#1", '"C"')]


async def test_a_rerun_repeats_neither_steps_nor_events_nor_questions(open_store, follow):
    """Interrupted in the middle by a shutdown; nested steps, repeated names and telling inside steps."""
    ran: list[str] = []
    blocked, runs = asyncio.Event(), 0

    async def work(request: Order, task: TaskContext) -> Receipt:
        nonlocal runs
        runs += 1

        async def leaf(name: str) -> str:
            ran.append(name)
            await task.progress(len(name), text=name)
            return name

        async def outer() -> str:
            await task.progress(100)
            first = await task.step("leaf", leaf, "in-1")
            return first + await task.step("leaf", leaf, "in-2")

        await task.progress(0)
        values = [await task.step("leaf", leaf, "one"), await task.step("outer", outer), await task.step("leaf", leaf, "two")]
        approval = await task.ask(Question("go on?", Approval))
        await task.emit(Artifact(name="half", parts=()))
        await task.step("leaf", leaf, "three")
        if runs == 1:
            blocked.set()
            await asyncio.Event().wait()
        values.append(await task.step("leaf", leaf, "four"))
        return Receipt(total=approval.share, text=" ".join(values))

    agent, skill = one_skill(work)
    async with open_store(agent) as engine:
        handle = await engine.submit(skill, Order())
        await follow(engine, handle.id, until=asks)
        await engine.answer(handle.id, "q1", {"ok": True, "share": 3})
        await asyncio.wait_for(blocked.wait(), 10)
    async with open_store(agent) as engine:
        events = await follow(engine, handle.id)
        task = await engine.get(handle.id)
    assert runs == 2
    assert ran == ["one", "in-1", "in-2", "two", "three", "four"]
    assert told(events) == [
        "submitted", "working", 0, 3, 100, 4, 4, 3, "input_required", "working", "half", 5, 4, "completed",
    ]  # fmt: skip
    assert [event.seq for event in events] == list(range(1, 15))
    assert task.result == {"total": 3, "text": "one in-1in-2 two four"}


async def test_what_a_skill_tells_while_a_shutdown_tears_it_down_is_not_stored(open_store, follow):
    runs, blocked = 0, asyncio.Event()

    async def work(request: Order, task: TaskContext) -> Receipt:
        nonlocal runs
        runs += 1
        try:
            if runs == 1:
                blocked.set()
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            await task.progress(99)
            raise
        await task.progress(1)
        return Receipt()

    agent, skill = one_skill(work)
    async with open_store(agent) as engine:
        handle = await engine.submit(skill, Order())
        await asyncio.wait_for(blocked.wait(), 10)
    async with open_store(agent) as engine:
        assert told(await follow(engine, handle.id)) == ["submitted", "working", 1, "completed"]


async def test_a_task_waits_for_its_answer_and_is_given_it(open_store, follow):
    async def work(request: Order, task: TaskContext) -> Receipt:
        first = await task.ask(Question("first?", Approval))
        second = await task.ask(Question("second?", Approval))
        return Receipt(total=first.share * 10 + second.share)

    agent, skill = one_skill(work)
    async with open_store(agent) as engine:
        handle = await engine.submit(skill, Order())
        waiting = await follow(engine, handle.id, until=asks)
        task = await engine.get(handle.id)
        assert task.state is TaskState.INPUT_REQUIRED
        assert (task.question.request_id, task.question.text) == ("q1", "first?")
        assert set(task.question.answer_schema["properties"]) == {"ok", "share"}

        with pytest.raises(NotWaiting, match="did not ask 'q2'; accepted: the open question 'q1'"):
            await engine.answer(handle.id, "q2", {"ok": True})
        assert (await engine.answer(handle.id, "q1", {"ok": True, "share": 4})).question is None
        await engine.answer(handle.id, "q1", {"ok": False, "share": 5})  # the first answer stands
        await engine.answer(handle.id, "q1", "not even an answer")
        await follow(engine, handle.id, after=waiting[-1].seq, until=asks)
        await engine.answer(handle.id, "q2", Approval(ok=True, share=2))
        assert told(await follow(engine, handle.id)) == [
            "submitted", "working", "input_required", "working", "input_required", "working", "completed",
        ]  # fmt: skip
        assert (await engine.get(handle.id)).result["total"] == 42
        await engine.answer(handle.id, "q2", {"ok": True})
        with pytest.raises(NotWaiting, match="no question is open"):
            await engine.answer(handle.id, "q3", {"ok": True})


async def until_asked(engine: TaskEngine, task_id: str, count: int) -> None:
    """Until so many questions are open; no event tells of those behind the first."""
    while len(await engine.questions(task_id)) < count:  # noqa: ASYNC110
        await asyncio.sleep(0)


@pytest.mark.parametrize("order", list(itertools.permutations(["q1", "q2", "q3"])), ids="-".join)
async def test_questions_asked_in_parallel_are_told_one_by_one_and_answered_in_any_order(open_store, follow, order):
    async def work(request: Order, task: TaskContext) -> Receipt:
        answers = await asyncio.gather(*(task.ask(Question(f"number {n}?", Approval)) for n in (1, 2, 3)))
        return Receipt(total=sum(answer.share * 10**n for n, answer in enumerate(answers)))

    agent, skill = one_skill(work)
    async with open_store(agent) as engine:
        handle = await engine.submit(skill, Order())
        await until_asked(engine, handle.id, 3)
        open_ones = ["q1", "q2", "q3"]
        for request_id in order:
            asked = await engine.questions(handle.id)
            assert [question.request_id for question in asked] == open_ones
            assert [question.text for question in asked] == [f"number {each[1]}?" for each in open_ones]
            task = await engine.get(handle.id)
            assert (task.state, task.question) == (TaskState.INPUT_REQUIRED, asked[0])
            await engine.answer(handle.id, request_id, {"ok": True, "share": int(request_id[1])})
            open_ones.remove(request_id)
        log = await follow(engine, handle.id)
        assert await engine.questions(handle.id) == ()
        assert (await engine.get(handle.id)).result["total"] == 321
    told_questions = [event.body.question.request_id for event in log if asks(event)]
    first_open = [min({"q1", "q2", "q3"} - set(order[:n])) for n in range(3)]
    assert told_questions == list(dict.fromkeys(first_open)), "each once, when it is the first that is open"
    assert told(log)[-2:] == ["working", "completed"]


async def test_questions_that_were_open_when_the_process_ended_are_open_in_the_next_and_asked_once(open_store, follow):
    async def work(request: Order, task: TaskContext) -> Receipt:
        one, two = await asyncio.gather(*(task.ask(Question(f"number {n}?", Approval)) for n in (1, 2)))
        return Receipt(total=one.share * 10 + two.share)

    agent, skill = one_skill(work)
    async with open_store(agent) as engine:
        handle = await engine.submit(skill, Order())
        await until_asked(engine, handle.id, 2)
        await engine.answer(handle.id, "q2", {"ok": True, "share": 2})
    async with open_store(agent) as engine:
        assert [question.request_id for question in await engine.questions(handle.id)] == ["q1"]
        await engine.answer(handle.id, "q1", {"ok": True, "share": 4})
        log = await follow(engine, handle.id)
    assert told(log) == ["submitted", "working", "input_required", "working", "completed"]
    assert log[-1].body.result["total"] == 42


async def test_a_cancel_ends_all_that_is_asked(open_store, follow):
    async def work(request: Order, task: TaskContext) -> Receipt:
        await asyncio.gather(*(task.ask(Question(f"number {n}?", Approval)) for n in (1, 2)))
        return Receipt()

    agent, skill = one_skill(work)
    async with open_store(agent) as engine:
        handle = await engine.submit(skill, Order())
        await until_asked(engine, handle.id, 2)
        assert (await engine.cancel(handle.id)).state is TaskState.CANCELED
        assert await engine.questions(handle.id) == ()
        for request_id in ("q1", "q2"):
            with pytest.raises(TaskFinished):
                await engine.answer(handle.id, request_id, {"ok": True})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"ok": "perhaps"}, "ok: 'perhaps' is not accepted; a value of type boolean is accepted"),
        ({}, "ok: None is not accepted; field required"),
        ({"ok": True, "share": 12}, "share: 12 is not accepted; a number of at most 9 is accepted"),
        ({"ok": True, "share": 7}, "share: 7 is not accepted; value error, seven is not accepted"),
        ({"ok": True, "spare": 1}, "spare: 1 is not accepted; accepted fields: ok, share"),
        ("yes", "answer: 'yes' is not accepted; a value of type object is accepted"),
        (object, "answer: <class 'object'> is not accepted; a JSON object is accepted"),
    ],
)
async def test_an_answer_that_does_not_fit_is_refused_and_the_question_stays_open(open_store, follow, value, message):
    async def work(request: Order, task: TaskContext) -> Receipt:
        return Receipt(total=(await task.ask(Question("go on?", Approval))).share)

    agent, skill = one_skill(work)
    async with open_store(agent) as engine:
        handle = await engine.submit(skill, Order())
        await follow(engine, handle.id, until=asks)
        with pytest.raises(InvalidInput) as refused:
            await engine.answer(handle.id, "q1", value)
        assert refused.value.message == message
        assert (await engine.get(handle.id)).question.request_id == "q1"
        await engine.answer(handle.id, "q1", {"ok": True})
        assert told(await follow(engine, handle.id))[-1] == "completed"


@pytest.mark.parametrize("where", ["body", "step", "thread", "asking", "at once"])
async def test_cancel_stops_the_task_wherever_it_is(open_store, follow, where):
    there, release = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    async def forever() -> int:
        there.set()
        return await loop.create_future()

    def block() -> bool:
        loop.call_soon_threadsafe(there.set)
        return release.wait(30)

    async def work(request: Order, task: TaskContext) -> Receipt:
        try:
            if where == "body":
                await forever()
            elif where == "step":
                await task.step("forever", forever)
            elif where == "thread":
                await task.step("block", block)
            else:
                there.set()
                await task.ask(Question("go on?", Approval))
        finally:
            await task.progress(1, text="cleaned up")
        return Receipt()

    agent, skill = one_skill(work)
    async with open_store(agent) as engine:
        handle = await engine.submit(skill, Order())
        if where != "at once":
            await asyncio.wait_for(there.wait(), 10)
        if where == "asking":
            await follow(engine, handle.id, until=asks)
        canceled = await engine.cancel(handle.id)
        release.set()
        assert canceled.state is TaskState.CANCELED
        events = await follow(engine, handle.id)
        assert told(events)[-1] == "canceled"
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        if where != "at once":
            assert told(events)[-2] == 1  # its clean-up is part of the log, before the end
        assert (await engine.cancel(handle.id)).last_seq == canceled.last_seq
        if where == "asking":
            with pytest.raises(TaskFinished):
                await engine.answer(handle.id, "q1", {"ok": True})


async def test_a_skill_that_will_not_stop_is_canceled_without_it_and_writes_nothing_more(open_store, follow):
    there, release, over = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work(request: Order, task: TaskContext) -> Receipt:
        there.set()
        while not release.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await release.wait()
        try:
            await task.progress(1)
        finally:
            over.set()
        return Receipt()

    agent, skill = one_skill(work)
    async with open_store(agent, cancel_grace_s=0.05) as engine:
        handle = await engine.submit(skill, Order())
        await asyncio.wait_for(there.wait(), 10)
        assert (await engine.cancel(handle.id)).state is TaskState.CANCELED
        release.set()
        await asyncio.wait_for(over.wait(), 10)
        assert told(await follow(engine, handle.id)) == ["submitted", "working", "canceled"]


async def test_a_canceled_task_is_canceled_even_if_its_skill_returns(open_store, follow):
    there = asyncio.Event()

    async def work(request: Order, task: TaskContext) -> Receipt:
        there.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return Receipt(total=1)
        return Receipt()

    agent, skill = one_skill(work)
    async with open_store(agent) as engine:
        handle = await engine.submit(skill, Order())
        await asyncio.wait_for(there.wait(), 10)
        task = await engine.cancel(handle.id)
    assert (task.state, task.result) == (TaskState.CANCELED, None)


async def test_a_stubborn_skill_is_canceled_without_it_even_if_the_caller_did_not_wait_for_that(open_store, follow):
    there, interrupted, over = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work(request: Order, task: TaskContext) -> Receipt:
        there.set()
        while not over.is_set():
            try:
                await over.wait()
            except asyncio.CancelledError:
                interrupted.set()
        return Receipt()

    agent, skill = one_skill(work)
    async with open_store(agent, cancel_grace_s=0.2) as engine:
        handle = await engine.submit(skill, Order())
        await asyncio.wait_for(there.wait(), 20)
        cancel = asyncio.create_task(engine.cancel(handle.id))
        await asyncio.wait_for(interrupted.wait(), 20)
        cancel.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await cancel
        assert (await follow(engine, handle.id))[-1].state is TaskState.CANCELED
        over.set()


@pytest.mark.parametrize("where", ["body", "step"])
async def test_a_skill_that_cancels_itself_has_failed(open_store, follow, where):
    async def cancel_itself() -> None:
        current = asyncio.current_task()
        assert current is not None
        current.cancel()
        await asyncio.sleep(0)

    async def work(request: Order, task: TaskContext) -> Receipt:
        await (task.step("cancel", cancel_itself) if where == "step" else cancel_itself())
        return Receipt()

    agent, skill = one_skill(work)
    async with open_store(agent) as engine:
        handle = await engine.submit(skill, Order())
        assert (await follow(engine, handle.id))[-1].state is TaskState.FAILED
        assert (await engine.get(handle.id)).error.message == "CancelledError: the skill cancelled itself"


async def test_cancel_of_an_ended_task_says_how_it_ended(open_store, follow):
    async def work(request: Order, task: TaskContext) -> Receipt:
        return Receipt()

    agent, skill = one_skill(work)
    async with open_store(agent) as engine:
        handle = await engine.submit(skill, Order())
        await follow(engine, handle.id)
        with pytest.raises(TaskFinished, match="already completed"):
            await engine.cancel(handle.id)


async def test_a_key_names_one_task_also_after_a_restart(open_store, follow):
    runs: list[int] = []

    async def work(request: Order, task: TaskContext) -> Receipt:
        runs.append(request.count)
        return Receipt()

    async def other(request: Order, task: TaskContext) -> Receipt:
        return Receipt()

    agent = Agent("worker", description="")
    agent.skill(work)
    agent.skill(other)
    async with open_store(agent) as engine:
        tasks = await asyncio.gather(*(engine.submit(agent.skills["work"], Order(count=7), key="k") for _ in range(5)))
        assert len({task.id for task in tasks}) == 1
        await follow(engine, tasks[0].id)
    async with open_store(agent) as engine:
        again = await engine.submit(agent.skills["work"], Order(count=7), key="k")
        assert (again.id, again.state) == (tasks[0].id, TaskState.COMPLETED)
        for skill, request in (("work", Order(count=8)), ("other", Order(count=7))):
            with pytest.raises(KeyReused, match="'k' was already used"):
                await engine.submit(agent.skills[skill], request, key="k")
        with pytest.raises(InvalidInput, match="key: ''"):
            await engine.submit(agent.skills["work"], Order(), key="")
        assert len(await engine.list()) == 1
    assert runs == [7]


async def test_a_task_whose_caller_went_away_before_it_had_a_name_is_run(open_store, follow):
    async def work(order: Order, task: TaskContext) -> Receipt:
        return Receipt(total=order.count)

    agent, skill = one_skill(work)
    async with open_store(agent) as engine:
        leaving = asyncio.create_task(engine.submit(skill, Order(), key="k"))
        await asyncio.sleep(0)  # it has asked for its row
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        found = await engine.submit(skill, Order(), key="k")
        assert (await follow(engine, found.id))[-1].state is TaskState.COMPLETED


async def test_leaving_the_block_is_not_a_cancel(open_store, follow):
    runs = 0
    there = asyncio.Event()

    async def work(request: Order, task: TaskContext) -> Receipt:
        nonlocal runs
        runs += 1
        await task.progress(1)
        if runs == 1:
            there.set()
            await asyncio.Event().wait()
        return Receipt(total=runs)

    agent, skill = one_skill(work)
    async with open_store(agent) as engine:
        handle = await engine.submit(skill, Order())
        await asyncio.wait_for(there.wait(), 10)
        follower = asyncio.create_task(follow(engine, handle.id))
        await follow(engine, handle.id, until=lambda e: isinstance(e.body, Progress))
        await engine.drain()
        with pytest.raises(Unavailable):
            await follower
        with pytest.raises(Unavailable):
            await engine.submit(skill, Order())
        assert (await engine.get(handle.id)).state is TaskState.WORKING
    with pytest.raises(Unavailable):
        await engine.get(handle.id)
    async with open_store(agent) as engine:
        assert told(await follow(engine, handle.id)) == ["submitted", "working", 1, "completed"]
        assert (await engine.get(handle.id)).result["total"] == 2


async def test_a_task_of_an_agent_that_is_not_served_is_left_alone(open_store, follow):
    there = asyncio.Event()

    async def work(request: Order, task: TaskContext) -> Receipt:
        there.set()
        await asyncio.sleep(0 if request.text == "done" else 60)
        return Receipt()

    async def rest(request: Order, task: TaskContext) -> Receipt:
        return Receipt()

    agent, skill = one_skill(work)
    other, other_skill = one_skill(rest)
    async with open_store(agent) as engine:
        handle, to_cancel = await engine.submit(skill, Order()), await engine.submit(skill, Order())
        await follow(engine, handle.id, until=lambda event: event.state is TaskState.WORKING)
    async with open_store(other) as engine:
        with pytest.raises(UnknownSkill):
            await engine.submit(skill, Order())
        await follow(engine, (await engine.submit(other_skill, Order())).id)
        assert (await engine.get(handle.id)).state is TaskState.WORKING
        assert (await engine.cancel(to_cancel.id)).state is TaskState.CANCELED  # nobody runs it, so nobody has to stop
    there.clear()
    async with open_store(agent) as engine:
        await asyncio.wait_for(there.wait(), 10)
        assert (await engine.cancel(handle.id)).state is TaskState.CANCELED


async def test_an_input_that_no_longer_fits_fails_the_task_with_the_reason(open_store, follow):
    class Stricter(BaseModel):
        count: int = Field(ge=5)
        text: str

    there = asyncio.Event()

    async def before(request: Order, task: TaskContext) -> Receipt:
        there.set()
        return await asyncio.Event().wait()

    async def after(request: Order, task: TaskContext) -> Receipt:
        return Receipt()

    after.__annotations__["request"] = Stricter
    after.__name__ = "before"
    agent, skill = one_skill(before)
    changed, _ = one_skill(after)
    async with open_store(agent) as engine:
        handle = await engine.submit(skill, Order(count=1))
        await asyncio.wait_for(there.wait(), 10)
    async with open_store(changed) as engine:
        assert told(await follow(engine, handle.id))[-1] == "failed"
        error = (await engine.get(handle.id)).error
        assert error.code == "invalid_input"
        assert error.message.startswith("count: 1 is not accepted")


async def test_list_gives_the_newest_first_page_by_page(open_store, follow):
    async def work(request: Order, task: TaskContext) -> Receipt:
        await task.emit(Artifact(name="a", parts=()))
        return Receipt(total=request.count)

    agent, skill = one_skill(work)
    async with open_store(agent) as engine:
        ids = [(await engine.submit(skill, Order(count=n))).id for n in range(5)]
        for task_id in ids:
            await follow(engine, task_id)
        first = await engine.list(limit=3)
        rest = await engine.list(limit=3, before=first[-1].id)
        assert [task.id for task in first + rest] == ids[::-1]
        assert all(task.artifacts == () for task in first)
        assert [task.result["total"] for task in first] == [4, 3, 2]
        for limit in (0, 1001):
            with pytest.raises(InvalidInput, match="1 to 1000"):
                await engine.list(limit=limit)


async def test_unknown_tasks_and_bad_positions_are_named(open_store):
    async def work(request: Order, task: TaskContext) -> Receipt:
        return Receipt()

    agent, skill = one_skill(work)
    async with open_store(agent) as engine:
        for call in (engine.get("nope"), engine.cancel("nope"), engine.answer("nope", "q1", {}), engine.list(before="nope")):
            with pytest.raises(UnknownTask, match="'nope' is not known"):
                await call
        with pytest.raises(UnknownTask):
            await anext(engine.events("nope"))
        handle = await engine.submit(skill, Order())
        with pytest.raises(InvalidInput, match="after: -1"):
            await anext(engine.events(handle.id, -1))


async def test_an_input_that_json_cannot_carry_is_refused_before_a_task_exists(open_store):
    async def work(request: Order, task: TaskContext) -> Receipt:
        return Receipt()

    agent, skill = one_skill(work)
    async with open_store(agent) as engine:
        with pytest.raises(InvalidInput, match="input: "):
            await engine.submit(skill, Order(text="\ud800"))
        assert await engine.list() == []


async def test_a_large_input_and_many_events_go_through(open_store, follow):
    async def work(request: Order, task: TaskContext) -> Receipt:
        for done in range(3000):
            await task.progress(done)
        for number in range(5):
            await task.emit(Artifact(name="big", parts=(TextPart(text=str(number) * 1_000_000),), append=True))
        return Receipt(total=len(request.text))

    agent, skill = one_skill(work)
    async with open_store(agent) as engine:
        handle = await engine.submit(skill, Order(text="x" * 3_000_000))
        events = await follow(engine, handle.id)
        task = await engine.get(handle.id)
    assert [event.seq for event in events] == list(range(1, 3009))
    assert [event.body.done for event in events[2:3002]] == list(range(3000))
    assert task.result["total"] == 3_000_000
    assert "".join(part.text[0] for part in task.artifacts[0].parts) == "01234"


async def test_the_origin_is_given_also_to_a_later_run(open_store, follow):
    seen: list[Origin] = []
    there = asyncio.Event()

    async def work(request: Order, task: TaskContext) -> Receipt:
        seen.append(task.origin)
        there.set()
        if len(seen) == 1:
            await asyncio.Event().wait()
        return Receipt(text=task.id)

    agent, skill = one_skill(work)
    origin = Origin(variant="rest", caller="me", message_id="m1", metadata={"trace": [1, "a"]})
    async with open_store(agent) as engine:
        handle = await engine.submit(skill, Order(), origin=origin)
        await asyncio.wait_for(there.wait(), 10)
    async with open_store(agent) as engine:
        await follow(engine, handle.id)
        assert (await engine.get(handle.id)).result["text"] == handle.id
    assert seen == [origin, origin]


async def test_a_skill_may_submit_another_task_from_within_a_step(open_store, follow, look):
    """The inner task starts in its own body, not in the step that it was submitted from."""
    engines: list[Any] = []

    async def inner(request: Order, task: TaskContext) -> Receipt:
        await task.step("s", lambda: 1)
        return Receipt(text=task.id)

    async def outer(request: Order, task: TaskContext) -> Receipt:
        async def submit() -> str:
            return (await engines[0].submit(agent.skills["inner"], Order(), key=f"{task.id}-inner")).id

        return Receipt(text=await task.step("submit", submit))

    agent = Agent("worker", description="")
    agent.skill(inner)
    agent.skill(outer)
    async with open_store(agent) as engine:
        engines.append(engine)
        handle = await engine.submit(agent.skills["outer"], Order())
        await follow(engine, handle.id)
        inner_id = (await engine.get(handle.id)).result["text"]
        await follow(engine, inner_id)
    assert look(f"SELECT path FROM steps JOIN tasks ON n = task WHERE id = '{inner_id}'") == [("/s#1",)]


async def test_memory_engine_needs_no_path_and_leaves_nothing(tmp_path, monkeypatch, follow):
    async def work(request: Order, task: TaskContext) -> Receipt:
        return Receipt(total=await task.step("s", lambda: 5))

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    agent, skill = one_skill(work)
    async with open_engine("sqlite:///:memory:", Roster([agent])) as engine:
        handle = await engine.submit(skill, Order())
        assert told(await follow(engine, handle.id)) == ["submitted", "working", "completed"]
    assert list(tmp_path.iterdir()) == []


def test_an_engine_that_is_not_known_is_refused():
    with pytest.raises(SametaskError, match=r"accepted: sqlite:///PATH, .* or postgresql://"):
        open_engine("mysql://localhost", Roster([]))


@pytest.mark.parametrize(
    ("address", "accepted"),
    [
        ("sqlite:///x.db?key_lifetime_s=-5", "key_lifetime_s: a number of seconds, 0 or more, is accepted"),
        ("sqlite:///x.db?key_lifetime_s=nan", "key_lifetime_s: a number of seconds, 0 or more, is accepted"),
        ("postgresql://me:secret@host/x?lease_s=-1", "lease_s: a number of seconds, above 0, is accepted"),
        ("postgresql://me:secret@host/x?beat_s=0", "beat_s: a number of seconds, above 0, is accepted"),
        ("postgresql://me:secret@host/x?queue_poll_s=inf", "queue_poll_s: a number of seconds, above 0, is accepted"),
        ("postgresql://me:secret@host/x?lease_s=1", r"lease_s: more than beat_s \(1\) is accepted"),
        ("postgresql://me:secret@host/x?beat_s=30", r"lease_s: more than beat_s \(30\) is accepted"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_before_anything_is_opened(address, accepted):
    with pytest.raises(InvalidInput, match=accepted) as refused:
        open_engine(address, Roster([]))
    assert "secret" not in str(refused.value.to_json())
