"""SIGSTOP to the server, and after a while SIGCONT: a long pause for whatever reason, with every connection open."""

from __future__ import annotations

import os
import signal

import anyio

from ..contract import AnyFault, World


async def _strike(world: World) -> None:
    pid = world.station.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        world.release()
        await anyio.sleep(world.outage_s)
    finally:
        os.kill(pid, signal.SIGCONT)


FAULT = AnyFault("pause", "the server pauses", 32, _strike)
