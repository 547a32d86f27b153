"""The short way of a quick skill's call answers as the SDK does, and leaves to it whatever is not plainly such a call."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio
from sametask.agents import Agent, Roster, TaskEngine
from sametask.agents.loading import load_roster
from sametask.agents.runtime import open_engine
from sametask.protocols.mcp import quick, server
from sametask.protocols.mcp.quick import QuickCalls
from sametask.protocols.variants import Bind

from .conftest import TRIAL_AGENT

VERSION = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
INFO = "io.modelcontextprotocol/clientInfo"
GOOD_META: dict[str, Any] = {VERSION: "2026-07-28", CAPABILITIES: {}, INFO: {"name": "t", "version": "1"}}
Change = Callable[[dict[str, str], dict[str, Any]], Any]


@dataclass
class Sent:
    """A good call, changed: `headers`, and `body` as JSON or, where it is bytes, as it is."""

    headers: list[tuple[str, str]]
    body: bytes


def call(tool: str = "trial_echo", arguments: Any = None, meta: Any = None, **params: Any) -> dict[str, Any]:
    asked = {"name": tool, "arguments": {"text": "grüße\n\u2028"} if arguments is None else arguments}
    asked |= {"_meta": GOOD_META if meta is None else meta, **params}
    return {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": asked}


def sent(body: Any, /, *more: tuple[str, str], **headers: str | None) -> Sent:
    """`headers` replace the good ones, None leaves one out; `more` are sent besides."""
    name = body["params"].get("name", "") if isinstance(body, dict) and isinstance(body.get("params"), dict) else "trial_echo"
    good: dict[str, str | None] = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": "tools/call",
        "Mcp-Name": name,
    }
    good |= {key.replace("_", "-"): value for key, value in headers.items()}
    told = [(key, value) for key, value in good.items() if value is not None]
    return Sent([*told, *more], body if isinstance(body, bytes) else json.dumps(body).encode())


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in call().items() if name != key}


def meta(**changes: Any) -> dict[str, Any]:
    known = {"version": VERSION, "capabilities": CAPABILITIES, "info": INFO}
    changed = {known.get(key, key): value for key, value in changes.items()}
    return {key: value for key, value in (GOOD_META | changed).items() if value is not ...}


SHORT = {
    "a text": sent(call()),
    "a list and a default": sent(call("trial_join", {"words": ["a", "b"]})),
    "a text as its id": sent({**call(), "id": "seven"}),
    "a rejection": sent(call("trial_decline", {"text": "no"})),
    "an exception": sent(call("trial_stumble", {"text": "oh\nno"})),
    "no client info": sent(call(meta=meta(info=...))),
    "a capability": sent(call(meta=meta(capabilities={"elicitation": {}, "extensions": {"x/y": {}}}))),
    "a progress token": sent(call(meta=meta(progressToken="p"))),
    "the media types the other way round": sent(call(), Accept="text/event-stream,application/json"),
    "spaces around": sent(json.dumps(call(), indent=2).encode()),
}
LONG = {
    "an unknown tool": sent(call("trial_sing")),
    "a long skill": sent(call("trial_collapse", {"text": "x"})),
    "a wrong argument": sent(call(arguments={"text": "x" * 200})),
    "a missing argument": sent(call(arguments={})),
    "an unknown argument": sent(call(arguments={"txt": "x"})),
    "arguments that are a list": sent(call(arguments=["x"])),
    "no arguments": sent({**call(), "params": {"name": "trial_echo", "_meta": GOOD_META}}),
    "a name that is not the header's": sent(call(), Mcp_Name="trial_join"),
    "no name header": sent(call(), Mcp_Name=None),
    "an encoded name header": sent(call(), Mcp_Name="=?base64?dHJpYWxfZWNobw==?="),
    "two name headers": sent(call(), ("Mcp-Name", "trial_echo")),
    "a method that is not the header's": sent(call(), Mcp_Method="tools/list"),
    "no method header": sent(call(), Mcp_Method=None),
    "another version in the header": sent(call(), MCP_Protocol_Version="2027-01-01"),
    "another version in the body": sent(call(meta=meta(version="2027-01-01"))),
    "another version in both": sent(call(meta=meta(version="2027-01-01")), MCP_Protocol_Version="2027-01-01"),
    "no meta": sent({**call(), "params": {"name": "trial_echo", "arguments": {"text": "x"}}}),
    "no version in meta": sent(call(meta=meta(version=...))),
    "no capabilities": sent(call(meta=meta(capabilities=...))),
    "capabilities that are a list": sent(call(meta=meta(capabilities=[]))),
    "a capability of a wrong shape": sent(call(meta=meta(capabilities={"elicitation": 7}))),
    "client info of a wrong shape": sent(call(meta=meta(info={"name": 7}))),
    "client info that is null": sent(call(meta=meta(info=None))),
    "a progress token of a wrong shape": sent(call(meta=meta(progressToken=[1]))),
    "a key of meta that is not ours to read": sent(
        call(meta=meta(traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))
    ),
    "a field of params that is not known": sent(call(mood="good")),
    "an answer to a question": sent(call(inputResponses={})),
    "no json": sent(b"{"),
    "not utf-8": sent(b'{"jsonrpc":"2.0","id":1,"method":"\xff"}'),
    "half a surrogate": sent(json.dumps(call(arguments={"text": "\ud800"})).encode()),
    "nothing": sent(b""),
    "a batch": sent([call()]),
    "a notification": sent(without("id")),
    "no version of json-rpc": sent(without("jsonrpc")),
    "another version of json-rpc": sent({**call(), "jsonrpc": "1.0"}),
    "no method": sent(without("method")),
    "no params": sent(without("params")),
    "an id that is null": sent({**call(), "id": None}),
    "an id that is a truth": sent({**call(), "id": True}),
    "an id that is a fraction": sent({**call(), "id": 1.5}),
    "a field beside": sent({**call(), "extra": 1}),
    "json alone accepted": sent(call(), Accept="application/json"),
    "anything accepted": sent(call(), Accept="*/*"),
    "nothing said of what is accepted": sent(call(), Accept=None),
    "a preference": sent(call(), Accept="application/json;q=0.5, text/event-stream"),
    "another content type": sent(call(), Content_Type="text/plain"),
    "a charset": sent(call(), Content_Type="application/json; charset=utf-8"),
    "no content type": sent(call(), Content_Type=None),
    "another host": sent(call(), Host="evil.example"),
    "another port": sent(call(), Host="localhost:1"),
    "an origin": sent(call(), Origin="http://localhost:1"),
    "another origin": sent(call(), Origin="http://evil.example"),
    "a session": sent(call(), ("Mcp-Session-Id", "1")),
    "a parameter header": sent(call(), ("Mcp-Param-Text", "x")),
}


@dataclass
class Way:
    http: httpx.AsyncClient
    url: str

    async def ask(self, method: str, path: str, request: Sent) -> httpx.Response:
        return await self.http.request(method, self.url + path, content=request.body, headers=request.headers)


@asynccontextmanager
async def serving(engine: TaskEngine) -> AsyncGenerator[Way]:
    async with server.serve_http(engine, Bind()) as endpoint, httpx.AsyncClient(timeout=20) as http:
        http.headers.clear()
        yield Way(http, endpoint.url)


async def posted(way: Way, request: Sent) -> tuple[int, str, Any]:
    response = await way.ask("POST", "", request)
    kind = response.headers.get("content-type", "")
    body: Any = response.text
    if kind.startswith("application/json"):
        body = response.json()
    return response.status_code, kind, body


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ways() -> AsyncGenerator[tuple[Way, Way, list[str]]]:
    """The short way, the SDK's alone, and the skills that were called the short way."""
    taken: list[str] = []
    run = QuickCalls._run

    def counted(self: QuickCalls, skill: Any, request: Any) -> Any:
        taken.append(skill.name)
        return run(self, skill, request)

    async with open_engine("sqlite:///:memory:", load_roster([TRIAL_AGENT])) as engine, AsyncExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(QuickCalls, "_run", counted)
        short = await stack.enter_async_context(serving(engine))
        patch.setattr(server, "_quick_first", lambda app, *_: app)
        yield short, await stack.enter_async_context(serving(engine)), taken


@pytest.mark.parametrize("name", SHORT | LONG)
@pytest.mark.asyncio(loop_scope="module")
async def test_both_ways_answer_alike(ways: tuple[Way, Way, list[str]], name: str):
    short, long, taken = ways
    taken.clear()
    request = (SHORT | LONG)[name]
    for _ in range(2):  # the second time on what the first has found out about the caller
        assert await posted(short, request) == await posted(long, request)
    assert len(taken) == (2 if name in SHORT else 0)


@pytest.mark.asyncio(loop_scope="module")
async def test_no_other_method_path_or_revision_goes_the_short_way(ways: tuple[Way, Way, list[str]]):
    short, long, taken = ways
    taken.clear()
    request = sent(call())
    for method, path in (("GET", ""), ("DELETE", ""), ("PUT", ""), ("POST", "/"), ("POST", "/other")):
        one, other = [await way.ask(method, path, request) for way in (short, long)]
        assert (one.status_code, one.text) == (other.status_code, other.text)
    old = Sent([*request.headers[:2], ("MCP-Protocol-Version", "2025-11-25")], request.body)
    assert await posted(short, old) == await posted(long, old)
    assert not taken


async def test_a_client_that_leaves_cancels_the_skill():
    begun, ended = asyncio.Event(), asyncio.Event()
    agent = Agent("slow", description="Never answers.")

    @agent.skill
    async def wait() -> str:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return ""

    async with open_engine("sqlite:///:memory:", Roster([agent])) as engine, serving(engine) as way:
        asking = asyncio.create_task(posted(way, sent(call("slow_wait", {}))))
        async with asyncio.timeout(20):
            await begun.wait()
            asking.cancel()
            await ended.wait()


async def test_an_answer_that_takes_long_becomes_a_stream(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(quick, "PING_S", 0.05)
    go = asyncio.Event()
    agent = Agent("slow", description="Answers when it is told to.")

    @agent.skill
    async def wait() -> str:
        await go.wait()
        return "done"

    async with open_engine("sqlite:///:memory:", Roster([agent])) as engine, serving(engine) as way:
        request = sent(call("slow_wait", {}))
        async with (
            asyncio.timeout(20),
            way.http.stream("POST", way.url, content=request.body, headers=request.headers) as response,
        ):
            assert response.headers["content-type"] == "text/event-stream"
            lines = response.aiter_lines()
            assert await anext(lines) == ": ping"
            go.set()
            told = [line async for line in lines if line.startswith("data: ")]
    assert json.loads(told[0][6:])["result"]["structuredContent"] == {"result": "done"}
