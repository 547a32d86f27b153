"""A broken transport is ConnectionLost to the call that was made on it: no CancelledError, no ExceptionGroup, no hang."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import pytest
from pydantic import BaseModel
from sametask.agents import Agent, Roster, TaskContext
from sametask.agents.errors import ConnectionLost
from sametask.agents.events import Progress, TaskState
from sametask.agents.runtime import open_engine
from sametask.protocols.client import ClientSettings
from sametask.protocols.following import Follower
from sametask.protocols.mcp.client import connect_http
from sametask.protocols.mcp.questions import form
from sametask.protocols.mcp.server import serve_http
from sametask.protocols.mcp.status import after, detailed, progress_of, task_of
from sametask.protocols.mcp.wire import DetailedTask
from sametask.protocols.variants import Bind

Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def peer(behaviour: Peer) -> AsyncGenerator[str]:
    async with await asyncio.start_server(behaviour, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}/mcp"


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.close()


async def half_an_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
    await writer.drain()
    writer.close()


async def a_stream_cut_short(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n: ping\r\n\r\n")
    await writer.drain()
    writer.close()


async def not_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.write(b"SSH-2.0-OpenSSH_9.9\r\n")
    await writer.drain()
    writer.close()


@pytest.mark.parametrize("behaviour", [hang_up, half_an_answer, a_stream_cut_short, not_http])
async def test_a_peer_that_breaks_off_is_a_lost_connection(behaviour):
    async with peer(behaviour) as url, connect_http(url) as client:
        for call in (client.get("t"), client.call("a", "b", {}), client.submit("a", "b", {}), client.wait("t")):
            with pytest.raises(ConnectionLost):
                await call
        with pytest.raises(ConnectionLost):
            async for _ in client.events("t"):
                pass


async def test_a_peer_that_is_not_there_is_named():
    async with peer(hang_up) as url:
        pass
    async with connect_http(url) as client:
        with pytest.raises(ConnectionLost, match=url):
            await client.discover()


async def test_a_silent_peer_is_given_up_after_the_timeout():
    silent = asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await silent.wait()
        writer.close()

    async with peer(wait) as url:
        async with connect_http(url, ClientSettings(request_timeout_s=0.05)) as client:
            with pytest.raises(ConnectionLost, match="timed out"):
                await client.get("t")
        async with connect_http(url, ClientSettings(idle_timeout_s=0.05)) as client:
            with pytest.raises(ConnectionLost, match=r"silent for 0\.05 s"):
                async for _ in client.events("t"):
                    pass
        silent.set()


class Nothing(BaseModel):
    pass


def waiter(opened: asyncio.Event) -> Roster:
    agent = Agent("waiter", description="Waits", version="1")

    @agent.skill
    async def wait(request: Nothing, task: TaskContext) -> Nothing:
        await task.progress(1, 2, "waiting")
        await opened.wait()
        return Nothing()

    return Roster([agent])


async def test_a_follower_goes_on_where_another_server_took_over(tmp_path):
    opened, url = asyncio.Event(), f"sqlite:///{tmp_path}/tasks.db"
    addresses: list[str] = []
    states: list[TaskState | None] = []
    async with open_engine(url, waiter(opened)) as engine:
        follower = Follower(lambda: connect_http(addresses[-1]))
        second = asyncio.Event()

        async def first_server() -> None:
            async with serve_http(engine, Bind()) as endpoint:
                addresses.append(endpoint.url)
                ready.set()
                await second.wait()

        ready = asyncio.Event()
        serving = asyncio.create_task(first_server())
        await ready.wait()
        async with serve_http(engine, Bind()) as other:
            async for event in follower.run("waiter", "wait", {}):
                states.append(event.state)
                if isinstance(event.body, Progress) and not second.is_set():
                    addresses.append(other.url)
                    second.set()
                    await serving
                    opened.set()
    assert follower.lost_count == 1
    assert states[-1] is TaskState.COMPLETED


async def test_a_status_crosses_the_wire_and_back():
    opened = asyncio.Event()
    opened.set()
    roster = waiter(opened)
    async with open_engine("sqlite:///:memory:", roster) as engine:
        task = await engine.submit(roster.skill("waiter", "wait"), Nothing())
        async for event in engine.events(task.id, task.last_seq):
            task = after(task, event)
        assert task == await engine.get(task.id)
        told = task_of(DetailedTask.model_validate(detailed(task, 200), by_name=False))
    assert (told.id, told.state, told.result) == (task.id, task.state, task.result)
    assert told.created_at == pytest.approx(task.created_at, abs=1e-5)


@pytest.mark.parametrize(
    ("message", "progress"),
    [
        ("3", Progress(done=3)),
        ("3/5", Progress(done=3, total=5)),
        ("0.5/1 half / way", Progress(done=0.5, total=1, text="half / way")),
        ("1234567/7654321 rows", Progress(done=1234567, total=7654321, text="rows")),
        ("1e+20/1e+21 atoms", Progress(done=1e20, total=1e21, text="atoms")),
        ("almost there", Progress(done=0, text="almost there")),
        ("1.2.3 released", Progress(done=0, text="1.2.3 released")),
        (None, None),
    ],
)
def test_a_status_message_is_read_as_progress(message, progress):
    assert progress_of(message) == progress


def test_a_form_has_only_what_elicitation_allows():
    class Answer(BaseModel):
        count: int
        note: str | None = None

    schema = Answer.model_json_schema()
    properties = form(schema)["properties"]
    assert properties["count"] == schema["properties"]["count"]
    assert properties["note"]["type"] == "string"
    assert "anyOf" not in properties["note"]


async def test_a_stream_that_broke_is_told_at_once_without_waiting_for_its_transport_to_end(monkeypatch):
    monkeypatch.setattr("sametask.protocols.mcp.connection.TOLD_S", 3600.0)
    async with peer(a_stream_cut_short) as url, connect_http(url) as client:
        with pytest.raises(ConnectionLost, match="SSE stream ended"), anyio.fail_after(30):
            async for _ in client.events("t"):
                pass
