"""The tap for a server on pipes: the client spawns our relay program, and the harness spawns the real server behind it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import IO

import anyio

from .decoders.passive import Wire
from .recording import Recording
from .tap import Tap
from .trigger import Watch

_EXIT_S = 2.0
_CHUNK_BYTES = 1 << 18


class StdioTap(Tap):
    """`async with StdioTap([sys.executable, "-m", "server"]) as tap`: clients spawn `tap.command` instead of the server.

    Each relay that connects starts one server with `server_command` (which may be set again while the tap runs), its stdin and
    stdout on a socket pair, its stderr ours unless `stderr` is given. `pid` is the newest server's, so that it can be killed.
    A cut ends the relay program: the client sees its pipes close. Leaving the block ends servers that did not leave by
    themselves when their stdin closed.
    """

    _wire: Wire = "stdio"

    def __init__(
        self,
        server_command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        stderr: IO[bytes] | int | None = None,
        watches: Sequence[Watch] = (),
        delay_ms: float = 0.0,
        recording: Recording | None = None,
        name: str = "stdio",
    ) -> None:
        super().__init__(watches=watches, delay_ms=delay_ms, recording=recording, name=name)
        self.server_command = tuple(server_command)
        self.servers: list[asyncio.subprocess.Process] = []
        self._joints: list[asyncio.Task[None]] = []
        self._env = env
        self._cwd = cwd
        self._stderr = stderr

    @property
    def command(self) -> tuple[str, ...]:
        """What the client must spawn, with its arguments."""
        host, _, port = self.address.rpartition(":")
        relay = str(Path(__file__).with_name("stdio_relay.py"))
        return (sys.executable, "-I", "-S", relay, host, port)

    @property
    def pid(self) -> int | None:
        """The process id of the server that was started last, None before the first."""
        return self.servers[-1].pid if self.servers else None

    @property
    def alive(self) -> bool:
        """Whether the server that was started last is running."""
        return bool(self.servers) and self.servers[-1].returncode is None

    def kill(self) -> None:
        """SIGKILL to the server that was started last and to what it started."""
        _signal(self.servers[-1], signal.SIGKILL)

    async def stop(self) -> None:
        """SIGTERM to it, and SIGKILL where it does not drain; return when it is gone."""
        _signal(self.servers[-1], signal.SIGTERM)
        await _end(self.servers[-1])

    @contextlib.asynccontextmanager
    async def _listening(self) -> AsyncGenerator[None]:
        try:
            async with super()._listening():
                yield
        finally:
            with anyio.CancelScope(shield=True):
                for server in self.servers:
                    await _end(server)
                if self._joints:
                    await asyncio.wait(self._joints)

    async def _dial(self) -> socket.socket:
        server = await asyncio.create_subprocess_exec(
            *self.server_command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=self._stderr,
            env=self._env,
            cwd=self._cwd,
            start_new_session=True,
        )
        self.servers.append(server)
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        # The server is given real pipes, as a host gives it, and not the one socket that the relay wants: a server that
        # watches its stdout for the reader's leaving would take its own next request for it.
        self._joints.append(asyncio.create_task(_join(server, theirs)))
        return ours


async def _join(server: asyncio.subprocess.Process, sock: socket.socket) -> None:
    assert server.stdin is not None
    assert server.stdout is not None
    reader, writer = await asyncio.open_connection(sock=sock)
    async with anyio.create_task_group() as group:
        group.start_soon(_pump, reader, server.stdin)
        group.start_soon(_pump, server.stdout, writer)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await source.read(_CHUNK_BYTES):
            sink.write(data)
            await sink.drain()
    # Awaited by nobody else: what could not be written any more has no reader.
    sink.close()
    with contextlib.suppress(ConnectionError):
        await sink.wait_closed()


def _signal(server: asyncio.subprocess.Process, number: signal.Signals) -> None:
    if server.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, number)


async def _end(server: asyncio.subprocess.Process) -> None:
    with anyio.move_on_after(_EXIT_S):
        await server.wait()
    _signal(server, signal.SIGTERM)
    with anyio.move_on_after(_EXIT_S):
        await server.wait()
    _signal(server, signal.SIGKILL)
    await server.wait()
