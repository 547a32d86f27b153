"""This process's stdin and stdout as lines over asyncio pipes: no thread per line, and nothing else writes between them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import stat
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from typing import IO

from ...agents.errors import TooLarge
from ..errors import codes

_CHUNK_BYTES = 2**18
_ID = re.compile(rb'"id"\s*:\s*("(?:[^"\\]|\\.){0,200}"|-?\d{1,20})')


Ends = tuple[IO[bytes], IO[bytes]]


def is_pipe(fd: int) -> bool:
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
def taken() -> Generator[Ends]:
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
async def open_pipes(ends: Ends, limit_bytes: int) -> AsyncGenerator[tuple[LinesIn, LinesOut]]:
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
