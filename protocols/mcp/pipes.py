"""The SDK's stdio server over asyncio pipes: no thread per line, and it ends on SIGTERM while it waits for input."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import stat
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import IO, Any, cast

import anyio
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

from ...agents.errors import TooLarge
from ..errors import codes

CLOSE_S = 3.0
_CHUNK_BYTES = 2**18
_ID = re.compile(rb'"id"\s*:\s*("(?:[^"\\]|\\.){0,200}"|-?\d{1,20})')


Ends = tuple[IO[bytes], IO[bytes]]


@asynccontextmanager
async def speak_on_stdio(server: Server[Any], limit_bytes: int) -> AsyncGenerator[asyncio.Event]:
    """Serve on this process's stdin and stdout while the block runs; yields what is set once stdin has closed. From the very
    call on, before anything else of the loop runs, what others print goes to stderr.
    """
    closed = asyncio.Event()
    with contextlib.ExitStack() as stack:
        # A terminal or a file is left to the SDK's own threads.
        ends = stack.enter_context(_taken()) if all(_is_pipe(fd) for fd in (0, 1)) else None
        speaking = asyncio.create_task(_speak(server, ends, limit_bytes))
        speaking.add_done_callback(lambda _: closed.set())
        try:
            yield closed
        finally:
            speaking.cancel()
            with anyio.CancelScope(shield=True):
                await asyncio.wait([speaking], timeout=CLOSE_S)
    if speaking.done() and not speaking.cancelled() and (error := speaking.exception()) is not None:
        raise error


async def _speak(server: Server[Any], ends: Ends | None, limit_bytes: int) -> None:
    async with _official_stdio(ends, limit_bytes) as (read_stream, write_stream):
        await server.run(read_stream, write_stream, server.create_initialization_options())


@asynccontextmanager
async def _official_stdio(ends: Ends | None, limit_bytes: int) -> AsyncGenerator[Any]:
    if ends is None:
        async with stdio_server() as streams:
            yield streams
        return
    async with _pipes(ends, limit_bytes) as (lines_in, lines_out):
        stdin = cast(anyio.AsyncFile[str], lines_in)  # the SDK only iterates over it
        stdout = cast(anyio.AsyncFile[str], lines_out)  # and writes and flushes here
        served: AbstractAsyncContextManager[Any] = stdio_server(stdin, stdout)
        async with served as streams:
            yield streams


def _is_pipe(fd: int) -> bool:
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        return False
    return sys.platform != "win32" and (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode))


class LinesOut:
    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    async def write(self, text: str) -> None:
        self._writer.write(text.encode())

    async def flush(self) -> None:
        # A client that is gone has closed its end of our stdin too, and that ends the server.
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()


class LinesIn:
    """Yields the lines of a pipe. A line over the limit is skipped and its request answered with TooLarge."""

    def __init__(self, reader: asyncio.StreamReader, out: LinesOut, limit_bytes: int) -> None:
        self._reader, self._out, self._limit_bytes = reader, out, limit_bytes
        self._buffer = bytearray()
        self._scanned = 0
        self._skipping = False

    def __aiter__(self) -> LinesIn:
        return self

    async def __anext__(self) -> str:
        while True:
            end = self._buffer.find(b"\n", self._scanned)
            if end >= 0:
                line = bytes(self._buffer[:end])
                del self._buffer[: end + 1]
                self._scanned = 0
                if self._skipping:
                    self._skipping = False
                elif len(line) > self._limit_bytes:
                    await self._refuse(line)
                else:
                    return line.decode("utf-8", "replace")
                continue
            if not self._skipping and len(self._buffer) > self._limit_bytes:
                await self._refuse(self._buffer)
                self._skipping = True
            if self._skipping:
                self._buffer.clear()
            self._scanned = len(self._buffer)
            chunk = await self._reader.read(_CHUNK_BYTES)
            if not chunk:
                raise StopAsyncIteration
            self._buffer += chunk

    async def _refuse(self, line: bytes | bytearray) -> None:
        limit = self._limit_bytes
        error = TooLarge(f"message: more than {limit} bytes are not accepted; at most {limit} bytes", field="message")
        # The envelope's id comes before its params in what the known clients write.
        found = _ID.search(bytes(line[:1000]).partition(b'"params"')[0])
        request_id = None if found is None else json.loads(found.group(1))
        said = {"code": codes(error).jsonrpc, "message": error.message, "data": error.to_json()}
        await self._out.write(json.dumps({"jsonrpc": "2.0", "id": request_id, "error": said}) + "\n")
        await self._out.flush()


@contextlib.contextmanager
def _taken() -> Generator[Ends]:
    """Take stdin and stdout for the protocol's transports: while it lasts, what anything else prints goes to stderr."""
    sys.stdout.flush()
    kept = [os.dup(0), os.dup(1)]
    null = os.open(os.devnull, os.O_RDONLY)
    ends = os.fdopen(os.dup(0), "rb", 0), os.fdopen(os.dup(1), "wb", 0)
    os.dup2(null, 0)
    os.dup2(2, 1)
    os.close(null)
    try:
        yield ends
    finally:
        sys.stdout.flush()  # what was printed meanwhile still goes to stderr
        for fd, saved in enumerate(kept):
            os.set_blocking(saved, True)
            os.dup2(saved, fd)
            os.close(saved)


@asynccontextmanager
async def _pipes(ends: Ends, limit_bytes: int) -> AsyncGenerator[tuple[LinesIn, LinesOut]]:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_CHUNK_BYTES)
    reading, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), ends[0])
    writing, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, ends[1])
    try:
        out = LinesOut(asyncio.StreamWriter(writing, protocol, None, loop))
        yield LinesIn(reader, out, limit_bytes), out
    finally:
        reading.close()
        writing.close()
