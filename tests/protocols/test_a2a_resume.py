"""Our resume extension: one body over A2A's bindings, with no client of ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio
from a2a.types import (
    AgentCard,
    GetTaskRequest,
    Message,
    Part,
    Role,
    SendMessageRequest,
    StreamResponse,
    SubscribeToTaskRequest,
    Task,
    TaskState,
    TaskStatus,
    TaskStatusUpdateEvent,
)
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from sametask.agents import TaskEngine
from sametask.protocols.a2a import client
from sametask.protocols.a2a.resume import AFTER, EXTENSION, SEQ_KEY, numbered, numbered_task
from sametask.protocols.a2a.resuming_client import ResumingClient
from sametask.protocols.a2a.server import serve
from sametask.protocols.client import ClientSettings
from sametask.protocols.variants import Bind, variants

from .a2a_raw import BINDINGS, Raw, RawError, raw_of

EXTENSIONS = "a2a-extensions"
COUNT = 5


@pytest_asyncio.fixture(params=BINDINGS)
async def raw(request: pytest.FixtureRequest, trial_engine: TaskEngine) -> AsyncGenerator[Raw]:
    async with serve(trial_engine, Bind()) as endpoint, raw_of(request.param, endpoint.listeners) as raw:
        yield raw


def produce(count: int = COUNT) -> SendMessageRequest:
    asked = Struct()
    asked.update({"value": {"skill": "trial.produce", "input": {"count": count}}})
    parts = [Part(data=asked.fields["value"])]
    return SendMessageRequest(message=Message(message_id="m", role=Role.ROLE_USER, parts=parts))


async def begun(raw: Raw) -> str:
    """The id of a task that has ended."""
    sent: Any = await raw.call("SendMessage", produce())
    return sent.task.id


async def told(raw: Raw, task_id: str) -> list[StreamResponse]:
    return [response async for response in raw.stream("SubscribeToTask", SubscribeToTaskRequest(id=task_id))]  # type: ignore[misc]


def numbers(responses: list[Any]) -> list[int]:
    """The number of each update that has one."""
    updates = [getattr(response, response.WhichOneof("payload")) for response in responses]
    return [int(update.metadata[SEQ_KEY]) for update in updates if SEQ_KEY in update.metadata]


async def test_the_numbers_are_dense_and_a_stream_begins_after_any_of_them(raw: Raw, trial_engine: TaskEngine):
    raw.parameters = {EXTENSIONS: EXTENSION, AFTER: "0"}
    streamed: list[Any] = [response async for response in raw.stream("SendStreamingMessage", produce())]
    task_id = streamed[0].task.id
    events = [event async for event in trial_engine.events(task_id)]
    last = len(events)
    assert numbers(streamed[1:]) == [event.seq for event in events] == list(range(1, last + 1))
    assert last > COUNT
    for after in range(last):
        raw.parameters[AFTER] = str(after)
        again = await told(raw, task_id)
        assert again[0].HasField("task"), "A2A 1.0 section 3.1.6: the first is the task as it stands"
        assert numbers([again[0]]) == [last]
        assert again[1:] == streamed[-len(again[1:]) :], "the very updates that were told before"
        assert numbers(again[1:]) == list(range(after + 1, last + 1))
    got: Any = await raw.call("GetTask", GetTaskRequest(id=task_id))
    assert got.metadata[SEQ_KEY] == last


async def test_who_has_seen_the_end_is_told_that_there_is_no_more(raw: Raw):
    task_id = await begun(raw)
    raw.parameters = {EXTENSIONS: EXTENSION}
    got: Any = await raw.call("GetTask", GetTaskRequest(id=task_id))
    raw.parameters[AFTER] = str(int(got.metadata[SEQ_KEY]))
    with pytest.raises(RawError) as caught:
        await told(raw, task_id)
    assert caught.value.ours == "TASK_FINISHED"


@pytest.mark.parametrize("after", ["-1", "x", "1.5", "٣", "99999"])
async def test_a_cursor_that_is_none_is_refused_in_the_same_words(raw: Raw, after: str):
    task_id = await begun(raw)
    raw.parameters = {EXTENSIONS: EXTENSION, AFTER: after}
    if not after.isascii():
        raw.parameters[AFTER] = "%D9%A3"  # neither HTTP nor gRPC carries it as it is
    with pytest.raises(RawError) as caught:
        await told(raw, task_id)
    assert caught.value.ours == "INVALID_INPUT"
    assert caught.value.code == {"GRPC": "INVALID_ARGUMENT", "JSONRPC": -32602, "HTTP+JSON": 400}[raw.binding]
    accepted = "0 or the number of an event is accepted" if after != "99999" else "accepted: up to "
    assert caught.value.message.startswith(f"{AFTER}: ")
    assert accepted in caught.value.message


async def test_a_call_that_does_not_name_the_extension_is_plain_a2a(raw: Raw):
    """A cursor alone is no request for it; another's extension is none either."""
    for parameters in ({}, {AFTER: "0"}, {EXTENSIONS: "urn:another:1", AFTER: "0"}):
        raw.parameters = parameters
        streamed: list[Any] = [response async for response in raw.stream("SendStreamingMessage", produce())]
        assert EXTENSIONS not in raw.told
        assert SEQ_KEY not in str([MessageToDict(response) for response in streamed])
        got: Any = await raw.call("GetTask", GetTaskRequest(id=streamed[0].task.id))
        assert EXTENSIONS not in raw.told
        assert SEQ_KEY not in str(MessageToDict(got))
        with pytest.raises(RawError, match="completed"):  # UnsupportedOperationError: A2A has no replay
            await told(raw, got.id)


async def test_it_is_active_where_it_is_one_of_several_and_the_answer_says_so(raw: Raw):
    raw.parameters = {EXTENSIONS: f"urn:another:1, {EXTENSION}"}
    sent: Any = await raw.call("SendMessage", produce())
    assert raw.told[EXTENSIONS] == EXTENSION
    assert sent.task.metadata[SEQ_KEY] > COUNT
    assert numbers([response async for response in raw.stream("SendStreamingMessage", produce())])[0] == 1
    assert raw.told[EXTENSIONS] == EXTENSION


def test_neither_variant_passes_for_the_other_on_the_wire():
    plain, resuming = variants()["a2a-grpc"], variants()["a2a-grpc+resume"]
    line = "grpc /lf.a2a.v1.A2AService/SubscribeToTask a2a-version=1.0"
    extended = f"{line} a2a-extensions={EXTENSION}"
    assert (plain.speaks(line), resuming.speaks(line)) == (True, False)
    assert (plain.speaks(extended), resuming.speaks(extended)) == (False, True)
    rpc = f"POST /a2a application/json -> text/event-stream a2a-version=1.0 a2a-extensions={EXTENSION} jsonrpc=SubscribeToTask"
    http = f"POST /a2a/v1/tasks/{{id}}:subscribe -> text/event-stream a2a-version=1.0 a2a-extensions={EXTENSION}"
    assert not any(variant.speaks(told) for variant in variants().values() for told in (rpc, http))


async def test_what_is_told_again_of_a_task_that_has_ended_may_take_its_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(client, "ENDING_S", 0.0)
    completed = TaskStatus(state=TaskState.TASK_STATE_COMPLETED)

    class Slow:
        async def subscribe(self, request: SubscribeToTaskRequest, **_: Any) -> AsyncGenerator[StreamResponse]:
            yield StreamResponse(task=numbered_task(Task(id="1", status=completed), 2))
            for _ in range(100):
                await asyncio.sleep(0)
            ended = TaskStatusUpdateEvent(task_id="1", status=completed)
            yield StreamResponse(status_update=next(numbered([ended], 2)))

    slow: Any = Slow()
    resuming = ResumingClient(AgentCard(), slow, slow, ClientSettings())
    assert [(event.seq, event.state) async for event in resuming.events("1", 1)] == [(2, "completed")]
