"""Serving several variants together, a server in a process of its own, and what a call makes of a task."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
from pathlib import Path

import pytest
from sametask.agents.contract import Roster
from sametask.agents.errors import Conflict, InvalidInput, SametaskError, Unavailable
from sametask.agents.events import ErrorInfo, OpenQuestion, Task, TaskState
from sametask.agents.runtime import open_engine
from sametask.agents.team.prefix_cache import agent
from sametask.protocols import server_process as module
from sametask.protocols.client import outcome
from sametask.protocols.server_process import ServerOptions, server_process
from sametask.protocols.serving import servable, serve_all
from sametask.protocols.variants import Bind, Variant, variants

MEMORY = "sqlite:///:memory:"
PLAN = {"layers": 2, "kv_heads": 2, "head_dim": 2, "memory_bytes": 2**20}
LISTENING = [variant for variant in variants().values() if variant.listeners]


def of(*names: str) -> tuple[Variant, ...]:
    return tuple(variants()[name] for name in names)


async def test_every_listening_variant_is_served_together_over_one_engine():
    async with open_engine(MEMORY, Roster([agent])) as engine, serve_all(engine, LISTENING, Bind()) as endpoints:
        assert list(endpoints) == [variant.name for variant in LISTENING]
        for variant in LISTENING:
            endpoint = endpoints[variant.name]
            assert set(endpoint.listeners) == set(variant.listeners)
            async with variant.connect()(endpoint.url) as client:
                assert (await client.call("prefix_cache", "plan", PLAN))["blocks"] > 0
        servers = {variant.server: endpoints[variant.name].listeners for variant in LISTENING}
        addresses = [address for listeners in servers.values() for address in listeners.values()]
        assert len(set(addresses)) == len(addresses), "every listener of every server has an address of its own"
        assert all(endpoints[variant.name].listeners == servers[variant.server] for variant in LISTENING)


async def test_a_port_in_use_closes_what_was_open_already():
    with socket.socket() as first, socket.socket() as taken:
        first.bind(("127.0.0.1", 0))
        port = first.getsockname()[1]
        try:
            taken.bind(("127.0.0.1", port + 1))
        except OSError:
            pytest.skip(f"port {port + 1} is in use")
        taken.listen()
        first.close()
        async with open_engine(MEMORY, Roster([agent])) as engine:
            with pytest.raises(Unavailable, match=f"127.0.0.1:{port + 1} cannot be bound"):
                async with serve_all(engine, of("rest", "grpc"), Bind(port=port)):
                    pass
        with socket.socket() as again:
            again.bind(("127.0.0.1", port))


@pytest.mark.parametrize(("port", "names"), [(65_535, ("rest", "grpc")), (65_534, ("rest", "a2a-grpc"))])
async def test_ports_end_at_65535(port: int, names: tuple[str, ...]):
    async with open_engine(MEMORY, Roster([agent])) as engine:
        with pytest.raises(InvalidInput, match=f"port: {port} is not accepted; accepted: up to"):
            async with serve_all(engine, of(*names), Bind(port=port)):
                pass


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (
            ["soap"],
            "one or more of: rest, mcp-http, mcp-stdio, mcp-http-2025, mcp-stdio-2025, "
            "a2a-grpc, a2a-grpc+resume, a2a-jsonrpc, a2a-http, grpc",
        ),
        (["inproc"], "one or more of: rest"),
        (["rest", "rest"], "each variant once"),
        (["rest", "mcp-stdio"], "alone"),
    ],
)
def test_a_set_that_cannot_be_served_is_refused(names: list[str], says: str):
    with pytest.raises(InvalidInput, match=re.escape(says)):
        servable(names)


async def test_a_server_process_serves_and_stops_at_sigterm():
    async with server_process(ServerOptions(of("rest", "grpc"), MEMORY)) as server:
        async with variants()["rest"].connect()(server.endpoints["rest"].url) as client:
            assert (await client.call("prefix_cache", "plan", PLAN))["blocks"] > 0
        assert set(server.endpoints) == {"rest", "grpc"}
        # Ctrl-C at a terminal goes to our group; whether the server ends is for us to say.
        assert os.getpgid(server.pid) != os.getpgid(0)
        assert await server.stop() == 0
        assert await server.stop() == 0
    with pytest.raises(ProcessLookupError):
        os.kill(server.pid, 0)  # not even a zombie


async def test_a_killed_server_process_is_gone_and_leaving_says_nothing():
    async with server_process(ServerOptions(of("rest"), MEMORY)) as server:
        await server.kill()
        assert server.process.returncode == -signal.SIGKILL
        with pytest.raises(ProcessLookupError):
            os.kill(server.pid, 0)
        await server.kill()
        assert await server.stop() == -signal.SIGKILL


async def test_a_server_process_that_does_not_drain_is_killed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "STOP_S", 0.2)
    async with server_process(ServerOptions(of("rest"), MEMORY)) as server:
        os.kill(server.pid, signal.SIGSTOP)  # it hears nothing more
        assert await server.stop() == -signal.SIGKILL


async def test_the_error_a_server_printed_is_raised_here(tmp_path: Path):
    with pytest.raises(InvalidInput, match="sqlite:///PATH"):
        async with server_process(ServerOptions(of("rest"), "redis://x")):
            pass
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="a writable directory"):
        async with server_process(ServerOptions(of("rest"), f"sqlite:///{tmp_path}/file/x.db")):
            pass
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Unavailable, match=f"127.0.0.1:{port} cannot be bound"):
            async with server_process(ServerOptions(of("rest"), MEMORY, port=port)):
                pass


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("import sys; sys.exit(7)", r"ended before it accepted \(exit code 7\)"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", r"ended before it accepted \(exit code -9\)"),
        ("print('hello there')", "printed what is no address: b'hello there"),
        ("print('[1]')", "printed what is no address"),
        ("print('{}')", "printed what is no address"),
    ],
)
async def test_a_server_that_never_gets_ready_says_why(monkeypatch: pytest.MonkeyPatch, program: str, says: str):
    monkeypatch.setattr(ServerOptions, "command", [sys.executable, "-c", program])
    with pytest.raises(Unavailable, match=says):
        async with server_process(ServerOptions(of("rest"), MEMORY)):
            pass


async def test_a_server_that_says_nothing_is_ended(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ServerOptions, "command", [sys.executable, "-c", "import sys; sys.stdin.read()"])
    monkeypatch.setattr(module, "READY_S", 0.2)
    with pytest.raises(Unavailable, match=r"did not say that it accepts within 0\.2 s"):
        async with server_process(ServerOptions(of("rest"), MEMORY)):
            pass


async def test_a_caller_that_is_cancelled_leaves_no_server_behind():
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def use() -> None:
        async with server_process(ServerOptions(of("rest"), MEMORY)) as server:
            ready.set_result(server.pid)
            await asyncio.Event().wait()

    using = asyncio.create_task(use())
    pid = await ready
    using.cancel()
    with pytest.raises(asyncio.CancelledError):
        await using
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_the_outcome_of_a_task():
    assert outcome(Task(id="t", state=TaskState.COMPLETED, result=[1])) == [1]
    info = ErrorInfo(code="invalid_input", message="x: 1 is not accepted")
    with pytest.raises(InvalidInput, match="x: 1 is not accepted"):
        outcome(Task(id="t", state=TaskState.FAILED, error=info))
    question = OpenQuestion(request_id="q", text="why?", answer_schema={})
    with pytest.raises(Conflict, match=r"waits for an answer \(why\?\)"):
        outcome(Task(id="t", state=TaskState.INPUT_REQUIRED, question=question))
    with pytest.raises(SametaskError, match="task: 't' was canceled"):
        outcome(Task(id="t", state=TaskState.CANCELED))
