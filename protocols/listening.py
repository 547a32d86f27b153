"""One HTTP listener inside the caller's event loop: uvicorn on a socket that we bound ourselves."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Generator
from typing import Any

import anyio
import uvicorn

from ..agents.errors import Unavailable
from .variants import Bind

DRAIN_S = 2


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        # Signals belong to the process, not to one of its listeners: uvicorn would re-raise them past our `finally`.
        yield


def bind_socket(bind: Bind, listener: int = 0) -> socket.socket:
    """A bound TCP socket, not yet listening.

    Raises: Unavailable, naming the address, when it cannot be bound.
    """
    port = bind.port_of(listener)
    family = socket.AF_INET6 if ":" in bind.host else socket.AF_INET
    # The protocol is named because asyncio turns Nagle's algorithm off only then: else every answer waits 40 ms for an ACK.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((bind.host, port))
    except OSError as error:
        sock.close()
        raise Unavailable(
            f"port: {bind.host}:{port} cannot be bound ({error.strerror}); accepted: a free port, or 0 for any",
            field="port",
            value=port,
        ) from None
    return sock


def host_port(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@contextlib.asynccontextmanager
async def listen_http(app: Any, sock: socket.socket) -> AsyncGenerator[str]:
    """Serve an ASGI app on a bound socket; yields its `host:port` once it accepts. Leaving the block stops accepting,
    gives open exchanges `DRAIN_S` seconds to end, then closes them.
    """
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=DRAIN_S,
        h11_max_incomplete_event_size=None,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[sock]))
    try:
        while not server.started:  # uvicorn offers no event for it
            if task.done():
                await task
                raise Unavailable("the HTTP server stopped before it accepted")
            await anyio.sleep(0.005)
        yield host_port(sock)
    finally:
        server.should_exit = True
        with anyio.CancelScope(shield=True):
            await task
        sock.close()
