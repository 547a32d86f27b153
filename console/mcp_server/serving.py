"""Serve the agents, the comparison and its reports over MCP, until the client leaves or a signal comes."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...agents.errors import InvalidInput
from ...agents.runtime import check_engine
from ...agents.team import descriptions, team
from ...protocols.mcp.early import early_pipes
from ...protocols.mcp.first_answer import FirstAnswers, Tools
from ...protocols.variants import Bind
from ..agents import roster_of
from ..stdout import claimed_stdout
from .instructions import instructions
from .loading import early_tools, import_server, in_thread, team_tools
from .places import default_engine, runs_folder

if TYPE_CHECKING:
    from ...agents.contract import Roster
    from ...protocols.mcp.server import McpServer


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
    """Serve on this process's own pipes, or over HTTP. Shape: the exit code. Whatever of the user's can be wrong is found out
    before anything is answered.

    Raises: InvalidInput for what was typed, Unavailable for a port or a store that cannot be had.
    """
    stop = asyncio.Event()
    typed = not options.http and sys.stdin.isatty()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # Windows: there a host ends us by closing stdin
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runs = runs_folder(options.runs)
    roster, tools = _own(options.files, runs) if options.files else (None, None)
    told = descriptions() if roster is None else {agent.name: agent.description for agent in roster.values()}
    plan = _Plan(roster, tools, options.engine or default_engine(), runs, instructions(told, runs))
    try:
        await (_serve_http(options, plan, stop) if options.http else _serve_stdio(plan, stop))
    finally:
        if not options.http:
            os.dup2(2, 1)  # whatever is printed while this process ends is not protocol either
    if typed:
        # Everything is closed, but a thread of the SDK's waits for a line that nobody types, and Python would wait for it.
        os._exit(0)
    return 0


@dataclass(frozen=True)
class _Plan:
    """What is to be served; without a roster, the bundled team, and then its tools are not known yet."""

    roster: Roster | None
    tools: Tools | None
    store: str
    runs: Path
    instructions: str


def _own(files: tuple[str, ...], runs: Path) -> tuple[Roster, Tools]:
    """The user's own agents, and what tools/list tells of them.

    Raises: InvalidInput, as `load_roster`, and where a skill has the name of another tool.
    """
    with claimed_stdout():  # they may print while they are imported
        roster = roster_of(files)
        try:
            return roster, early_tools(roster, runs)
        except ValueError as error:
            raise InvalidInput("agents", ", ".join(files), str(error)) from None


async def _serve_http(options: Options, plan: _Plan, stop: asyncio.Event) -> None:
    from ...protocols.mcp.server import serve_server_http

    async with _built(plan) as built, serve_server_http(built, Bind(options.host, options.port)) as endpoint:
        print(f"{endpoint.url}  (runs in {plan.runs}); Ctrl-C stops", file=sys.stderr, flush=True)
        await stop.wait()


async def _serve_stdio(plan: _Plan, stop: asyncio.Event) -> None:
    bind = Bind()
    check_engine(plan.store)
    gc.disable()  # what is imported stays: to look for garbage in it takes a tenth of the time
    async with early_pipes(FirstAnswers(plan.instructions, tools=plan.tools), bind.max_message_bytes) as early:
        if early is not None:
            if plan.tools is None:
                await early.tell_tools(await in_thread(lambda: team_tools(plan.runs), stop, early.left))
            await in_thread(import_server, stop, early.left)
        gc.freeze()
        gc.enable()
        from ...protocols.mcp.server import serve_server_stdio

        async with _built(plan) as built, serve_server_stdio(built, bind, early) as endpoint:
            if sys.stderr.isatty():
                print("sametask mcp speaks on stdin and stdout, which an MCP host is to hold; Ctrl-C stops", file=sys.stderr)
            await _first(stop, endpoint.closed or asyncio.Event())


@contextlib.asynccontextmanager
async def _built(plan: _Plan) -> AsyncGenerator[McpServer]:
    from ...agents.runtime import open_engine
    from ...protocols.mcp.server import build_server
    from .comparing import comparing
    from .reports import Reports

    async with (
        open_engine(plan.store, team() if plan.roster is None else plan.roster) as engine,
        comparing(plan.runs) as comparisons,
    ):
        reports = Reports(plan.runs, lambda: comparisons.measuring)
        yield build_server(
            engine,
            instructions=plan.instructions,
            extra_tools=[*comparisons.tools(), *reports.tools()],
            extra_resources=reports.resources(),
            long_tools="both",
        )


async def _first(*events: asyncio.Event) -> None:
    waiting = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for wait in waiting:
        wait.cancel()
