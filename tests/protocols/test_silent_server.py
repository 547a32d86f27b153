"""Every client against a server that accepts and never says a word: what it asks for is lost in a bounded time."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sametask.agents.errors import ConnectionLost, Unavailable
from sametask.protocols.client import AgentClient, ClientSettings
from sametask.protocols.variants import Variant, variants

WITHIN_S = 30
IMPATIENT = ClientSettings(connect_timeout_s=0.3, request_timeout_s=0.3, idle_timeout_s=0.3)
WIRED = {name: each for name, each in variants().items() if each.server and not each.missing}


async def _stream(client: AgentClient) -> None:
    async for _ in client.stream("probe", "work", {}):
        pass


ASKED: dict[str, Callable[[AgentClient], Awaitable[Any]]] = {
    "submit": lambda client: client.submit("probe", "work", {}),
    "stream": _stream,
    "cancel": lambda client: client.cancel("a-task"),
}
WITHOUT_TASKS = ("stream",)


@asynccontextmanager
async def silent(variant: Variant) -> AsyncGenerator[str]:
    """The address of one that says nothing."""
    if not variant.listeners:
        yield f'stdio:{sys.executable} -c "import sys; sys.stdin.read()"'
        return
    # The kernel accepts; nobody reads.
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
        yield variant.address(dict.fromkeys(variant.listeners, f"{host}:{port}"))


@pytest.mark.parametrize(
    ("name", "asked"),
    [(name, asked) for name, each in WIRED.items() for asked in ASKED if "tasks" not in each.lacks or asked in WITHOUT_TASKS],
)
async def test_what_is_asked_of_a_silent_server_is_a_lost_connection(name: str, asked: str):
    async with silent(WIRED[name]) as url, asyncio.timeout(WITHIN_S):
        with pytest.raises((ConnectionLost, Unavailable)):
            async with WIRED[name].connect()(url, IMPATIENT) as client:
                await ASKED[asked](client)
