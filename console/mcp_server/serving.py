"""Serve the agents, the comparison and its reports over MCP, until the client leaves or a signal comes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..agents import roster_of
from ..stdout import claimed_stdout
from .places import default_engine, runs_folder

if TYPE_CHECKING:
    from ...agents.contract import Roster
    from ...agents.engine import TaskEngine
    from ...protocols.mcp.server import McpServer
    from .comparing import Comparisons


@dataclass(frozen=True)
class Options:
    """What the host's configuration says; "" where it says nothing."""

    files: tuple[str, ...]
    http: bool
    host: str
    port: int
    engine: str
    runs: str


async def run_mcp_server(options: Options) -> int:
    """Serve on this process's own pipes, or over HTTP. Shape: the exit code.

    Raises: InvalidInput for what was typed, Unavailable for a port or a store that cannot be had.
    """
    stop = asyncio.Event()
    typed = not options.http and sys.stdin.isatty()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # Windows: there a host ends us by closing stdin
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with claimed_stdout():  # an agent of the user's may print while it is imported
        roster = roster_of(options.files)
    try:
        await _serve(options, roster, stop)
    finally:
        if not options.http:
            os.dup2(2, 1)  # whatever is printed while this process ends is not protocol either
    if typed:
        # Everything is closed, but a thread of the SDK's waits for a line that nobody types, and Python would wait for it.
        os._exit(0)
    return 0


async def _serve(options: Options, roster: Roster, stop: asyncio.Event) -> None:
    from ...agents.runtime import open_engine
    from ...protocols.mcp.server import serve_server_http, serve_server_stdio
    from ...protocols.variants import Bind
    from .comparing import comparing

    runs = runs_folder(options.runs)
    async with (
        open_engine(options.engine or default_engine(), roster) as engine,
        comparing(runs) as comparisons,
        contextlib.AsyncExitStack() as stack,
    ):
        built = _built(engine, comparisons, runs)
        if options.http:
            endpoint = await stack.enter_async_context(serve_server_http(built, Bind(options.host, options.port)))
            print(f"{endpoint.url}  (runs in {runs}); Ctrl-C stops", file=sys.stderr, flush=True)
        else:
            endpoint = await stack.enter_async_context(serve_server_stdio(built, Bind()))
            if sys.stderr.isatty():
                print("sametask mcp speaks on stdin and stdout, which an MCP host is to hold; Ctrl-C stops", file=sys.stderr)
        waiting = [asyncio.create_task(event.wait()) for event in (stop, endpoint.closed or asyncio.Event())]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for wait in waiting:
            wait.cancel()


def _built(engine: TaskEngine, comparisons: Comparisons, runs: Path) -> McpServer:
    from ...protocols.mcp.server import build_server
    from .instructions import instructions
    from .reports import Reports

    reports = Reports(runs, lambda: comparisons.measuring)
    return build_server(
        engine,
        instructions=instructions(engine.roster, runs),
        extra_tools=[*comparisons.tools(), *reports.tools()],
        extra_resources=reports.resources(),
        long_tools="both",
    )
