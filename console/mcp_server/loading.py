"""What serving takes, loaded behind the first answers: libraries take longer to import than a host should wait for one."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

from ...agents.errors import Unavailable
from ...agents.team import team
from ...protocols.mcp.first_answer import Tools

if TYPE_CHECKING:
    from ...agents.contract import Roster

Result = TypeVar("Result")


async def in_thread(load: Callable[[], Result], *ends: asyncio.Event) -> Result:
    """What `load` gives. Where one of `ends` is set before that, this process ends at once, with the exit code 0: nothing may
    be open yet.

    Raises: whatever `load` raised.
    """
    loop = asyncio.get_running_loop()
    loaded: asyncio.Future[Result] = loop.create_future()

    def run() -> None:
        try:
            result = load()
        except BaseException as error:  # whatever it is, it is for whoever waits
            loop.call_soon_threadsafe(loaded.set_exception, error)
        else:
            loop.call_soon_threadsafe(loaded.set_result, result)

    threading.Thread(target=run, name="sametask-load", daemon=True).start()
    ending = [asyncio.create_task(event.wait()) for event in ends]
    await asyncio.wait([loaded, *ending], return_when=asyncio.FIRST_COMPLETED)
    if not loaded.done():
        # A thread cannot be ended, and Python's own end would pull the interpreter from under it.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    for wait in ending:
        wait.cancel()
    return await loaded


def early_tools(roster: Roster, runs: Path) -> Tools:
    """What tools/list will tell, without the SDK.

    Raises: ValueError where two tools would have one name.
    """
    from ...protocols.mcp.listing import LIST_TTL_MS, listing
    from ...protocols.mcp.plain_tools import task_tools
    from .comparing import Comparisons
    from .reports import Reports

    extras = [*task_tools(roster, _not_open), *Comparisons(runs).tools(), *Reports(runs, lambda: None).tools()]
    return Tools(listing(roster, extras), LIST_TTL_MS)


def team_tools(runs: Path) -> Tools:
    """The same of the bundled agents."""
    return early_tools(team(), runs)


def _not_open() -> NoReturn:
    raise Unavailable("the server is starting; accepted: a retry in a while")


def import_server() -> None:
    """The SDK, and all that serving takes beside it."""
    from ...agents.runtime.embedded import engine
    from ...protocols.mcp import server, stdio

    _ = engine, server, stdio
