"""A silent stream that cannot be followed anew, on pipes and of FastMCP: its server is asked whether it lives, and given up
only where it does not answer.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sametask.agents.errors import ConnectionLost
from sametask.agents.events import TaskState
from sametask.measurements.wire.stdio import StdioTap
from sametask.measurements.wire.tap import WireTap
from sametask.protocols.client import ClientSettings
from sametask.protocols.following import Follower
from sametask.protocols.server_process import ServerOptions, server_process
from sametask.protocols.stock import fastmcp_client
from sametask.protocols.variants import Variant, variants

PIPED = {name: each for name, each in variants().items() if each.server and not each.listeners}
PROBE = ("sametask.measurements.probe:agent",)
IDLE_S = 0.2
WITHIN_S = 60


def served(variant: Variant, folder: Path) -> StdioTap:
    return StdioTap(ServerOptions((variant,), f"sqlite:///{folder}/tasks.db", PROBE).command)


@pytest.mark.parametrize("name", PIPED)
async def test_a_silent_task_is_waited_for_and_its_server_lives_on(name: str, tmp_path: Path):
    """Another connection would be another server, which begins the silent step again, and again."""
    variant, told, lost = PIPED[name], list[TaskState | None](), list[ConnectionLost]()
    request = {"steps": 2, "step_ms": 0, "silent_ms": round(10 * IDLE_S * 1000)}
    async with served(variant, tmp_path) as tap, asyncio.timeout(WITHIN_S):
        url = f"stdio:{shlex.join(tap.command)}"
        follower = Follower(lambda: variant.connect()(url, ClientSettings(idle_timeout_s=IDLE_S)), on_lost=lost.append)
        async for event in follower.run("probe", "work", request):
            told.append(event.state)
        assert (told[-1], lost, len(tap.servers)) == (TaskState.COMPLETED, [], 1)


@pytest.mark.parametrize("name", PIPED)
async def test_a_server_that_stands_still_is_a_lost_connection(name: str, tmp_path: Path):
    variant, settings = PIPED[name], ClientSettings(idle_timeout_s=IDLE_S, request_timeout_s=5.0)

    async def follow_until_it_stands_still(tap: StdioTap) -> None:
        async with variant.connect()(f"stdio:{shlex.join(tap.command)}", settings) as client:
            async for _ in client.stream("probe", "work", {"steps": 2, "step_ms": 0, "silent_ms": 60_000}):
                assert tap.pid is not None
                os.kill(tap.pid, signal.SIGSTOP)

    async with served(variant, tmp_path) as tap, asyncio.timeout(WITHIN_S):
        with pytest.raises(ConnectionLost):
            await follow_until_it_stands_still(tap)


@asynccontextmanager
async def fastmcp() -> AsyncGenerator[WireTap]:
    options = ServerOptions((variants()["stock-fastmcp"],), "sqlite:///:memory:", PROBE)
    async with (
        server_process(options) as server,
        WireTap(server.endpoints["stock-fastmcp"].listeners["http"]) as tap,
    ):
        yield tap


async def silent_call(tap: WireTap, silent_ms: int, cut: bool) -> TaskState | None:
    last, request = None, {"steps": 2, "step_ms": 0, "silent_ms": silent_ms}
    settings = ClientSettings(idle_timeout_s=IDLE_S, request_timeout_s=5.0)
    async with fastmcp_client.connect(f"http://{tap.address}/mcp", settings) as client:
        async for event in client.stream("probe", "work", request):
            last = event.state
            if cut:
                for link in tap.links:
                    link.silence()
    return last


async def test_a_call_of_fastmcps_is_waited_for_while_its_server_lives():
    async with fastmcp() as tap, asyncio.timeout(WITHIN_S):
        assert await silent_call(tap, round(10 * IDLE_S * 1000), cut=False) is TaskState.COMPLETED


async def test_and_not_where_its_own_connection_brings_no_byte_any_more(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fastmcp_client, "PING_S", 0.5)
    async with fastmcp() as tap, asyncio.timeout(WITHIN_S):
        with pytest.raises(ConnectionLost):
            await silent_call(tap, 2 * WITHIN_S * 1000, cut=True)
