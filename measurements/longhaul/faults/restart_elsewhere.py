"""The server is killed, and another one on the same store, at another port, takes over: the address now leads there."""

from __future__ import annotations

from ...bench import Spare
from ..contract import AnyFault, World


async def _prepare(world: World) -> Spare:
    return await world.station.spare()


async def _strike(world: World) -> None:
    try:
        await world.station.kill()
        if world.link is not None:
            world.link.cut("reset")
    finally:
        world.station.take_over(world.prepared)


FAULT = AnyFault("restart_elsewhere", "another server takes over", 33, _strike, _prepare, listening=True, starts=True)
