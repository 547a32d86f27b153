"""A client with `as_library` does what its protocol's library does out of the box, and each variant tells what that is."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import fields, replace
from functools import partial
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import anyio
import grpc.aio
import httpx
import pytest
from a2a.client import ClientCallContext, ClientFactory
from mcp import Client
from mcp.client.streamable_http import MAX_RECONNECTION_ATTEMPTS
from mcp.shared._httpx_utils import create_mcp_http_client
from sametask.agents.errors import ConnectionLost
from sametask.agents.events import ArtifactEmitted, Event, Snapshot, StateChanged, TaskState
from sametask.agents.loading import load_roster
from sametask.agents.runtime import open_engine
from sametask.protocols.client import AgentClient, ClientSettings
from sametask.protocols.grpc_listening import channel
from sametask.protocols.library_timeouts import scale_timeouts
from sametask.protocols.server_process import ServerOptions
from sametask.protocols.variants import Bind, Variant, variants

PROBE = ("sametask.measurements.probe:agent",)
SERVED = {name: variant for name, variant in variants().items() if variant.server}
TIMED = {name: variant for name, variant in SERVED.items() if variant.default_timeout_s is not None}
PINGED = [name for name, variant in SERVED.items() if variant.ping_s is not None]
WITH_TASKS = [name for name, variant in TIMED.items() if "tasks" not in variant.lacks]

SCALED_S = 1.0
"""What the library's timeout comes to where a test has to see it pass."""
SILENT = {"steps": 1, "step_ms": 60_000}
SILENT_FOR_A_WHILE = {"steps": 1, "step_ms": 1_500}
"""For longer than `SCALED_S`."""
SILENT_FOR_A_MOMENT = {"steps": 1, "step_ms": 300}
"""For longer than anything in `IMPATIENT`."""
IMPATIENT = ClientSettings(connect_timeout_s=0.05, request_timeout_s=0.05, idle_timeout_s=0.05, as_library=True)
"""Our own timeouts, none of which is to be heard of."""

Open = Callable[[ClientSettings], AbstractAsyncContextManager[AgentClient]]


@asynccontextmanager
async def serving(variant: Variant, folder: Path) -> AsyncGenerator[Open]:
    """Yields what opens a client; the server has answered once already, and is no longer slow for being new."""
    engine_url = f"sqlite:///{folder}/tasks.db"
    with anyio.fail_after(60):
        if not variant.listeners:
            yield partial(variant.connect(), ServerOptions((variant,), engine_url, PROBE).stdio_url)
            return
        async with open_engine(engine_url, load_roster(PROBE)) as engine, variant.serve()(engine, Bind()) as endpoint:
            connect = partial(variant.connect(), variant.address(endpoint.listeners))
            async with connect(ClientSettings()) as client:
                await done(client.stream("probe", "work", {"steps": 1, "step_ms": 0}))
            yield connect


def scaled(variant: Variant) -> ClientSettings:
    assert variant.default_timeout_s is not None
    return ClientSettings(as_library=True, time_scale=SCALED_S / variant.default_timeout_s)


async def hear(events: AsyncIterator[Event], told: list[Event]) -> None:
    async for event in events:
        told.append(event)


async def done(events: AsyncIterator[Event]) -> Any:
    """The result that a stream ends with."""
    told: list[Event] = []
    await hear(events, told)
    last = told[-1].body
    if isinstance(last, Snapshot):
        assert last.task.state is TaskState.COMPLETED
        return last.task.result
    assert isinstance(last, StateChanged)
    assert last.state is TaskState.COMPLETED
    assert any(isinstance(event.body, ArtifactEmitted) for event in told)
    return last.result


async def works(client: AgentClient) -> None:
    """A task is silent for a moment, and has its result, followed or called."""
    followed = done(client.stream("probe", "work", SILENT_FOR_A_MOMENT))
    called = client.call("probe", "work", SILENT_FOR_A_MOMENT)
    assert [report["steps"] for report in await asyncio.gather(followed, called)] == [1, 1]


@pytest.mark.parametrize("name", SERVED)
async def test_a_quick_call_and_a_short_task_go_through(name: str, tmp_path: Path):
    async with serving(SERVED[name], tmp_path) as connect, connect(IMPATIENT) as client:
        assert await client.discover()
        assert await client.call("probe", "echo", {"text": "ever"}) == {"text": "ever"}
        await works(client)


@pytest.mark.parametrize("name", TIMED)
async def test_a_task_that_is_silent_for_longer_than_the_librarys_timeout_is_a_lost_connection(name: str, tmp_path: Path):
    told: list[Event] = []
    asked_again: list[ConnectionLost] = []
    settings = replace(scaled(SERVED[name]), on_lost=asked_again.append)
    async with serving(SERVED[name], tmp_path) as connect, connect(settings) as client:
        with pytest.raises(ConnectionLost):
            await hear(client.stream("probe", "work", SILENT), told)
    assert bool(told) is (name in WITH_TASKS), "it was lost while the task was silent, and not before"
    assert not any(event.final for event in told)
    assert len(asked_again) == (MAX_RECONNECTION_ATTEMPTS if name == "mcp-http-2025" else 0)


@pytest.mark.parametrize("name", [name for name in SERVED if name not in TIMED])
async def test_a_library_without_a_timeout_waits_on_any_scale(name: str, tmp_path: Path):
    async with serving(SERVED[name], tmp_path) as connect, connect(replace(IMPATIENT, time_scale=1e-3)) as client:
        await works(client)


@pytest.mark.parametrize("name", PINGED)
async def test_pings_that_come_sooner_than_the_timeout_let_a_client_wait(name: str, tmp_path: Path, monkeypatch):
    for module, place, _ in PINGS.values():
        monkeypatch.setattr(f"{module}.{place}", SCALED_S / 10)
    async with serving(SERVED[name], tmp_path) as connect, connect(scaled(SERVED[name])) as client:
        assert (await done(client.stream("probe", "work", SILENT_FOR_A_WHILE)))["steps"] == 1


@pytest.mark.parametrize("name", WITH_TASKS)
async def test_a_wait_is_given_up_too_unless_it_polls(name: str, tmp_path: Path):
    polls = name in {"mcp-http", "stock-fastapi"}
    async with serving(SERVED[name], tmp_path) as connect, connect(scaled(SERVED[name])) as client:
        task = await client.submit("probe", "work", SILENT_FOR_A_WHILE if polls else SILENT)
        if polls:
            assert (await client.wait(task.id)).state is TaskState.COMPLETED
        else:
            with pytest.raises(ConnectionLost):
                await client.wait(task.id)


def of_httpx() -> float | None:
    return httpx.AsyncClient().timeout.read


def of_a2a_on_httpx() -> float | None:
    factory: Any = ClientFactory()
    made, is_ours = factory._resolve_http_client()
    assert not is_ours
    return made.timeout.read


def of_mcp_on_http() -> float | None:
    assert of_mcp() is None, "the session has no timeout beside the transport's"
    return create_mcp_http_client().timeout.read


def of_mcp() -> float | None:
    (default,) = (field.default for field in fields(Client) if field.name == "read_timeout_seconds")
    return default


def of_grpc() -> float | None:
    for calls in (grpc.aio.UnaryUnaryMultiCallable, grpc.aio.UnaryStreamMultiCallable):
        assert inspect.signature(calls.__call__).parameters["timeout"].default is None
    return None


def of_a2a_on_grpc() -> float | None:
    assert of_grpc() is None
    return ClientCallContext().timeout


DEFAULTS = {
    "rest": of_httpx,
    "mcp-http": of_mcp_on_http,
    "mcp-http-2025": of_mcp_on_http,
    "mcp-stdio": of_mcp,
    "mcp-stdio-2025": of_mcp,
    "a2a-grpc": of_a2a_on_grpc,
    "a2a-grpc+resume": of_a2a_on_grpc,
    "a2a-jsonrpc": of_a2a_on_httpx,
    "a2a-http": of_a2a_on_httpx,
    "grpc": of_grpc,
}
OURS, SDK = "sametask.protocols.sse", "mcp.server._streamable_http_modern"
PINGS = {
    "ours": (OURS, "KEEP_ALIVE_S", {"rest", "a2a-jsonrpc", "a2a-http"}),
    "the SDK's": (SDK, "_SSE_PING_INTERVAL", {"mcp-http", "stock-fastmcp"}),
    "sse-starlette's": (
        "sse_starlette.sse",
        "EventSourceResponse.DEFAULT_PING_INTERVAL",
        {"mcp-http-2025", "stock-a2a-jsonrpc"},
    ),
    "FastAPI's": ("fastapi.routing", "_PING_INTERVAL", {"stock-fastapi"}),
}
"""Where the interval of a server's pings stands, and the variants whose server it is."""


@pytest.mark.parametrize("name", SERVED)
def test_what_is_told_of_the_timeout_is_the_librarys_own(name: str):
    assert SERVED[name].default_timeout_s == DEFAULTS[SERVED[name].stock_of or name]()


def test_what_is_told_of_the_pings_is_the_servers_own():
    told: dict[str, float | None] = dict.fromkeys(SERVED)
    for module, place, names in PINGS.values():
        found: Any = import_module(module)
        for part in place.split("."):
            found = getattr(found, part)
        told |= dict.fromkeys(names, float(found))
    assert {name: variant.ping_s for name, variant in SERVED.items()} == told


def test_a_silent_task_is_waited_for_where_pings_come_sooner_than_the_timeout():
    given_up = {name: variant.default_silence_s for name, variant in SERVED.items() if variant.default_silence_s is not None}
    assert given_up == dict.fromkeys(("rest", "a2a-jsonrpc", "a2a-http", "stock-fastapi", "stock-a2a-jsonrpc"), 5.0)


@pytest.mark.parametrize("name", variants())
def test_the_sentence_names_the_installed_release_and_the_numbers(name: str):
    variant = variants()[name]
    assert re.fullmatch(r"[^\n]+\.", variant.library)
    named = re.findall(r"(httpx|mcp|a2a-sdk|grpcio) (\d+\.\d+)", variant.library)
    assert bool(named) is bool(variant.server)
    for library, release in named:
        assert metadata.version(library).startswith(f"{release}.")
    numbers = {float(number) for number in re.findall(r"(\d+) s\b", variant.library)}
    assert numbers == {variant.default_timeout_s, variant.ping_s} - {None}


def test_a_scale_of_one_leaves_the_librarys_own_timeout():
    http = httpx.AsyncClient()
    own = http.timeout
    scale_timeouts(http, 1.0)
    assert http.timeout is own
    scale_timeouts(http, 0.5)
    assert http.timeout == httpx.Timeout(2.5)
    http.timeout = None
    scale_timeouts(http, 0.5)
    assert http.timeout == httpx.Timeout(None)


def test_a_channel_has_no_option_of_ours(monkeypatch):
    given: list[Any] = []
    monkeypatch.setattr(grpc.aio, "insecure_channel", lambda *args, **kwargs: given.append((args, kwargs)))
    channel("127.0.0.1:1", ClientSettings(as_library=True), idempotent=["a/b"])
    assert given == [(("127.0.0.1:1",), {})]
