"""The wire tap: a TCP relay between client and server that decodes, counts, delays and carries out faults."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncGenerator, Sequence
from types import TracebackType
from typing import Self

import anyio
from anyio.abc import TaskGroup

from .decoders.passive import Wire
from .link import LinkSettings, RelayLink, reset
from .recording import Recording
from .trigger import Watch

Target = tuple[str, int] | str
_BACKLOG = 1024
_HOST = "127.0.0.1"


class Tap:
    """A listener on loopback; each connection to it is relayed to what `_dial` gives.

    `async with` binds `address` (`host:port`) and leaving it closes what is still open. `fired` is set, and `fired_at` is the
    monotonic time in seconds, when the last armed watch struck. `delay_ms` is the round-trip time that is added: half of it
    each way, and once more in full before the first bytes of a TCP client, for the handshake; it may be set between exchanges.
    While `silent`, new connections are accepted and nothing is done with them, then or later.
    """

    _wire: Wire = "tcp"

    def __init__(
        self, *, watches: Sequence[Watch] = (), delay_ms: float = 0.0, recording: Recording | None = None, name: str = "tcp"
    ) -> None:
        self.name = name
        self.recording = recording or Recording()
        self.fired = asyncio.Event()
        self.fired_at: float | None = None
        self._settings = LinkSettings(self.recording, delay_ms, self._wire == "tcp", [], self._fire, self._dial)
        self._stack = contextlib.AsyncExitStack()
        self._port = 0
        self._accepting: anyio.CancelScope | None = None
        self._group: TaskGroup
        self._links: set[RelayLink] = set()
        self._unheard: list[socket.socket] = []
        self.silent = False
        self.arm(*watches)

    @property
    def address(self) -> str:
        """Where clients connect, `host:port`."""
        return f"{_HOST}:{self._port}"

    @property
    def links(self) -> Sequence[RelayLink]:
        """The connections that are open now."""
        return list(self._links)

    @property
    def delay_ms(self) -> float:
        return self._settings.delay_ms

    @delay_ms.setter
    def delay_ms(self, value: float) -> None:
        self._settings.delay_ms = value

    def arm(self, *watches: Watch) -> None:
        """From now on these and no others, each counting from zero; `fired` is cleared."""
        self._settings.triggers[:] = [each.arm() for each in watches]
        self.fired.clear()
        self.fired_at = None

    def watch(self, watch: Watch) -> None:
        """From now on this one too."""
        self._settings.triggers.append(watch.arm())

    def cut_all(self) -> int:
        """Reset every connection that is open now, and say how many there were."""
        links = self.links
        for link in links:
            link.cut("reset")
        self._close_unheard()
        return len(links)

    def refuse(self) -> None:
        """Stop listening: the kernel refuses who connects. What is open stays open."""
        if self._accepting is not None:
            self._accepting.cancel()
            self._accepting = None

    def accept(self) -> None:
        """Listen (again) at the same address."""
        if self._accepting is None:
            listener = _bound(self._port)
            listener.listen(_BACKLOG)
            self._accepting = anyio.CancelScope()
            self._group.start_soon(self._accept, listener, self._accepting)

    def _close_unheard(self) -> None:
        for client in self._unheard:
            reset(client)
            client.close()
        self._unheard.clear()

    def _fire(self) -> None:
        self.fired_at = time.monotonic()
        self.fired.set()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._listening())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._stack.__aexit__(kind, error, trace)

    @contextlib.asynccontextmanager
    async def _listening(self) -> AsyncGenerator[None]:
        # It never listens: it holds the port while nobody does.
        with _bound(0) as holder:
            self._port = holder.getsockname()[1]
            async with anyio.create_task_group() as self._group:
                self.accept()
                try:
                    yield
                finally:
                    self._accepting = None
                    self._close_unheard()
                    self._group.cancel_scope.cancel()

    async def _accept(self, listener: socket.socket, scope: anyio.CancelScope) -> None:
        with listener, scope:
            while True:
                # Not the loop's `sock_accept`: who connects in the moment in which that is canceled is dropped, with a noise.
                await anyio.wait_readable(listener)
                try:
                    client, _ = listener.accept()
                except (BlockingIOError, ConnectionError):
                    continue  # it has gone again
                client.setblocking(False)
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._group.start_soon(self._serve, client)

    async def _serve(self, client: socket.socket) -> None:
        record = self.recording.open(self._wire, self.name)
        if self.silent:
            self._unheard.append(client)
            return
        try:
            server = await self._dial()
        except OSError as error:
            record.refused = str(error)
            record.closed_at = time.monotonic()
            reset(client)
            client.close()
            return
        except BaseException:
            client.close()
            raise
        link = RelayLink(self._settings, record, client, server)
        self._links.add(link)
        try:
            await link.run()
        finally:
            self._links.discard(link)

    async def _dial(self) -> socket.socket:
        """A connected, non-blocking socket to the server.

        :raises OSError: the server cannot be reached; the client is reset
        """
        raise NotImplementedError


class WireTap(Tap):
    """`async with WireTap(target) as tap`: clients connect to `tap.address` instead of `target` (a `host:port` or a pair).

    `target` may be set again while the tap runs: a server that came back elsewhere. While it is None, or refuses, clients are
    reset at once. Several taps (a card over HTTP, tasks over gRPC) share one `recording` to count a flow over all of them.
    """

    def __init__(
        self,
        target: Target | None = None,
        *,
        watches: Sequence[Watch] = (),
        delay_ms: float = 0.0,
        recording: Recording | None = None,
        name: str = "tcp",
    ) -> None:
        super().__init__(watches=watches, delay_ms=delay_ms, recording=recording, name=name)
        self.target = target

    async def _dial(self) -> socket.socket:
        if self.target is None:
            raise ConnectionRefusedError("the tap has no target")
        host, port = _host_port(self.target)
        server = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        try:
            server.setblocking(False)
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().sock_connect(server, (host, port))
        except BaseException:
            server.close()
            raise
        return server


def _bound(port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind((_HOST, port))
    return sock


def _host_port(target: Target) -> tuple[str, int]:
    if not isinstance(target, str):
        return target
    host, _, port = target.rpartition(":")
    return host.strip("[]"), int(port)
