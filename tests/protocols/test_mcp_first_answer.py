"""The first answers of a stdio connection are what the SDK says, character for character; where that is not certain, none."""

from __future__ import annotations

import asyncio
import copy
import json
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import anyio
import mcp.types as t
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcp.shared.message import SessionMessage
from sametask.agents.runtime import open_engine
from sametask.agents.team import team
from sametask.protocols.mcp.early import AnsweredOnce, HeldLines
from sametask.protocols.mcp.first_answer import CHECKED_SDK, HANDSHAKES, FirstAnswers, NotYet, Tools
from sametask.protocols.mcp.listing import LIST_TTL_MS, listing
from sametask.protocols.mcp.pipes import LinesIn, LinesOut
from sametask.protocols.mcp.plain_tools import task_tools
from sametask.protocols.mcp.server import build_server

INSTRUCTIONS = 'Ask für 🦆, "quoted" \\ and\nin two lines.'
PREFIX = "io.modelcontextprotocol/"
META: dict[str, Any] = {
    f"{PREFIX}protocolVersion": "2026-07-28",
    f"{PREFIX}clientInfo": {"name": "host", "version": "1"},
    f"{PREFIX}clientCapabilities": {},
}
INFO: dict[str, Any] = {"name": "host", "version": "1"}


def initialize(version: str = "2025-11-25", info: Any = INFO, **capabilities: Any) -> dict[str, Any]:
    params = {"protocolVersion": version, "capabilities": capabilities, "clientInfo": info}
    return {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}


def discover(**meta: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": "a", "method": "server/discover", "params": {"_meta": {**META, **meta}}}


TASKS = {"list": {}, "cancel": {}, "requests": {"sampling": {"createMessage": {}}, "elicitation": {"create": {}}}}
UI = {"io.modelcontextprotocol/ui": {"mimeTypes": ["text/html;profile=mcp-app"]}}
HOSTS = {
    **{version: initialize(version) for version in HANDSHAKES},
    "all capabilities": initialize(
        roots={"listChanged": True},
        sampling={"context": {}, "tools": {}},
        elicitation={"form": {}, "url": {}},
        tasks=TASKS,
        experimental={"x": {"y": [1, None]}},
        extensions=UI,
        unheard={"of": {}},
    ),
    "all of its names": initialize(info=INFO | {"title": "T", "description": "d", "websiteUrl": "https://example.org"}),
    "a trace": initialize() | {"params": initialize()["params"] | {"_meta": {"traceparent": "00-1-2-01"}}},
    "discover": discover(),
    "discover with more": discover(progressToken=3, traceparent="00-1-2-01"),
    "discover without a name": {**discover(), "params": {"_meta": {k: v for k, v in META.items() if "Info" not in k}}},
}
LEFT = {
    "another revision": json.dumps(initialize("2099-01-01")),
    "no revision": json.dumps(initialize() | {"params": {"capabilities": {}, "clientInfo": INFO}}),
    "a revision of the other kind": json.dumps(discover(**{f"{PREFIX}protocolVersion": "2025-11-25"})),
    "an id that is true": json.dumps(initialize() | {"id": True}),
    "an id that is null": json.dumps(initialize() | {"id": None}),
    "an id with a fraction": json.dumps(initialize() | {"id": 1.0}),
    "no id": json.dumps({k: v for k, v in initialize().items() if k != "id"}),
    "JSON-RPC 1": json.dumps(initialize() | {"jsonrpc": "1.0"}),
    "one field more": json.dumps(initialize() | {"more": 1}),
    "a batch": json.dumps([initialize()]),
    "another method": json.dumps(initialize() | {"method": "ping"}),
    "a progress token that is none": json.dumps(discover(progressToken=[])),
    "a capability that is none": json.dumps(initialize(sampling=True)),
    "a part of a capability that is none": json.dumps(initialize(elicitation={"form": True})),
    "an extension that is none": json.dumps(initialize(experimental={"x": 1})),
    "a reserved name": json.dumps(discover(**{f"{PREFIX}logLevel": "loud"})),
    "roots that are wrong": json.dumps(initialize(roots={"listChanged": "yes"})),
    "icons": json.dumps(initialize(info=INFO | {"icons": [{"src": "x"}]})),
    "a name twice": json.dumps(initialize()).replace('"id": 0', '"id": 0, "id": 1'),
    "a lone surrogate": json.dumps(initialize(info={"name": "\ud800", "version": "1"})),
    "no number": json.dumps(initialize(experimental={"x": {"y": float("nan")}})),
    "deep": json.dumps(initialize(experimental={"x": {"y": "deep"}})).replace('"deep"', "[" * 300 + "]" * 300),
    "long": json.dumps(initialize(info={"name": "x" * 20_000, "version": "1"})),
    "a long number": json.dumps(initialize() | {"id": 10**30}),
    "half a line": json.dumps(initialize())[:40],
    "nothing": "",
}  # fmt: skip


def tools_list(request_id: Any = 7, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "method": "tools/list", "params": params}


BARE = {"jsonrpc": "2.0", "id": 7, "method": "tools/list"}
MODERN_LIST = tools_list(_meta=META)
AFTERWARDS = {
    "initialize, list": [initialize(), tools_list()],
    "initialize, list without parameters": [initialize("2024-11-05"), BARE],
    "initialize, list twice": [initialize(), tools_list(_meta={"progressToken": 1, "traceparent": "x"}), tools_list("8")],
    "list": [MODERN_LIST],
    "list, discover, list": [MODERN_LIST, discover(), tools_list(9, _meta=META)],
    "discover twice": [discover(), discover()],
}
LEFT_AFTERWARDS = {
    "a page of the list": [initialize(), tools_list(cursor="x")],
    "the list of the other kind after initialize": [initialize(), MODERN_LIST],
    "the list of the other kind after discover": [discover(), tools_list()],
    "a list that nothing came before": [tools_list()],
    "initialize twice": [initialize(), initialize()],
    "initialize after discover": [discover(), initialize()],
    "discover after initialize": [initialize(), discover()],
    "a list with more": [discover(), tools_list(_meta=META, more=1)],
    "a progress token that is none": [initialize(), tools_list(_meta={"progressToken": 1.5})],
    "no parameters": [initialize(), BARE | {"params": None}],
}

Sdk = Callable[[list[str]], Awaitable[list[str]]]


def first_answers(tools: bool = True) -> FirstAnswers:
    roster = team()
    listed = Tools(listing(roster, task_tools(roster, lambda: pytest.fail("nothing is called"))), LIST_TTL_MS)
    return FirstAnswers(INSTRUCTIONS, tools=listed if tools else None)


@pytest.fixture
def first_answer() -> FirstAnswers:
    return first_answers(tools=False)


@pytest.fixture
async def sdk() -> AsyncGenerator[Sdk]:
    """What the SDK's server writes to the lines of a new connection, one answer to each; "" where the first has none."""
    async with open_engine("sqlite:///:memory:", team()) as engine:
        server = build_server(engine, instructions=INSTRUCTIONS, long_tools="both").server

        async def sdk(lines: list[str]) -> list[str]:
            answers: list[str] = []
            to_server, from_client = anyio.create_memory_object_stream[SessionMessage | Exception](1)
            to_client, from_server = anyio.create_memory_object_stream[SessionMessage](1)
            async with anyio.create_task_group() as group, to_server, from_server:
                group.start_soon(server.run, from_client, to_client, server.create_initialization_options())
                for line in lines:
                    try:
                        message = t.jsonrpc_message_adapter.validate_json(line, by_name=False)
                    except ValueError:
                        answers.append("")
                        break
                    await to_server.send(SessionMessage(message))
                    with anyio.fail_after(10):
                        said = await from_server.receive()
                    answers.append(said.message.model_dump_json(by_alias=True, exclude_unset=True))
                group.cancel_scope.cancel()
            return answers

        yield sdk


@pytest.mark.parametrize("request_", [pytest.param(request, id=name) for name, request in HOSTS.items()])
async def test_what_hosts_ask_is_answered_as_the_sdk_answers_it(
    sdk: Sdk, first_answer: FirstAnswers, request_: dict[str, Any]
) -> None:
    line = json.dumps(request_)
    answered = first_answer.to(line)
    assert answered is not None
    assert (answered.line, answered.id) == (line, request_["id"])
    assert [answered.text] == await sdk([line])


@pytest.mark.parametrize("requests", [pytest.param(requests, id=name) for name, requests in AFTERWARDS.items()])
async def test_what_hosts_ask_next_is_answered_as_the_sdk_answers_it(sdk: Sdk, requests: list[dict[str, Any]]) -> None:
    lines = [json.dumps(request) for request in requests]
    answers = first_answers()
    answered = [answers.to(line) for line in lines]
    assert [json.loads(one.text) if one else None for one in answered] == [json.loads(text) for text in await sdk(lines)]


@pytest.mark.parametrize("requests", [pytest.param(requests, id=name) for name, requests in LEFT_AFTERWARDS.items()])
def test_what_is_not_certain_afterwards_is_left_to_the_sdk(requests: list[dict[str, Any]]) -> None:
    answers = first_answers()
    answered = [answers.to(json.dumps(request)) for request in requests]
    assert [one is None for one in answered] == [False] * (len(requests) - 1) + [True]


def test_the_list_waits_for_the_tools_and_nothing_else_does(first_answer: FirstAnswers) -> None:
    for asked in (MODERN_LIST, discover(), MODERN_LIST):
        if asked is MODERN_LIST:
            with pytest.raises(NotYet):
                first_answer.to(json.dumps(asked))
        else:
            assert first_answer.to(json.dumps(asked)) is not None


async def test_without_instructions_there_are_none() -> None:
    answered = FirstAnswers(None).to(json.dumps(discover()))
    assert answered is not None
    assert "instructions" not in json.loads(answered.text)["result"]


@pytest.mark.parametrize("line", [pytest.param(line, id=name) for name, line in LEFT.items()])
def test_what_is_not_certain_is_left_to_the_sdk(first_answer: FirstAnswers, line: str) -> None:
    assert first_answer.to(line) is None


def test_another_release_of_the_sdk_is_asked_itself(first_answer: FirstAnswers, monkeypatch: pytest.MonkeyPatch) -> None:
    from sametask.protocols.mcp import first_answer as module

    real = module.metadata.version
    assert real("mcp").startswith(CHECKED_SDK)
    monkeypatch.setattr(module.metadata, "version", lambda name: "2.4.0" if name == "mcp" else real(name))
    assert first_answer.to(json.dumps(initialize())) is None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.sampled_from(["", "x", "2025-11-25", "é"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["listChanged", "form", "x"]), inner, max_size=2)
    ),
    max_leaves=4,
)


def places(value: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = [path]
    for name, inner in value.items() if isinstance(value, dict) else ():
        found += places(inner, (*path, name))
    return found


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """A host's request of which up to two values are others, or absent."""
    request = copy.deepcopy(draw(st.sampled_from(list(HOSTS.values()))))
    for _ in range(draw(st.integers(0, 2))):
        *path, last = draw(st.sampled_from([place for place in places(request) if place]))
        at = request
        for name in path:
            at = at[name]
        kind = draw(st.sampled_from(["other", "absent", "more"]))
        if kind == "absent":
            del at[last]
        elif kind == "more" and isinstance(at[last], dict):
            at[last][draw(st.sampled_from(["roots", "elicitation", "title", "progressToken", "_meta", "x"]))] = draw(VALUES)
        else:
            at[last] = draw(VALUES)
    return json.dumps(request, ensure_ascii=draw(st.booleans()))


@given(line=damaged())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_is_answered_the_sdk_would_have_answered_alike(sdk: Sdk, line: str) -> None:
    answered = first_answers(tools=False).to(line)
    if answered is not None:
        assert [answered.text] == await sdk([line])


class Written(LinesOut):
    def __init__(self) -> None:
        self.lines: list[str] = []

    async def write(self, text: str) -> None:
        self.lines.append(text)

    async def flush(self) -> None:
        pass


async def test_nothing_follows_the_first_request_before_the_sdk_has_settled_it_too(first_answer: FirstAnswers) -> None:
    line = json.dumps(discover())
    answered = first_answer.to(line)
    assert answered is not None
    reader = asyncio.StreamReader()
    reader.feed_data(b"third\n")
    reader.feed_eof()
    written = Written()
    once = AnsweredOnce(written)
    lines = HeldLines(deque(["before", line, "second"]), LinesIn(reader, written, 100), deque([answered]), once)
    assert [await anext(lines), await anext(lines)] == ["before", line]
    following = asyncio.create_task(anext(lines))
    await asyncio.wait([following], timeout=0.01)
    assert not following.done()
    await once.write(answered.text + "\n")
    assert [await following, await anext(lines)] == ["second", "third"]
    with pytest.raises(StopAsyncIteration):
        await anext(lines)


async def test_an_answer_that_the_sdk_would_have_given_otherwise_is_told_on_stderr(
    first_answer: FirstAnswers, capsys: pytest.CaptureFixture[str]
) -> None:
    answered = first_answer.to(json.dumps(discover()))
    assert answered is not None
    for text, told in ((answered.text, ""), ('{"jsonrpc":"2.0","id":"a","result":{}}', "the SDK would have answered")):
        written = Written()
        once = AnsweredOnce(written)
        once.drop(answered)
        asking = '{"jsonrpc":"2.0","id":"a","method":"elicitation/create"}\n'
        other = '{"jsonrpc":"2.0","id":1,"result":{}}\n'
        for line in (asking, other, text + "\n", text + "\n"):
            await once.write(line)
        assert written.lines == [asking, other, text + "\n"]
        assert told in capsys.readouterr().err
