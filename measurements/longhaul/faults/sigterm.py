"""SIGTERM to the server, which may drain; it is then started again on the same store and the same address."""

from __future__ import annotations

from ..contract import AnyFault, World


async def _strike(world: World) -> None:
    world.release()
    await world.station.stop()
    await world.station.start()


FAULT = AnyFault("sigterm", "the server is stopped", 31, _strike, starts=True)
