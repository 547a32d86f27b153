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

    @property
    def command(self) -> list[str]:
        """The command line that serves this."""
        names = ",".join(variant.name for variant in self.variants)
        line = [
            sys.executable,
            "-m",
            "sametask.console.main",
            "serve",
            *self.agents,
            "--protocol",
            names,
            "--engine",
            self.engine,
        ]
        if all(variant.listeners for variant in self.variants):
            line += ["--host", self.host, "--port", str(self.port), "--json"]
            for name, address in self.advertise.items():
                line += ["--advertise", f"{name}={address}"]
        return line

    @property
    def stdio_url(self) -> str:
        """The address of a variant without listeners: its client starts this command on pipes."""
        return "stdio:" + shlex.join(self.command)


@dataclass(frozen=True)
class ServerProcess:
    process: asyncio.subprocess.Process
    endpoints: Mapping[str, Endpoint]

    @property
    def pid(self) -> int:
        return self.process.pid

    async def kill(self) -> None:
        """SIGKILL, and wait until the process is gone."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()

    async def stop(self) -> int:
        """SIGTERM, then SIGKILL when it has not drained within `STOP_S`. Shape: the exit code."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self.process.wait(), STOP_S)
            except TimeoutError:
                await self.kill()
        assert self.process.returncode is not None
        return self.process.returncode


@contextlib.asynccontextmanager
async def server_process(options: ServerOptions) -> AsyncGenerator[ServerProcess]:
    """Start `sametask serve` and yield it once it says that it accepts; leaving the block stops it.

    Raises: the error that the server itself printed (a port in use, an unknown engine), or Unavailable.
    """
    process = await asyncio.create_subprocess_exec(
        *options.command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        limit=2**20,
    )
    assert process.stdout is not None
    server = ServerProcess(process, {})
    try:
        try:
            line = await asyncio.wait_for(process.stdout.readline(), READY_S)
        except TimeoutError:
            raise Unavailable(f"the server (process {process.pid}) did not say that it accepts within {READY_S:g} s") from None
        if not line:
            raise Unavailable("the server ended before it accepted")
        said: dict[str, Any] = json.loads(line)
        if "error" in said:
            raise SametaskError.from_json(said["error"])
        ready = {name: Endpoint(end["url"], end["listeners"]) for name, end in said["ready"].items()}
        server = ServerProcess(process, ready)
        yield server
    finally:
        await asyncio.shield(server.stop())
