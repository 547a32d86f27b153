"""A server in a process of its own, started and ended by us: what `sametask call` and the measurements talk to."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shlex
import signal
import sys
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio

from ..agents.errors import SametaskError, Unavailable
from .variants import Endpoint, Variant

READY_S = 30.0
STOP_S = 10.0


@dataclass(frozen=True)
class ServerOptions:
    """What to start: the variants, the engine's URL, agents of the user's own (none: the bundled team), where to listen."""

    variants: tuple[Variant, ...]
    engine: str
    agents: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    port: int = 0
    advertise: Mapping[str, str] = field(default_factory=dict[str, str])
    allow_webhooks: tuple[str, ...] = ()

    @property
    def command(self) -> list[str]:
        """The command line that serves this."""
        names = ",".join(variant.name for variant in self.variants)
        # -P: the working directory does not come before the installed packages.
        line = [sys.executable, "-P", "-m", "sametask.console.main", "serve"]
        line += [*self.agents, "--protocol", names, "--engine", self.engine]
        if all(variant.listeners for variant in self.variants):
            line += ["--host", self.host, "--port", str(self.port), "--json", "--until-stdin-closes"]
            for name, address in self.advertise.items():
                line += ["--advertise", f"{name}={address}"]
            for each in self.allow_webhooks:
                line += ["--allow-webhook", each]
        return line

    @property
    def stdio_url(self) -> str:
        """The address of a variant without listeners: its client starts this command on pipes."""
        return "stdio:" + shlex.join(self.command)


@dataclass(frozen=True)
class ServerProcess:
    """Shape: `endpoints` by the variant's name, as the server printed them."""

    process: asyncio.subprocess.Process
    endpoints: Mapping[str, Endpoint]

    @property
    def pid(self) -> int:
        return self.process.pid

    async def kill(self) -> None:
        """SIGKILL, and wait until the process is gone."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
        await self.process.wait()
        with anyio.move_on_after(STOP_S):  # a child of its own may still hold its stdout
            await _gone(self.process)

    async def stop(self) -> int:
        """SIGTERM, then SIGKILL when it has not drained within `STOP_S`. Shape: the exit code."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_S):
                await _gone(self.process)
        except TimeoutError:
            await self.kill()
        assert self.process.returncode is not None
        return self.process.returncode


@contextlib.asynccontextmanager
async def server_process(options: ServerOptions) -> AsyncGenerator[ServerProcess]:
    """Start `sametask serve` and yield it once it says that it accepts; leaving the block stops it. It also stops when this
    process dies, whatever kills it.

    Raises: the error that the server itself printed (a port in use, an unknown engine), or Unavailable.
    """
    process = await asyncio.create_subprocess_exec(
        *options.command,
        # Never written to: that it closes tells the server that we are gone.
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        limit=2**20,
        # Ctrl-C on a terminal goes to its whole process group: whether the server ends is for us to say.
        process_group=0,
    )
    server = ServerProcess(process, {})
    try:
        server = ServerProcess(process, await _ready(process))
        yield server
    finally:
        with anyio.CancelScope(shield=True):
            await server.stop()


async def _ready(process: asyncio.subprocess.Process) -> dict[str, Endpoint]:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(READY_S):
            line = await process.stdout.readline()
    except TimeoutError:
        raise Unavailable(f"the server (process {process.pid}) did not say that it accepts within {READY_S:g} s") from None
    try:
        said: dict[str, Any] = json.loads(line or b"{}")
        if "error" in said:
            raise SametaskError.from_json(said["error"])
        return {name: Endpoint(end["url"], end["listeners"]) for name, end in said["ready"].items()}
    except (ValueError, TypeError, KeyError):
        if line:
            raise Unavailable(f"the server printed what is no address: {line[:80]!r}") from None
        code = await process.wait()
        raise Unavailable(f"the server ended before it accepted (exit code {code})") from None


async def _gone(process: asyncio.subprocess.Process) -> None:
    """Wait until the process has ended and its pipes are closed, so that no transport outlives the event loop."""
    assert process.stdout is not None
    assert process.stdin is not None
    process.stdin.close()
    await process.stdout.read()
    await process.wait()
    with contextlib.suppress(ConnectionError):
        await process.stdin.wait_closed()
