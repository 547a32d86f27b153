"""`sametask worker`: runs tasks without listeners, until SIGTERM or Ctrl-C, then drained."""

from __future__ import annotations

import os
import sys

from ..agents.errors import InvalidInput
from ..agents.runtime import open_engine
from ..agents.runtime.urls import is_distributed, shown
from .agents import roster_of
from .stdout import claimed_stdout
from .stopping import stop_signals


async def run_worker(files: tuple[str, ...], engine_url: str) -> int:
    """Work until told to stop. Shape: the exit code.

    Raises: InvalidInput for what was typed, Unavailable for a database that cannot be had.
    """
    if not is_distributed(engine_url):
        raise InvalidInput("engine", shown(engine_url), "accepted: postgresql://USER@HOST:PORT/DATABASE, which processes share")
    with claimed_stdout(), stop_signals() as stop:
        roster = roster_of(files)
        async with open_engine(engine_url, roster, listens=False):
            what = f"{', '.join(roster)}; tasks in {shown(engine_url)}"
            print(f"working (process {os.getpid()}): {what}; Ctrl-C drains and stops", file=sys.stderr, flush=True)
            await stop.wait()
            print("draining; unfinished tasks go on in other processes", file=sys.stderr, flush=True)
    return 0
