"""The SDK's stdio server on this process's pipes, or on those that `early` has opened before; it ends on SIGTERM while it waits
for input.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, cast

import anyio
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

from .early import EarlyPipes
from .pipes import Ends, is_pipe, open_pipes, taken

CLOSE_S = 3.0


@asynccontextmanager
async def speak_on_stdio(
    server: Server[Any], limit_bytes: int, early: EarlyPipes | None = None
) -> AsyncGenerator[asyncio.Event]:
    """Serve on this process's stdin and stdout while the block runs; yields what is set once stdin has closed. From the very
    call on, before anything else of the loop runs, what others print goes to stderr.
    """
    closed = asyncio.Event()
    with contextlib.ExitStack() as stack:
        # A terminal or a file is left to the SDK's own threads.
        ends = stack.enter_context(taken()) if early is None and all(is_pipe(fd) for fd in (0, 1)) else None
        speaking = asyncio.create_task(_speak(server, ends, limit_bytes, early))
        speaking.add_done_callback(lambda _: closed.set())
        try:
            yield closed
        finally:
            told_to_end = speaking.cancel()
            with anyio.CancelScope(shield=True):
                await asyncio.wait([speaking], timeout=CLOSE_S)
    error = speaking.exception() if speaking.done() and not speaking.cancelled() else None
    if told_to_end and isinstance(error, BaseExceptionGroup):
        # What still came in when the SDK was told to end found its streams closed: that is no defect of anybody's.
        error = cast(BaseExceptionGroup[BaseException], error).split(anyio.BrokenResourceError)[1]
    if error is not None:
        raise error


async def _speak(server: Server[Any], ends: Ends | None, limit_bytes: int, early: EarlyPipes | None) -> None:
    async with _official_stdio(ends, limit_bytes, early) as (read_stream, write_stream):
        await server.run(read_stream, write_stream, server.create_initialization_options())


@asynccontextmanager
async def _official_stdio(ends: Ends | None, limit_bytes: int, early: EarlyPipes | None) -> AsyncGenerator[Any]:
    async with contextlib.AsyncExitStack() as stack:
        lines: tuple[Any, Any] | None = None
        if early is not None:
            lines = await early.hand_over()
        elif ends is not None:
            lines = await stack.enter_async_context(open_pipes(ends, limit_bytes))
        # The SDK only iterates over the one, and writes to and flushes the other.
        stdin, stdout = cast(tuple[anyio.AsyncFile[str], anyio.AsyncFile[str]], lines) if lines else (None, None)
        served: AbstractAsyncContextManager[Any] = stdio_server(stdin, stdout)
        yield await stack.enter_async_context(served)
