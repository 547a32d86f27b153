"""Last-Event-ID of MCP 2025-11-25: a stream that broke is told its rest, by the same process, the next one, and another."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import mcp.types as t
import pytest
from mcp import Client
from mcp.server.streamable_http import EventMessage
from mcp.shared.message import ClientMessageMetadata
from sametask.agents.errors import ConnectionLost
from sametask.agents.events import Progress
from sametask.agents.loading import load_roster
from sametask.agents.runtime import open_engine
from sametask.measurements.wire.tap import WireTap
from sametask.protocols.mcp.event_store import Cursor, Events, Kept, decoded
from sametask.protocols.mcp.server import serve_http
from sametask.protocols.server_process import ServerOptions, ServerProcess, server_process
from sametask.protocols.variants import Bind, variants

AGENT = str(Path(__file__).with_name("counting_agent.py"))
VARIANT = "mcp-http-2025"
TO, STOP_AT = 6, 3
HEADERS = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}
HANDSHAKE: dict[str, Any] = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "raw", "version": "1"},
}


@dataclass
class Told:
    """What one stream told: the id of its last event, the numbers counted, and the answer to the call."""

    last_id: str = ""
    counted: list[float] = field(default_factory=list[float])
    answer: dict[str, Any] = field(default_factory=dict[str, Any])
    ids: list[str] = field(default_factory=list[str])


def server(folder: Path, port: int = 0) -> Any:
    options = ServerOptions((variants()[VARIANT],), f"sqlite:///{folder}/tasks.db", (AGENT,), port=port)
    return server_process(options)


def port_of(running: ServerProcess) -> int:
    return int(running.endpoints[VARIANT].listeners["http"].rpartition(":")[2])


@dataclass
class Session:
    """A session, spoken by hand."""

    http: httpx.AsyncClient
    url: str
    headers: dict[str, str]

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str) -> AsyncGenerator[Session]:
        async with httpx.AsyncClient(timeout=20, headers=HEADERS) as http:
            body = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": HANDSHAKE}
            response = await http.post(url, json=body)
            headers = {"Mcp-Session-Id": response.headers["mcp-session-id"]}
            session = cls(http, url, headers)
            ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
            assert (await http.post(url, json=ready, headers=headers)).status_code == 202
            yield session

    async def call(self, tool: str, arguments: dict[str, Any], until: float | None = None) -> Told:
        """Call a tool, and leave its stream once it has counted to `until`."""
        params = {"name": tool, "arguments": arguments, "_meta": {"progressToken": "p-1"}}
        body = {"jsonrpc": "2.0", "id": "call-1", "method": "tools/call", "params": params}
        async with self.http.stream("POST", self.url, json=body, headers=self.headers) as response:
            assert response.status_code == 200
            return await read(response, until)

    async def rest(self, last_id: str, until: float | None = None) -> Told:
        async with self.http.stream("GET", self.url, headers={**self.headers, "Last-Event-ID": last_id}) as response:
            assert response.status_code == 200, await response.aread()
            return await read(response, until)


async def read(response: httpx.Response, until: float | None) -> Told:
    told = Told()
    async for line in response.aiter_lines():
        name, _, rest = line.partition(": ")
        if name == "id":
            told.last_id = rest
            told.ids.append(rest)
        if name != "data" or not rest:
            continue
        message = json.loads(rest)
        if message.get("method") == "notifications/progress":
            assert message["params"]["progressToken"] == "p-1"
            if message["params"]["progress"]:  # the first names the task
                told.counted.append(message["params"]["progress"])
            if until is not None and told.counted[-1:] == [until]:
                return told
        elif "id" in message:
            assert message["id"] == "call-1"
            told.answer = message
            return told
    return told


def counting(folder: Path, **more: Any) -> dict[str, Any]:
    return {"to": TO, "stop_at": STOP_AT, "gate": str(folder / "gate"), **more}


def open_gate(folder: Path) -> None:
    (folder / "gate").touch()


async def test_a_stream_that_is_cut_is_told_its_rest(tmp_path: Path):
    async with server(tmp_path) as running, Session.open(running.endpoints[VARIANT].url) as session:
        told = await session.call("counting_count", counting(tmp_path), until=STOP_AT)
        assert told.counted == [1, 2, 3]
        open_gate(tmp_path)
        rest = await session.rest(told.last_id)
    assert rest.counted == [4, 5, 6]
    assert rest.answer["result"]["structuredContent"] == {"to": TO, "word": ""}


async def test_the_rest_is_told_of_ones_own_call_and_of_no_other_sessions(tmp_path: Path):
    """Every session counts its requests for itself: two have a call of the same id."""
    async with (
        server(tmp_path) as running,
        Session.open(url := running.endpoints[VARIANT].url) as ours,
        Session.open(url) as theirs,
    ):
        cut = await ours.call("counting_count", counting(tmp_path), until=STOP_AT)
        other = await theirs.call("counting_count", counting(tmp_path, to=2, stop_at=TO))
        assert other.answer["result"]["structuredContent"] == {"to": 2, "word": ""}
        open_gate(tmp_path)
        rest = await ours.rest(cut.last_id)
        stolen = await theirs.rest(cut.ids[0])
    assert (rest.counted, rest.answer["result"]["structuredContent"]) == ([4, 5, 6], {"to": TO, "word": ""})
    assert (stolen.counted, stolen.answer) == ([], {}), "an event id that another session was given tells nothing"


async def test_the_rest_is_told_by_the_process_that_comes_after_a_kill(tmp_path: Path):
    async with server(tmp_path) as first:
        port = port_of(first)
        async with Session.open(first.endpoints[VARIANT].url) as session:
            told = await session.call("counting_count", counting(tmp_path), until=STOP_AT)
        await first.kill()
    async with server(tmp_path, port) as second:
        open_gate(tmp_path)
        url = second.endpoints[VARIANT].url
        async with httpx.AsyncClient(timeout=20, headers=HEADERS) as http:
            dead = Session(http, url, session.headers)
            rest = await dead.rest(told.last_id)
            assert rest.counted == [4, 5, 6]
            assert rest.answer["result"]["structuredContent"] == {"to": TO, "word": ""}
            for before, seen in ((rest.ids[0], [5, 6]), (rest.ids[-2], []), (rest.ids[-1], [])):
                again = await dead.rest(before)
                assert (again.counted, again.answer) == (seen, rest.answer), "each event is a place to go on from"
            # Another request of the session that died is told so, as the revision wants.
            body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
            assert (await http.post(url, json=body, headers=session.headers)).status_code == 404


async def test_the_official_client_resumes_with_its_token_across_a_kill(tmp_path: Path):
    counted: list[float] = []

    async def hear(message: Any) -> None:
        if isinstance(message, t.ProgressNotification) and message.params.progress:
            counted.append(message.params.progress)

    async with server(tmp_path) as first:
        port = port_of(first)
        async with Session.open(first.endpoints[VARIANT].url) as session:
            told = await session.call("counting_count", counting(tmp_path), until=STOP_AT)
        await first.kill()
    async with server(tmp_path, port) as second:
        open_gate(tmp_path)
        async with Client(second.endpoints[VARIANT].url, mode="legacy", message_handler=hear) as client:
            request = t.CallToolRequest(params=t.CallToolRequestParams(name="counting_count", arguments={}))
            metadata = ClientMessageMetadata(resumption_token=told.last_id)
            result = await client.session.send_request(request, t.CallToolResult, metadata=metadata)
    assert counted == [4, 5, 6]
    assert result.structured_content == {"to": TO, "word": ""}


async def test_another_process_on_the_same_store_tells_it_too(tmp_path: Path):
    async with server(tmp_path) as one, server(tmp_path) as other, Session.open(one.endpoints[VARIANT].url) as session:
        told = await session.call("counting_count", counting(tmp_path), until=STOP_AT)
        open_gate(tmp_path)
        rest = await Session(session.http, other.endpoints[VARIANT].url, session.headers).rest(told.last_id)
    assert (told.counted, rest.counted) == ([1, 2, 3], [4, 5, 6])
    assert rest.answer["result"]["structuredContent"]["to"] == TO


async def test_the_call_that_waits_for_a_task_by_its_id_is_resumed_with_its_own_answer(tmp_path: Path):
    async with server(tmp_path) as first:
        port = port_of(first)
        async with Session.open(first.endpoints[VARIANT].url) as session:
            given = {"agent": "counting", "skill": "count", "input": counting(tmp_path, stop_at=TO - 1)}
            submitted = await session.call("task_submit", given)
            task_id = submitted.answer["result"]["structuredContent"]["id"]
            waiting = await session.call("counting_count", counting(tmp_path, stop_at=1), until=1)
            cursor = decoded(waiting.last_id)
            assert cursor is not None
            assert cursor.tool == "counting_count"
        await first.kill()
    async with server(tmp_path, port) as second, Session.open(second.endpoints[VARIANT].url) as session:
        open_gate(tmp_path)
        at_result = Cursor(task_id, 2, "call-1", "p-1", "task_result").encoded()
        rest = await session.rest(at_result)
    assert rest.answer["result"]["structuredContent"]["state"] == "completed"
    assert rest.answer["result"]["structuredContent"]["result"] == {"to": TO, "word": ""}


async def test_a_question_outlives_its_session_and_is_answered_in_another(tmp_path: Path):
    async with server(tmp_path) as first:
        port = port_of(first)
        async with Session.open(first.endpoints[VARIANT].url) as session:
            told = await session.call("counting_count", counting(tmp_path, ask=True), until=STOP_AT)
        await first.kill()
    async with server(tmp_path, port) as second, Session.open(second.endpoints[VARIANT].url) as session:
        open_gate(tmp_path)
        asked = await session.rest(told.last_id)
        question = asked.answer["result"]["_meta"]["sametask/question"]
        assert (asked.answer["result"]["isError"], question["text"]) == (True, "Which word?")
        answer = {"task_id": question["task_id"], "request_id": question["request_id"], "answer": {"word": "ten"}}
        assert not (await session.call("task_answer", answer)).answer["result"]["isError"]
        rest = await session.rest(asked.last_id)
    assert (asked.counted, rest.counted) == ([], [4, 5, 6])
    assert rest.answer["result"]["structuredContent"] == {"to": TO, "word": "ten"}


@pytest.mark.parametrize(
    ("event_id", "status", "says"),
    [
        (Cursor("no-such-task", 1, 1, 1, "counting_count").encoded(), 404, "task: 'no-such-task'"),
        ("t.garbled", 400, ""),
        ("t." + "A" * 40, 400, ""),
        ("another-server's", 400, ""),
    ],
)
async def test_an_event_id_that_is_none_of_ours_is_refused(tmp_path: Path, event_id: str, status: int, says: str):
    async with server(tmp_path) as running, httpx.AsyncClient(timeout=20, headers=HEADERS) as http:
        url = running.endpoints[VARIANT].url
        response = await http.get(url, headers={"Last-Event-ID": event_id})
        assert response.status_code == status
        assert says in response.json()["error"]["message"]
        if status == 404:
            evil = await http.get(url, headers={"Last-Event-ID": event_id, "Host": "evil.example"})
            assert evil.status_code == 421, "the check of the Host header comes before the task is looked for"


@pytest.mark.parametrize("given", ["", "t.", "t.e30", "x", "t." + Cursor("a", 1, 2, 3, "b").encoded()])
def test_what_is_no_cursor_is_not_read_as_one(given: str):
    assert decoded(given) is None


def test_a_cursor_keeps_what_is_a_number_and_what_is_a_text():
    for cursor in (Cursor("a", 1, 2, 3, "b"), Cursor("é", 0, "2", "3", "ü")):
        assert decoded(cursor.encoded()) == cursor


async def test_a_server_that_stops_ends_its_streams_without_a_word_and_the_next_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    roster, store = load_roster([AGENT]), f"sqlite:///{tmp_path}/tasks.db"
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(open_engine(store, roster))
        serving = serve_http(engine, Bind())
        session = await stack.enter_async_context(Session.open((await serving.__aenter__()).url))
        standing = await stack.enter_async_context(
            session.http.stream("GET", session.url, headers=session.headers)  # what a client listens on between its calls
        )
        assert standing.status_code == 200
        calling = asyncio.create_task(session.call("counting_count", counting(tmp_path)))
        while not (tasks := await engine.list()):  # noqa: ASYNC110 - a task that is not there yet has no events
            await asyncio.sleep(0)
        async for event in engine.events(tasks[0].id):
            if isinstance(event.body, Progress):
                break
        async with asyncio.timeout(20):
            await serving.__aexit__(None, None, None)
            cut = await calling
            assert [line async for line in standing.aiter_lines() if line.startswith("data: {")] == []
    assert cut.answer == {}, "a stream that is not finished does not look as if it were"
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    open_gate(tmp_path)
    async with (
        open_engine(store, roster) as engine,
        serve_http(engine, Bind()) as endpoint,
        httpx.AsyncClient(timeout=20, headers=HEADERS) as http,
    ):
        rest = await Session(http, endpoint.url, session.headers).rest(cut.last_id)
    assert cut.counted + rest.counted == [1, 2, 3, 4, 5, 6]
    assert rest.answer["result"]["structuredContent"] == {"to": TO, "word": ""}


async def test_what_is_stored_while_the_rest_is_sent_is_sent_too():
    """A reader that is slow while the call goes on: the SDK would go over to the live stream and lose what came in between."""
    events, sent = Events(Kept()), list[str]()
    first = await events.store_event("1", t.JSONRPCNotification(jsonrpc="2.0", method="notifications/a"))
    await events.store_event("1", t.JSONRPCNotification(jsonrpc="2.0", method="notifications/b"))
    later = iter(["c", "d"])

    async def slowly(told: EventMessage) -> None:
        sent.append(getattr(told.message, "method", "the answer"))
        await events.store_event("2", t.JSONRPCNotification(jsonrpc="2.0", method="notifications/of-another-call"))
        if (name := next(later, None)) is not None:
            await events.store_event("1", t.JSONRPCNotification(jsonrpc="2.0", method=f"notifications/{name}"))
        elif sent[-1] == "notifications/d":
            await events.store_event("1", t.JSONRPCResponse(jsonrpc="2.0", id=1, result={}))

    async with asyncio.timeout(20):
        assert await events.replay_events_after(first, slowly) is None
    assert sent == ["notifications/b", "notifications/c", "notifications/d", "the answer"]


async def test_a_session_that_the_server_has_forgotten_is_a_lost_connection(tmp_path: Path):
    """Not an error of the call: 404 says that a new session is to be begun, which is what a follower does."""
    engine_url = f"sqlite:///{tmp_path}/tasks.db"
    async with (
        open_engine(engine_url, load_roster([AGENT])) as engine,
        serve_http(engine, Bind()) as first,
        serve_http(engine, Bind()) as second,
        WireTap(first.listeners["http"]) as tap,
        variants()[VARIANT].connect()(f"http://{tap.address}/mcp") as client,
    ):
        task = await client.submit("counting", "count", counting(tmp_path))
        tap.target = second.listeners["http"]
        tap.cut_all()
        with pytest.raises(ConnectionLost):
            await client.get(task.id)
        async with variants()[VARIANT].connect()(f"http://{tap.address}/mcp") as again:
            assert (await again.get(task.id)).id == task.id
