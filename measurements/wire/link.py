"""One relayed connection: two sockets, and a pipe each way in which bytes wait for their release."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import anyio

from .decoders.passive import PassiveDecoder
from .message import Decoded, Direction, Message
from .recording import ConnectionRecord, Recording
from .trigger import BOTH, How, Trigger

_READ_BYTES = 1 << 16
_PIPE_BYTES = 1 << 18
_DELAYED_PIPE_BYTES = 1 << 26  # a delay holds bytes back without slowing them: rate times delay must fit
_FLUSH_S = 2.0
_LINGER_S = 0.25
_TIMER_S = 0.00125
_PACE_S = 0.02
_AGAIN_S = 5.0
_KEPT_BYTES = 1 << 20
_RESET = struct.pack("ii", 1, 0)


End = Literal["", "fin", "reset"]


@dataclass(frozen=True)
class _Chunk:
    """Bytes on their way. `release` is monotonic seconds. A strike, or the sender's end, follows when they are passed on."""

    data: bytes
    decoded: Decoded
    release: float
    end: End = ""
    trigger: Trigger | None = None
    struck: asyncio.Event | None = None


class _Pipe:
    """A queue bounded in bytes, for one writer and one reader."""

    def __init__(self) -> None:
        self._chunks: deque[_Chunk] = deque()
        self._size = 0
        self._ready = asyncio.Event()
        self._room = asyncio.Event()

    async def put(self, chunk: _Chunk, limit_bytes: int) -> None:
        while self._size >= limit_bytes:
            self._room.clear()
            await self._room.wait()
        self._chunks.append(chunk)
        self._size += len(chunk.data)
        self._ready.set()

    async def get(self) -> _Chunk:
        while not self._chunks:
            self._ready.clear()
            await self._ready.wait()
        chunk = self._chunks.popleft()
        self._size -= len(chunk.data)
        self._room.set()
        return chunk

    def __len__(self) -> int:
        return len(self._chunks)


@dataclass
class LinkSettings:
    """What a tap lets its connections see; `delay_ms` and `triggers` may change while they run."""

    recording: Recording
    delay_ms: float
    handshake: bool
    triggers: list[Trigger]
    fired: Callable[[], None]
    dial: Callable[[], Awaitable[socket.socket]]


class RelayLink:
    """Relays between two connected sockets until both directions have ended, one broke, or a fault cut it."""

    def __init__(self, settings: LinkSettings, record: ConnectionRecord, client: socket.socket, server: socket.socket) -> None:
        self._settings = settings
        self._record = record
        self._sockets: dict[Direction, tuple[socket.socket, socket.socket]] = {"up": (client, server), "down": (server, client)}
        self._offsets: dict[Direction, int] = {"up": 0, "down": 0}
        self._released: dict[Direction, float] = {"up": 0.0, "down": 0.0}
        self._pipes: dict[Direction, _Pipe] = {"up": _Pipe(), "down": _Pipe()}
        self._how: How | None = None
        self._silenced: set[Direction] = set()
        self._paces: dict[Direction, float | None] = {"up": None, "down": None}
        self._buffers: dict[Direction, int | None] = {"up": None, "down": None}
        self._sent = bytearray()
        self._group = anyio.create_task_group()

    def cut(self, how: How) -> None:
        """End the connection on both sides; nothing is relayed any more."""
        if self._how is None:
            self._how = how
            self._group.cancel_scope.cancel()

    def silence(self, directions: Iterable[Direction] = BOTH) -> None:
        """From now on nothing more is relayed that way, not even its end, and both sides stay open."""
        self._silenced.update(directions)

    def pace(self, direction: Direction, bytes_per_s: float | None, *, buffer_bytes: int | None = None) -> None:
        """From now on relay no faster than that; None: as fast as it comes. `buffer_bytes` is how much waits here before the
        sender is no longer read from; None: as much as without a pace.
        """
        self._paces[direction] = bytes_per_s
        self._buffers[direction] = buffer_bytes

    async def again(self) -> None:
        """As the contract says. Raises: OSError where the server cannot be reached; TimeoutError where it does not answer."""
        sent, decoder = bytes(self._sent), PassiveDecoder(self._record.wire)
        if len(sent) == _KEPT_BYTES:
            raise ValueError(f"the client has sent more than {_KEPT_BYTES} bytes on this connection")
        asked = _count(decoder.feed("up", sent, time.monotonic()).messages, "request")
        server = await self._settings.dial()
        with contextlib.closing(server), anyio.fail_after(_AGAIN_S):
            loop, answered = asyncio.get_running_loop(), 0
            await loop.sock_sendall(server, sent)
            while answered < asked and (data := await loop.sock_recv(server, _READ_BYTES)):
                told = decoder.feed("down", data, time.monotonic()).messages
                # On pipes a response has no head: it is one line.
                answered += _count(told, "end" if self._record.wire == "stdio" else "response")

    async def run(self) -> None:
        try:
            async with self._group as group:
                for direction in self._sockets:
                    group.start_soon(self._read, direction)
                    group.start_soon(self._write, direction)
        finally:
            self._settings.recording.in_flight -= sum(len(pipe) for pipe in self._pipes.values())
            with anyio.CancelScope(shield=True):
                await self._hang_up()

    async def _read(self, direction: Direction) -> None:
        loop, source = asyncio.get_running_loop(), self._sockets[direction][0]
        while True:
            try:
                data = await loop.sock_recv(source, _READ_BYTES)
            except OSError:
                await self._put(direction, b"", Decoded(self._offsets[direction]), time.monotonic(), end="reset")
                return
            t = time.monotonic()
            self._settings.recording.active_at = t
            if not data:
                await self._put(direction, b"", self._record.decoder.finish(direction, t), t, end="fin")
                return
            await self._pass_on(direction, data, self._record.decoder.feed(direction, data, t), t)

    async def _pass_on(self, direction: Direction, data: bytes, decoded: Decoded, t: float) -> None:
        """Show each message to the faults; where one strikes, wait until it has before anything behind it may move."""
        for message in list(decoded.messages):
            for trigger in self._settings.triggers:  # also one that a strike has added
                at = trigger.notice(message, self)
                if at is None:
                    continue
                before, decoded = decoded.divide(at)
                kept = max(0, at - self._offsets[direction])
                struck = asyncio.Event()
                await self._put(direction, data[:kept], before, t, trigger=trigger, struck=struck)
                data = data[kept:]
                await struck.wait()
        await self._put(direction, data, decoded, t)

    async def _put(
        self,
        direction: Direction,
        data: bytes,
        decoded: Decoded,
        t: float,
        *,
        end: End = "",
        trigger: Trigger | None = None,
        struck: asyncio.Event | None = None,
    ) -> None:
        delay_s = self._settings.delay_ms / 1000
        release = t + delay_s / 2
        if direction == "up" and not self._offsets["up"] and self._settings.handshake:
            release += delay_s
        release = self._released[direction] = max(release, self._released[direction])
        self._offsets[direction] += len(data)
        limit = self._buffers[direction] or (_DELAYED_PIPE_BYTES if delay_s else _PIPE_BYTES)
        if direction == "up":
            self._sent += data[: _KEPT_BYTES - len(self._sent)]
        self._settings.recording.in_flight += 1
        try:
            await self._pipes[direction].put(_Chunk(data, decoded, release, end, trigger, struck), limit)
        except BaseException:
            self._settings.recording.in_flight -= 1
            raise

    async def _write(self, direction: Direction) -> None:
        target = self._sockets[direction][1]
        recording = self._settings.recording
        while True:
            chunk = await self._pipes[direction].get()
            try:
                await _until(chunk.release)
                if direction in self._silenced:
                    await anyio.sleep_forever()
                # Before the bytes leave, or a client could be seen to continue on an answer that was not recorded yet.
                self._record.add(direction, chunk.decoded)
                recording.active_at = time.monotonic()
                try:
                    if chunk.data:
                        await self._send(direction, target, chunk.data)
                    if chunk.end == "fin":
                        target.shutdown(socket.SHUT_WR)
                except OSError:
                    self.cut("reset")
                    return
            finally:
                recording.in_flight -= 1
            if chunk.trigger and chunk.struck:
                for _, each in self._sockets.values():
                    await _flushed(each)
                self._settings.fired()
                await chunk.trigger.strike(self)
                chunk.struck.set()
            if chunk.end == "reset":
                await _flushed(target)
                self.cut("reset")
            if chunk.end:
                return

    async def _send(self, direction: Direction, target: socket.socket, data: bytes) -> None:
        loop, view = asyncio.get_running_loop(), memoryview(data)
        while view and (pace := self._paces[direction]) is not None:
            size = max(1, int(pace * _PACE_S))
            await loop.sock_sendall(target, view[:size])
            view = view[size:]
            await asyncio.sleep(_PACE_S)
        if view:
            await loop.sock_sendall(target, view)

    async def _hang_up(self) -> None:
        self._record.closed_at = time.monotonic()
        client, server = self._sockets["up"]
        if self._how == "close":
            await _part(client, server)
        for each in (client, server):
            if self._how == "reset":
                reset(each)
            each.close()


def _count(messages: Iterable[Message], kind: str) -> int:
    return sum(message.kind == kind for message in messages)


async def _until(release: float) -> None:
    """Wait until that monotonic time, to within some 50 microseconds.

    An event loop's timers are late by up to a millisecond (epoll counts in them, rounded up). A delay of 0 has no timer, so the
    lateness would not cancel out: it adds up over the passes of a flow and bends the slope of time against delay.
    """
    while (wait_s := release - time.monotonic()) > 0:  # noqa: ASYNC110  (the end of the wait is a time, not an event)
        await asyncio.sleep(max(0.0, wait_s - _TIMER_S))


def reset(sock: socket.socket) -> None:
    """Make the coming `close()` send a RST."""
    with contextlib.suppress(OSError):  # a socket without that option (pipes), or already gone
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


async def _part(*sockets: socket.socket) -> None:
    """FIN to both, and read what they still send for a moment: a close with unread bytes would become a RST."""

    async def discard(sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_WR)
            while await loop.sock_recv(sock, _READ_BYTES):
                pass

    with anyio.move_on_after(_LINGER_S):
        async with anyio.create_task_group() as group:
            for each in sockets:
                group.start_soon(discard, each)


async def _flushed(sock: socket.socket) -> None:
    """Wait until the peer's kernel has acknowledged everything, because a RST discards what it has not; bounded."""
    deadline = time.monotonic() + _FLUSH_S
    while _unacknowledged(sock) and time.monotonic() < deadline:  # noqa: ASYNC110  (the kernel has no event for it)
        await asyncio.sleep(0.001)


def _unacknowledged(sock: socket.socket) -> int:
    """Bytes in the send queue."""
    if sys.platform == "linux":
        import fcntl
        import termios

        with contextlib.suppress(OSError):
            (pending,) = struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, b"\0" * 4))
            return pending
    elif sys.platform == "darwin":
        with contextlib.suppress(OSError):
            return sock.getsockopt(socket.SOL_SOCKET, 0x1024)  # SO_NWRITE
    return 0
