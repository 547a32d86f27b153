"""The one test body that every variant passes: the same calls, tasks and mistakes, the same results.

What a protocol cannot do is data, not a skip: its variant names the ability in `lacks`, and the test then asserts what is
left. `ABILITIES` is the whole vocabulary.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, cast

import pytest
from sametask.agents.errors import Conflict, InvalidInput, KeyReused, NotWaiting, SametaskError, TaskFinished
from sametask.agents.events import ArtifactEmitted, Event, Progress, Snapshot, StateChanged, Task, TaskState
from sametask.protocols.client import AgentClient
from sametask.protocols.variants import variants

pytestmark = pytest.mark.asyncio(loop_scope="module")

ABILITIES = {
    "agents_told": "discovery tells the agents and which skill is whose, and which are long",
    "answer_errors": "an answer to a question that was never asked is an error",
    "artifact_events": "artifacts arrive before the end",
    "cancel_errors": "cancelling a task that has ended is an error",
    "event_numbers": "events carry their sequence number",
    "event_replay": "a follower who comes late is told every event from the first",
    "error_words": "an error is of our class, and its one line names the field, the value and what is accepted",
    "every_progress": "every progress event arrives",
    "idempotency": "the same key gives the same task",
    "schema_bounds": "the schemas of discovery carry the bounds and descriptions of fields, and not their names alone",
    "state_submitted": "a task that has not started is `submitted`",
    "survives_restart": "a task goes on when its server is started again after it died",
    "tasks": "a long skill has an id, to follow, ask for, answer and cancel it by",
    "webhooks": "a task's events are sent to a URL",
}

PLAN = {"layers": 32, "kv_heads": 8, "head_dim": 128, "memory_bytes": 2**34}
SIMULATE = {"synthetic": {"request_count": 3000}}
ASKING = {"synthetic": {"request_count": 500}, "capacity_blocks": 20, "confirm": True}
MODELS = {
    "weak": {"name": "w", "input_price": 0.1, "output_price": 0.2, "easiest_quality": 0.9, "hardest_quality": 0.2},
    "strong": {"name": "s", "input_price": 2.0, "output_price": 8.0, "easiest_quality": 0.95, "hardest_quality": 0.9},
}
ENDLESS = {"synthetic": {"query_count": 2}, **MODELS, "thresholds": 10_000, "min_quality": 0.1}


def bounded(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """A variant that hangs fails its test, and not the whole run."""

    @functools.wraps(test)
    async def run(*args: Any, **kwargs: Any) -> None:
        async with asyncio.timeout(30):
            await test(*args, **kwargs)

    return run


async def _collect(events: AsyncIterator[Event]) -> list[Event]:
    return [event async for event in events]


def _result(last: Event) -> Any:
    assert last.final, last
    if isinstance(last.body, Snapshot):
        return last.body.task.result
    assert isinstance(last.body, StateChanged)
    return last.body.result


def _task_of(first: Event) -> Task:
    assert isinstance(first.body, Snapshot)
    assert first.body.task.id
    return first.body.task


def _assert_a_log(events: list[Event], lacks: set[str], after: int = 0) -> None:
    """Numbers increase from `after` without a gap; the terminal event is the last, and nothing follows it."""
    assert not any(event.final for event in events[:-1])
    numbers = [event.seq for event in events if not isinstance(event.body, Snapshot)]
    if "event_numbers" in lacks:
        assert not any(numbers)
    else:
        assert numbers == list(range(after + 1, after + 1 + len(numbers)))


async def _question(client: AgentClient, task_id: str) -> str:
    task = await client.wait(task_id)
    assert task.state is TaskState.INPUT_REQUIRED
    assert task.question is not None
    return task.question.request_id


async def test_a_gap_is_named_in_the_common_vocabulary():
    named = {(name, ability) for name, variant in variants().items() for ability in variant.lacks}
    assert {(name, ability) for name, ability in named if ability not in ABILITIES} == set()


@bounded
async def test_discovery_tells_every_skill_and_its_schemas(served):
    found = {agent.name: agent for agent in await served.client.discover()}
    assert set(found) == set(served.roster)
    for agent in served.roster.values():
        assert found[agent.name].description == agent.description
        skills = {skill.name: skill for skill in found[agent.name].skills}
        assert set(skills) == set(agent.skills)
        for skill in agent.skills.values():
            info = skills[skill.name]
            assert info.description == skill.description
            assert info.long is skill.long
            if "schema_bounds" in served.lacks:
                assert set(info.input_schema["properties"]) == set(skill.input_schema["properties"])
                assert set(info.output_schema["properties"]) == set(skill.output_schema["properties"])
            else:
                assert info.input_schema == skill.input_schema
                assert info.output_schema == skill.output_schema


@bounded
async def test_a_quick_call_gives_what_the_skill_gives(served):
    assert await served.client.call("prefix_cache", "plan", PLAN) == await served.direct("prefix_cache", "plan", PLAN)
    asked = {**PLAN, "dtype": "fp8", "sequence_tokens": 4000}
    assert await served.client.call("prefix_cache", "plan", asked) == await served.direct("prefix_cache", "plan", asked)


@bounded
async def test_a_plain_call_of_a_long_skill_waits_for_its_result(served):
    assert await served.client.call("prefix_cache", "simulate", SIMULATE) == await served.direct(
        "prefix_cache", "simulate", SIMULATE
    )
    # It cannot answer, so it says who waits for what, instead of giving no result.
    with pytest.raises(Conflict, match=r"task: '\w+' waits for an answer \(The trace has"):
        await served.client.call("prefix_cache", "simulate", ASKING)


@bounded
async def test_a_quick_skill_has_no_task(served):
    told = [await _error(served.client.submit("prefix_cache", "plan", PLAN))]
    told.append(await _error(_collect(served.client.stream("prefix_cache", "plan", PLAN))))
    for error in told:
        assert isinstance(error, InvalidInput)
        assert error.details["field"] == "skill"
        assert "at once" in error.message


@bounded
async def test_a_streamed_task_is_told_from_its_name_to_its_end(served):
    events = await _collect(served.client.stream("prefix_cache", "simulate", SIMULATE))
    task = _task_of(events[0])
    _assert_a_log(events, served.lacks)
    assert _result(events[-1]) == await served.direct("prefix_cache", "simulate", SIMULATE)
    assert (await served.client.get(task.id)).state is TaskState.COMPLETED
    if "artifact_events" not in served.lacks:
        assert sum(isinstance(event.body, ArtifactEmitted) for event in events) == 3
    if "every_progress" not in served.lacks:
        assert [event.body.done for event in events if isinstance(event.body, Progress)] == [1000, 2000, 3000]


@bounded
async def test_a_submitted_task_is_followed_from_its_first_event(served):
    task = await served.client.submit("prefix_cache", "simulate", SIMULATE)
    assert task.id
    assert task.state is (TaskState.WORKING if "state_submitted" in served.lacks else TaskState.SUBMITTED)
    events = await _collect(served.client.events(task.id))
    _assert_a_log(events, served.lacks)
    assert _result(events[-1]) == await served.direct("prefix_cache", "simulate", SIMULATE)


@bounded
async def test_a_follower_resumes_after_the_last_event_it_has_seen(served):
    task = await served.client.submit("prefix_cache", "simulate", SIMULATE)
    whole = await _collect(served.client.events(task.id))
    late = await _collect(served.client.events(task.id, 4))
    if "event_replay" in served.lacks:
        assert _result(late[-1]) == _result(whole[-1])
    else:
        assert late == whole[4:]
        assert await _collect(served.client.events(task.id, whole[-1].seq)) == []


@bounded
async def test_a_submitted_task_is_waited_for(served):
    submitted = await served.client.submit("prefix_cache", "simulate", SIMULATE)
    seen = await served.client.get(submitted.id)
    assert seen.id == submitted.id
    done = await served.client.wait(submitted.id)
    assert (done.id, done.state) == (submitted.id, TaskState.COMPLETED)
    assert done.result == await served.direct("prefix_cache", "simulate", SIMULATE)
    assert await served.client.wait(submitted.id) == done


@bounded
async def test_a_running_task_is_canceled(served):
    events = cast(AsyncGenerator[Event], served.client.stream("model_router", "tune", ENDLESS))
    async with aclosing(events):
        task = _task_of(await anext(events))
        await served.client.cancel(task.id)
        last = [event async for event in events][-1]
    assert last.state is TaskState.CANCELED
    assert (await served.client.wait(task.id)).state is TaskState.CANCELED
    await served.client.cancel(task.id)
    assert (await served.client.get(task.id)).state is TaskState.CANCELED


@bounded
async def test_a_question_is_answered_and_the_task_goes_on(served):
    events = await _collect(served.client.stream("prefix_cache", "simulate", ASKING))
    task = _task_of(events[0])
    last = events[-1]
    assert last.state is TaskState.INPUT_REQUIRED
    question = last.body.task.question if isinstance(last.body, Snapshot) else cast(StateChanged, last.body).question
    assert question is not None
    assert "grow to" in question.text
    assert question.answer_schema["properties"]["choice"]["enum"] == ["evict", "grow"]
    waiting = await served.client.wait(task.id)
    assert (waiting.state, waiting.question) == (TaskState.INPUT_REQUIRED, question)

    await served.client.answer(task.id, question.request_id, {"choice": "grow"})
    rest = await _collect(served.client.events(task.id, last.seq))
    _assert_a_log(rest, served.lacks, last.seq)
    grown = {**ASKING, "confirm": False, "capacity_blocks": _result(rest[-1])["capacity_blocks"]}
    assert _result(rest[-1]) == await served.direct("prefix_cache", "simulate", grown)
    assert _result(rest[-1])["evicted_blocks"] == 0

    # The first answer stands: the same one again, or another, changes nothing.
    await served.client.answer(task.id, question.request_id, {"choice": "evict"})
    assert (await served.client.get(task.id)).result == _result(rest[-1])


@bounded
async def test_followers_do_not_disturb_each_other(served):
    task = await served.client.submit("prefix_cache", "simulate", ASKING)

    async def follow() -> list[Event]:
        async with served.connect() as client:
            asked = await _collect(client.events(task.id))
            first.set_result(None) if not first.done() else second.set_result(None)
            if "event_numbers" in served.lacks:
                await answered.wait()  # without a number to resume after, it would be told of the same question again
            return [*asked, *await _collect(client.events(task.id, asked[-1].seq))]

    answered = asyncio.Event()
    first, second = (asyncio.get_running_loop().create_future() for _ in range(2))
    async with asyncio.TaskGroup() as group:
        logs = [group.create_task(follow()) for _ in range(2)]
        await asyncio.gather(first, second)
        await served.client.answer(task.id, await _question(served.client, task.id), {"choice": "evict"})
        answered.set()
    one, other = (log.result() for log in logs)
    assert _result(one[-1]) == _result(other[-1]) is not None
    if "event_replay" not in served.lacks:
        assert one == other
        _assert_a_log(one, served.lacks)


@bounded
async def test_leaving_a_stream_does_not_cancel_the_task(served):
    if served.variant.server and not served.variant.listeners:
        client = served.client  # leaving a server on pipes ends the server itself; the stream alone is left here
        events = cast(AsyncGenerator[Event], client.stream("prefix_cache", "simulate", ASKING))
        async with aclosing(events):
            task = _task_of(await anext(events))
    else:
        async with served.connect() as client:
            events = cast(AsyncGenerator[Event], client.stream("prefix_cache", "simulate", ASKING))
            async with aclosing(events):
                task = _task_of(await anext(events))
    request_id = await _question(served.client, task.id)
    await served.client.answer(task.id, request_id, {"choice": "evict"})
    assert (await served.client.wait(task.id)).state is TaskState.COMPLETED


@bounded
async def test_a_large_input_and_a_large_result_cross(served):
    queries = [{"id": f"query-{n:040}", "difficulty": (n % 100) / 100} for n in range(40_000)]
    request = {"queries": queries, **MODELS, "threshold": 0.5}
    result = await served.client.call("model_router", "route", request)
    assert len(str(queries)) > 3_000_000
    assert result == await served.direct("model_router", "route", request)


@bounded
async def test_concurrent_calls_get_their_own_answers(served):
    requests = [{**PLAN, "memory_bytes": 2**30 + n * 2**24} for n in range(20)]
    results = await asyncio.gather(*(served.client.call("prefix_cache", "plan", request) for request in requests))
    assert results == [await served.direct("prefix_cache", "plan", request) for request in requests]
    assert len({result["blocks"] for result in results}) == 20


@bounded
async def test_the_same_key_gives_the_same_task(served):
    request = {"synthetic": {"request_count": 100}}
    first = await served.client.submit("prefix_cache", "simulate", request, key='order "1"')
    again = await served.client.submit("prefix_cache", "simulate", request, key='order "1"')
    streamed = await _collect(served.client.stream("prefix_cache", "simulate", request, key='order "1"'))
    other = await served.client.submit("prefix_cache", "simulate", request, key="order 2")
    assert first.id == again.id == _task_of(streamed[0]).id != other.id
    with pytest.raises(KeyReused, match='order "1"'):
        await served.client.submit("prefix_cache", "simulate", SIMULATE, key='order "1"')


Mistake = Callable[[AgentClient], Awaitable[object]]

MISTAKES: dict[str, Mistake] = {
    "unknown agent": lambda c: c.call("nobody", "plan", {}),
    "unknown skill": lambda c: c.call("prefix_cache", "predict", {}),
    "unknown skill to submit": lambda c: c.submit("prefix_cache", "predict", {}),
    "unknown agent to stream": lambda c: _collect(c.stream("nobody", "simulate", {})),
    "unknown task to get": lambda c: c.get("no-such-task"),
    "unknown task to wait for": lambda c: c.wait("no-such-task"),
    "unknown task to follow": lambda c: _collect(c.events("no-such-task")),
    "unknown task to cancel": lambda c: c.cancel("no-such-task"),
    "unknown task to answer": lambda c: c.answer("no-such-task", "q", {"choice": "grow"}),
    "value out of bounds": lambda c: c.call("prefix_cache", "plan", {**PLAN, "layers": 1001}),
    "zero out of bounds": lambda c: c.call("prefix_cache", "plan", {**PLAN, "layers": 0}),
    "two values out of bounds": lambda c: c.call("prefix_cache", "plan", {**PLAN, "layers": -1, "head_dim": 0}),
    "value refused by the skill": lambda c: c.call("prefix_cache", "plan", {**PLAN, "tensor_parallel": 3}),
    "nested value out of bounds": lambda c: c.submit("prefix_cache", "simulate", {"synthetic": {"request_count": 0}}),
    "value out of bounds to stream": lambda c: _collect(c.stream("prefix_cache", "simulate", {**SIMULATE, "block_tokens": -1})),
    "nothing given": lambda c: c.submit("prefix_cache", "simulate", {}),
}

MISTAKES_OF_TYPE: dict[str, Mistake] = {
    "missing fields": lambda c: c.call("prefix_cache", "plan", {}),
    "a field too many": lambda c: c.call("prefix_cache", "plan", {**PLAN, "colour": "red"}),
    "value of another type": lambda c: c.call("prefix_cache", "plan", {**PLAN, "layers": "many"}),
    "a number as text": lambda c: c.call("prefix_cache", "plan", {**PLAN, "layers": "5"}),
    "a truth for a number": lambda c: c.call("prefix_cache", "plan", {**PLAN, "layers": True}),
    "a fraction for a count": lambda c: c.call("prefix_cache", "plan", {**PLAN, "layers": 1.5}),
    "none of the choices": lambda c: c.call("prefix_cache", "plan", {**PLAN, "dtype": "float99"}),
}
"""A protocol with compiled messages may stop these before they are sent; the class is the same, the words may be its own."""

TRIAL_MISTAKES: dict[str, Mistake] = {
    "text too long": lambda c: c.call("trial", "echo", {"text": "x" * 101}),
    "skill raised": lambda c: c.call("trial", "stumble", {"text": "one\ntwo"}),
    "skill declined": lambda c: c.call("trial", "decline", {"text": "not today — über"}),
}


@bounded
async def test_a_plain_function_is_a_skill(served):
    if "trial" not in served.roster:
        assert (await _error(served.client.call("trial", "join", {"words": []}))).code == "unknown_agent"
        return
    assert await served.client.call("trial", "join", {"words": ["a", "b"]}) == {"result": "a b"}
    task = await served.client.submit("trial", "join_slowly", {"words": ["a", "b"], "between": "-"})
    assert (await served.client.wait(task.id)).result == {"result": "a-b"}
    for wrong in ({"words": "a b"}, {}, {"words": [], "glue": ""}):
        assert (await _error(served.client.call("trial", "join", wrong))).code == "invalid_input"


async def _error(made: Awaitable[object]) -> SametaskError:
    with pytest.raises(SametaskError) as caught:
        await made
    return caught.value


@pytest.mark.parametrize("mistake", MISTAKES)
@bounded
async def test_a_mistake_gets_the_same_class_and_words_everywhere(served, mistake):
    expected, got = await _error(MISTAKES[mistake](served.floor)), await _error(MISTAKES[mistake](served.client))
    assert (type(got), got.message) == (type(expected), expected.message)


@pytest.mark.parametrize("mistake", MISTAKES_OF_TYPE)
@bounded
async def test_a_mistake_of_type_gets_the_same_class_everywhere(served, mistake):
    expected, got = (
        await _error(MISTAKES_OF_TYPE[mistake](served.floor)),
        await _error(MISTAKES_OF_TYPE[mistake](served.client)),
    )
    assert type(got) is type(expected) is InvalidInput
    if served.variant.protocol != "grpc":
        assert got.message == expected.message
    assert "\n" not in got.message


@pytest.mark.parametrize("mistake", TRIAL_MISTAKES)
@bounded
async def test_a_skill_that_fails_is_told_the_same_everywhere(served, mistake):
    if "trial" not in served.roster:
        expected = "unknown_agent"  # it serves only agents with compiled messages, and says so the same way
        assert (await _error(TRIAL_MISTAKES[mistake](served.client))).code == expected
        return
    expected, got = await _error(TRIAL_MISTAKES[mistake](served.floor)), await _error(TRIAL_MISTAKES[mistake](served.client))
    assert (type(got), got.message) == (type(expected), expected.message)


async def _mistakes_about(client: AgentClient) -> list[tuple[str, type[SametaskError] | None, str]]:
    """What one client is told about a question and about a task that has ended; task ids are replaced by `ID`."""
    told: list[tuple[str, type[SametaskError] | None, str]] = []

    async def told_by(what: str, made: Awaitable[None]) -> None:
        try:
            await made
        except SametaskError as error:
            told.append((what, type(error), error.message.replace(task.id, "ID").replace(request_id, "QUESTION")))
        else:
            told.append((what, None, ""))

    task = await client.submit("prefix_cache", "simulate", ASKING)
    request_id = await _question(client, task.id)
    await told_by("bad answer", client.answer(task.id, request_id, {"choice": "sideways"}))
    await told_by("answer without its field", client.answer(task.id, request_id, {}))
    await told_by("wrong question", client.answer(task.id, "another", {"choice": "grow"}))
    assert (await client.get(task.id)).state is TaskState.INPUT_REQUIRED
    await told_by("good answer", client.answer(task.id, request_id, {"choice": "evict"}))
    assert (await client.wait(task.id)).state is TaskState.COMPLETED
    await told_by("cancel of an ended task", client.cancel(task.id))
    return told


@bounded
async def test_mistakes_about_a_task_leave_it_as_it_is(served):
    expected, got = await _mistakes_about(served.floor), await _mistakes_about(served.client)
    assert [cls for _, cls, _ in expected] == [InvalidInput, InvalidInput, NotWaiting, None, TaskFinished]
    excused = {"wrong question": "answer_errors", "cancel of an ended task": "cancel_errors"}
    for (what, *want), (_, *have) in zip(expected, got, strict=True):
        if excused.get(what) in served.lacks:
            assert have == [None, ""], what
        else:
            assert have == want, what


@pytest.mark.parametrize(
    ("skill", "state", "code"), [("collapse", "failed", "skill_failed"), ("refuse", "rejected", "rejected")]
)
@bounded
async def test_a_task_that_fails_tells_why(served, skill, state, code):
    if "trial" not in served.roster:
        assert (await _error(served.client.submit("trial", skill, {"text": "no"}))).code == "unknown_agent"
        return
    events = await _collect(served.client.stream("trial", skill, {"text": "it broke:\nbadly"}))
    task = await served.client.wait(_task_of(events[0]).id)
    expected = await served.floor.wait((await served.floor.submit("trial", skill, {"text": "it broke:\nbadly"})).id)
    assert task.error is not None
    assert (task.error.code, task.error.message) == (code, expected.error.message)
    assert events[-1].state == task.state == expected.state == state
    assert task.result is None


@bounded
async def test_twenty_artifacts_arrive_whole_and_in_order(served):
    if "trial" not in served.roster:
        assert (await _error(served.client.submit("trial", "produce", {"count": 20}))).code == "unknown_agent"
        return
    expected = await served.floor.wait((await served.floor.submit("trial", "produce", {"count": 20})).id)
    assert len(expected.artifacts) == 20
    events = await _collect(served.client.stream("trial", "produce", {"count": 20}))
    if "artifact_events" not in served.lacks:
        assert tuple(e.body.artifact for e in events if isinstance(e.body, ArtifactEmitted)) == expected.artifacts
    task = await served.client.wait(_task_of(events[0]).id)
    assert task.artifacts == expected.artifacts
    assert task.result == expected.result == _result(events[-1])
