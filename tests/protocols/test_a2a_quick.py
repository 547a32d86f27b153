"""The short way of a quick skill's message over A2A's gRPC answers as the handler does, and leaves the rest to it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio
from a2a.types import Message, Part, Role, SendMessageConfiguration, SendMessageRequest
from a2a.types.a2a_pb2 import SendMessageResponse
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Value
from hypothesis import given
from hypothesis import strategies as st
from sametask.agents.loading import load_roster
from sametask.agents.runtime import open_engine
from sametask.protocols.a2a.handler import TaskHandler
from sametask.protocols.a2a.json_values import fill, to_value
from sametask.protocols.a2a.quick import QuickCalls
from sametask.protocols.a2a.server import serve_handler
from sametask.protocols.a2a.value_wire import NotPlain, value_bytes
from sametask.protocols.variants import Bind

from .a2a_raw import Raw, RawError, raw_of
from .conftest import TRIAL_AGENT

JSON = st.recursive(
    st.none() | st.booleans() | st.text() | st.integers(-(2**53), 2**53) | st.floats(),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(), inner, max_size=20),
    max_leaves=60,
)


@given(JSON)
def test_the_bytes_are_those_of_the_value(data: Any):
    value = Value()
    fill(value, data, field="data", exact=False)
    assert Value.FromString(value_bytes(data)).SerializeToString(deterministic=True) == value.SerializeToString(
        deterministic=True
    )


@pytest.mark.parametrize(
    "data", [{"a": "x" * 127}, {"a": "x" * 128}, {"k" * 200: [1.5, 2] * 9000}, "é" * 5000, [[[]], {}, {"": ""}]]
)
def test_sizes_at_their_edges_are_right(data: Any):
    assert Value.FromString(value_bytes(data)) == to_value(data)


def nested(depth: int, kind: str) -> Any:
    data: Any = 1
    for _ in range(depth):
        data = [data] if kind == "list" else {"a": data}
    return data


@pytest.mark.parametrize(
    "data", [{1: 2}, {"a": object()}, (1, 2), {"a": b"x"}, 2**2000, nested(46, "list"), nested(31, "dict")], ids=range(7)
)
def test_what_is_not_plain_is_left_to_the_other_way(data: Any):
    with pytest.raises(NotPlain):
        value_bytes(data)


@pytest.mark.parametrize("data", [nested(45, "list"), nested(30, "dict")])
def test_what_is_nested_as_deep_as_protobuf_reads_is_written(data: Any):
    assert Value.FromString(value_bytes(data)) == to_value(data)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ways() -> AsyncGenerator[tuple[Raw, Raw, list[str]]]:
    """The short way, the handler's, and the skills that were called the short way."""
    taken: list[str] = []

    class Counted(QuickCalls):
        async def answer(self, request: Any, metadata: Any) -> Any:
            found = await super().answer(request, metadata)
            if found is not None:
                taken.append(request.message.message_id)
            return found

    async with open_engine("sqlite:///:memory:", load_roster([TRIAL_AGENT])) as engine:
        handler, quick = TaskHandler(engine), Counted(engine.roster)
        async with (
            serve_handler(handler, engine.roster, Bind(), quick) as one,
            serve_handler(handler, engine.roster, Bind()) as other,
            raw_of("GRPC", one.listeners) as short,
            raw_of("GRPC", other.listeners) as long,
        ):
            yield short, long, taken


def asked(skill: str = "trial.echo", data: Any = None, **fields: Any) -> SendMessageRequest:
    configuration, tenant = fields.pop("configuration", None), fields.pop("tenant", "")
    parts = fields.pop("parts", [Part(data=to_value({"skill": skill, "input": {"text": "hi"} if data is None else data}))])
    message = Message(**{"message_id": "m", "role": Role.ROLE_USER, **fields}, parts=parts)
    return SendMessageRequest(message=message, configuration=configuration, tenant=tenant)


def with_metadata(request: SendMessageRequest) -> SendMessageRequest:
    request.message.metadata["sametask/skill"] = "trial.echo"
    return request


SHORT = {
    "a text": asked(),
    "a list": asked("trial.join", {"words": ["a", "b"], "between": "-"}),
    "a context": asked(context_id="c"),
    "a configuration": asked(configuration=SendMessageConfiguration(history_length=0, return_immediately=True)),
    "a rejection": asked("trial.decline", {"text": "no"}),
    "an exception": asked("trial.stumble", {"text": "oh"}),
    "a wrong input": asked(data={"text": "x" * 200}),
    "an unknown field": asked(data={"txt": "x"}),
    "an input that is a list": asked(data=[1]),
}
LONG = {
    "an unknown skill": asked("trial.sing"),
    "a skill without its agent": asked("echo"),
    "a long skill": asked("trial.refuse", {"text": "no"}),
    "a tenant": asked(tenant="trial"),
    "metadata": with_metadata(asked()),
    "no message id": asked(message_id=""),
    "no role": asked(role=Role.ROLE_UNSPECIFIED),
    "another role": asked(role=Role.ROLE_AGENT),
    "no parts": asked(parts=[]),
    "two parts": asked(parts=[Part(text="x"), *asked().message.parts]),
    "a text alone": asked(parts=[Part(text="x")]),
    "a value that is no object": asked(parts=[Part(data=to_value([1]))]),
    "no input": asked(parts=[Part(data=to_value({"skill": "trial.echo"}))]),
    "a task": asked(task_id="none"),
    "a negative history": asked(configuration=SendMessageConfiguration(history_length=-1)),
}


async def said(raw: Raw, request: SendMessageRequest, version: str | None) -> Any:
    """What was answered, without what is drawn anew each time."""
    try:
        answer = await raw.call("SendMessage", request, version)
    except RawError as error:
        return error
    assert isinstance(answer, SendMessageResponse)
    told = MessageToDict(answer)
    if "message" in told:
        told["message"]["messageId"] = "drawn"
        if not request.message.context_id:
            told["message"]["contextId"] = "drawn"
    else:
        told = {"task": told["task"]["status"]["state"]}
    return told


def alike(one: Any, other: Any) -> bool:
    return vars(one) == vars(other) if isinstance(one, RawError) and isinstance(other, RawError) else one == other


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", SHORT | LONG)
async def test_both_ways_answer_alike(ways: tuple[Raw, Raw, list[str]], name: str):
    short, long, taken = ways
    taken.clear()
    request = (SHORT | LONG)[name]
    one, other = await said(short, request, "1.0"), await said(long, request, "1.0")
    assert alike(one, other), (one, other)
    assert bool(taken) == (name in SHORT and not isinstance(one, RawError))


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("version", [None, "", "0.3", "1.0.1", "2.0"])
async def test_another_version_is_the_handlers_to_judge(ways: tuple[Raw, Raw, list[str]], version: str | None):
    short, long, taken = ways
    taken.clear()
    assert alike(await said(short, asked(), version), await said(long, asked(), version))
    assert not taken
