"""A receiver of webhooks on a real socket: it keeps what it was sent, and answers as it is told."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"


def answer(status: int, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status} Told", "Content-Length: 0", *headers, "", ""]).encode()


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


Decide = Callable[[Received], Awaitable[bytes]]


@dataclass
class Receiver:
    """Shape: `all` is what arrived, in order; `accepted` what was answered with a 2xx."""

    port: int = 0
    all: list[Received] = field(default_factory=list)
    accepted: list[Received] = field(default_factory=list)
    decide: Decide | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def until(self, done: Callable[[Receiver], bool]) -> None:
        async with asyncio.timeout(30):
            while not done(self):
                self._news.clear()
                await self._news.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await _head(reader):
                first, *lines = head.decode().split("\r\n")
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
                body = await reader.readexactly(int(headers["content-length"]))
                received = Received(first.split()[1], headers, body)
                self.all.append(received)
                self._news.set()
                said = NO_CONTENT if self.decide is None else await self.decide(received)
                if not said:
                    break
                writer.write(said)
                await writer.drain()
                if said.startswith(b"HTTP/1.1 2"):
                    self.accepted.append(received)
                    self._news.set()
        except ConnectionError:
            pass  # the sender was killed, or has waited enough
        finally:
            writer.close()


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


@asynccontextmanager
async def receiving(port: int = 0, decide: Decide | None = None, tls: ssl.SSLContext | None = None) -> AsyncGenerator[Receiver]:
    receiver = Receiver(decide=decide)
    open_now: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_now.add(task)
        try:
            await receiver._serve(reader, writer)
        finally:
            open_now.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", port, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in list(open_now):
            task.cancel()
        await asyncio.gather(*open_now, return_exceptions=True)


def answering(*answers: bytes, then: bytes = NO_CONTENT) -> Decide:
    """These answers first, each once; an empty one closes the connection without any."""
    left = list(answers)

    async def decide(_: Received) -> bytes:
        return left.pop(0) if left else then

    return decide
