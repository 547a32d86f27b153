"""SIGKILL to the server, which is then started again on the same store and the same address."""

from __future__ import annotations

from ..contract import AnyFault, World


async def _strike(world: World) -> None:
    await world.station.kill()
    if world.link is not None:
        world.link.cut("reset")  # what is held here was never sent
    await world.station.start()


FAULT = AnyFault("sigkill", "the server is killed", 30, _strike, starts=True)
