"""The event stream of REST: its bytes, its resumption, and what a reader is told when it stops before the task does."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncGenerator

import httpx
import pytest
from httpx_sse import EventSource, ServerSentEvent
from sametask.agents import TaskEngine
from sametask.agents.errors import ConnectionLost, InvalidInput, NotFound, SametaskError, TooLarge, Unavailable, UnknownTask
from sametask.agents.events import Event, Snapshot
from sametask.protocols import sse
from sametask.protocols.client import ClientSettings
from sametask.protocols.rest.client import connect
from sametask.protocols.rest.server import serve
from sametask.protocols.variants import Bind

SIMULATE_PATH = "/agents/prefix_cache/skills/simulate"
SIMULATE = {"synthetic": {"request_count": 2500}}
ASKING = {"synthetic": {"request_count": 500}, "capacity_blocks": 20, "confirm": True}
STREAM = {"Accept": "text/event-stream"}


@pytest.fixture
async def url(trial_engine: TaskEngine) -> AsyncGenerator[str]:
    async with serve(trial_engine, Bind()) as endpoint:
        yield endpoint.url


@pytest.fixture
async def http(url: str) -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=url, verify=False, timeout=20) as client:
        yield client


async def messages_of(response: httpx.Response) -> list[ServerSentEvent]:
    assert response.headers["content-type"].startswith("text/event-stream")
    return [message async for message in EventSource(response).aiter_sse()]


async def read(http: httpx.AsyncClient, path: str, **headers: str) -> list[ServerSentEvent]:
    async with http.stream("GET", path, headers=headers) as response:
        return await messages_of(response)


def wire(messages: list[ServerSentEvent]) -> list[tuple[str, str, str]]:
    return [(message.id, message.event, message.data) for message in messages]


async def test_a_submission_that_accepts_events_is_one_exchange(http: httpx.AsyncClient):
    async with http.stream("POST", SIMULATE_PATH, json=SIMULATE, headers=STREAM) as response:
        messages = await messages_of(response)
    assert response.status_code == 200
    snapshot = Event.model_validate_json(messages[0].data)
    assert (messages[0].event, messages[0].id) == ("snapshot", "")
    assert isinstance(snapshot.body, Snapshot)
    assert response.headers["location"] == f"/tasks/{snapshot.body.task.id}"
    assert [message.id for message in messages[1:]] == [str(n) for n in range(1, len(messages))]
    assert [message.event for message in messages[1:]] == ["state"] * 2 + ["artifact", "progress"] * 3 + ["state"]
    assert json.loads(messages[-1].data)["body"]["state"] == "completed"


async def test_a_stream_resumes_after_the_last_event_id(http: httpx.AsyncClient):
    location = (await http.post(SIMULATE_PATH, json=SIMULATE)).headers["location"]
    whole = await read(http, f"{location}/events")
    log = wire(whole)
    assert wire(await read(http, f"{location}/events", **{"Last-Event-ID": "3"})) == log[3:]
    assert wire(await read(http, f"{location}/events?after=5")) == log[5:]
    assert wire(await read(http, f"{location}/events?after=5", **{"Last-Event-ID": "3"})) == log[3:]
    # WHATWG HTML 9.2.3: 204 is what tells an EventSource to stop reconnecting.
    ended = await http.get(f"{location}/events", headers={"Last-Event-ID": whole[-1].id})
    assert (ended.status_code, ended.content) == (204, b"")
    refused = await http.get(f"{location}/events", headers={"Last-Event-ID": "three"})
    assert (refused.status_code, refused.json()["details"]["field"]) == (422, "Last-Event-ID")


async def test_a_stream_ends_at_an_open_question_and_waits_when_it_was_seen(http: httpx.AsyncClient):
    location = (await http.post(SIMULATE_PATH, json=ASKING)).headers["location"]
    asked = await read(http, f"{location}/events")
    question = json.loads(asked[-1].data)["body"]["question"]
    async with http.stream("GET", f"{location}/events", headers={"Last-Event-ID": asked[-1].id}) as response:
        await http.put(f"{location}/answers/{question['request_id']}", json={"choice": "grow"})
        rest = await messages_of(response)
    assert json.loads(rest[-1].data)["body"]["state"] == "completed"
    assert wire(await read(http, f"{location}/events")) == wire(asked + rest)  # an answered question does not end a replay


async def test_a_silent_stream_is_kept_alive(http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch):
    location = (await http.post(SIMULATE_PATH, json=ASKING)).headers["location"]
    asked = await read(http, f"{location}/events")
    monkeypatch.setattr(sse, "KEEP_ALIVE_S", 0.01)
    async with http.stream("GET", f"{location}/events", headers={"Last-Event-ID": asked[-1].id}) as response:
        chunks = response.aiter_bytes()
        assert [await anext(chunks), await anext(chunks)] == [b": keep-alive\n\n"] * 2


async def test_draining_ends_open_streams_and_they_do_not_look_finished(trial_engine: TaskEngine):
    async with contextlib.AsyncExitStack() as server:
        endpoint = await server.enter_async_context(serve(trial_engine, Bind()))
        async with httpx.AsyncClient(base_url=endpoint.url, verify=False, timeout=20) as http, connect(endpoint.url) as client:
            task = await client.submit("prefix_cache", "simulate", ASKING)
            waiting = await client.wait(task.id)
            seen = str(waiting.last_seq)
            async with http.stream("GET", f"/tasks/{task.id}/events", headers={"Last-Event-ID": seen}) as response:
                polled = asyncio.create_task(client.wait(await _busy(client)))
                follower = asyncio.create_task(_all(client.events(task.id, waiting.last_seq)))
                while not trial_engine._followers:  # noqa: ASYNC110 - the engine offers no event for a follower's arrival
                    await asyncio.sleep(0)
                async with asyncio.timeout(10):
                    await server.aclose()
                messages = await messages_of(response)
            assert [message.event for message in messages] == ["problem"]
            assert messages[0].id in ("", seen)
            assert json.loads(messages[0].data)["code"] == "unavailable"
            with pytest.raises(ConnectionLost):
                await follower
            with pytest.raises(ConnectionLost):
                await polled
    assert (await trial_engine.get(task.id)).state == "input_required"


async def _busy(client) -> str:
    models = {"input_price": 0.1, "output_price": 0.2, "easiest_quality": 0.9, "hardest_quality": 0.2}
    request = {
        "synthetic": {"query_count": 2},
        "weak": {"name": "w", **models},
        "strong": {"name": "s", **models},
        "thresholds": 10_000,
        "min_quality": 0.1,
    }
    return (await client.submit("model_router", "tune", request)).id


async def _all(events) -> list[Event]:
    return [event async for event in events]


@contextlib.asynccontextmanager
async def answering(reply: bytes, *, hang: bool = False) -> AsyncGenerator[str]:
    """A peer that answers any request with these bytes and then closes, or says nothing more."""
    gone = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        await writer.drain()
        if hang:
            await gone.wait()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        try:
            yield f"http://{host}:{port}"
        finally:
            gone.set()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
WORKING = b'id: 1\nevent: state\ndata: {"seq":1,"body":{"type":"state","state":"working"}}\n\n'
COMPLETED = b'id: 2\nevent: state\ndata: {"seq":2,"body":{"type":"state","state":"completed","result":1}}\n\n'


def chunked(*chunks: bytes) -> bytes:
    return HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks)


@pytest.mark.parametrize(
    "reply",
    [
        chunked(WORKING) + b"0\r\n\r\n",  # a clean end, before the task's
        chunked(WORKING),  # cut between two events
        chunked(WORKING)[:-20],  # cut within one
        HEAD + b"\r\n" + WORKING + COMPLETED[:-1],  # closed before the last event is whole
        HEAD + b"\r\n",
        b"",
        b"HTTP/1.1 200",
    ],
)
async def test_a_stream_that_stops_early_is_a_connection_lost(reply: bytes):
    async with answering(reply) as url, connect(url) as client:
        with pytest.raises(ConnectionLost):
            await _all(client.events("t"))


async def test_a_cut_after_the_terminal_event_loses_nothing():
    async with answering(chunked(WORKING, COMPLETED)) as url, connect(url) as client:
        assert [event.seq for event in await _all(client.events("t"))] == [1, 2]


async def test_a_silence_beyond_the_limit_is_a_connection_lost():
    settings = ClientSettings(idle_timeout_s=0.05)
    async with answering(chunked(WORKING), hang=True) as url, connect(url, settings) as client:
        with pytest.raises(ConnectionLost, match="ReadTimeout"):
            await _all(client.events("t"))


async def test_a_head_that_never_comes_is_a_connection_lost_though_streams_may_be_silent_for_ever():
    settings = ClientSettings(request_timeout_s=0.05, idle_timeout_s=None)
    async with answering(b"", hang=True) as url, connect(url, settings) as client:
        with pytest.raises(ConnectionLost, match="ReadTimeout"):
            await _all(client.events("t"))


async def test_a_peer_that_is_not_there_is_a_connection_lost():
    async with answering(b"") as url:
        pass
    async with connect(url) as client:
        for made in (client.discover(), client.get("t"), client.call("a", "s", {}), _all(client.stream("a", "s", {}))):
            with pytest.raises(ConnectionLost):
                await made


@pytest.mark.parametrize(
    ("reply", "cls", "message"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone", NotFound, "gone"),
        (b"HTTP/1.1 422 X\r\nContent-Length: 0\r\n\r\n", InvalidInput, "HTTP status 422"),
        (b'HTTP/1.1 500 X\r\nContent-Length: 19\r\n\r\n{"title": "Broken"}', SametaskError, "Broken"),
        (b"HTTP/1.1 503 X\r\nContent-Length: 2\r\n\r\n[]", Unavailable, "[]"),
    ],
)
async def test_a_server_that_is_not_ours_is_understood_by_its_status(reply: bytes, cls: type[SametaskError], message: str):
    async with answering(reply) as url, connect(url) as client:
        with pytest.raises(cls, match=re.escape(message)) as caught:
            await client.get("t")
        assert type(caught.value) is cls


async def test_an_answer_over_the_clients_limit_is_refused(url: str):
    async with connect(url, ClientSettings(max_message_bytes=1000)) as client:
        with pytest.raises(TooLarge, match="at most 1000 bytes"):
            await client.discover()


@pytest.mark.parametrize("wrong", ["", "localhost:80", "ftp://x", "http://", "http://x:notaport", "http://[::1"])
async def test_a_url_that_is_none_is_refused_before_anything_is_sent(wrong: str):
    with pytest.raises(InvalidInput, match=r"url: .* is not accepted; accepted: http"):
        await connect(wrong).__aenter__()


async def test_a_call_of_a_long_skill_waits_for_its_result_and_its_error(url: str):
    async with connect(url) as client:
        assert (await client.call("trial", "produce", {"count": 1})) == {"names": ["artifact-0"]}
        with pytest.raises(SametaskError, match="LookupError: oh"):
            await client.call("trial", "collapse", {"text": "oh"})


async def test_a_quick_skill_is_no_task(url: str):
    async with connect(url) as client:
        for made in (client.submit("trial", "echo", {"text": "x"}), _all(client.stream("trial", "echo", {"text": "x"}))):
            with pytest.raises(InvalidInput, match="a long skill is accepted"):
                await made


async def test_names_and_keys_that_a_path_or_header_cannot_carry(url: str):
    async with connect(url) as client:
        with pytest.raises(UnknownTask):
            await client.get("")
        with pytest.raises(UnknownTask, match=r"'a\?b#c'"):
            await client.get("a?b#c")
        with pytest.raises(InvalidInput, match="printable ASCII"):
            await client.submit("prefix_cache", "simulate", SIMULATE, key="schlüssel")
        with pytest.raises(InvalidInput, match="1 to 512"):
            await client.submit("prefix_cache", "simulate", SIMULATE, key="")
        for value in ("\ud800", object()):
            with pytest.raises(InvalidInput, match="a value that JSON can carry"):
                await client.call("trial", "echo", {"text": value})
