"""The server gets SIGKILL while it works on the task, and is started again on the same store."""

from __future__ import annotations

from ..trial import STEPS, Scenario, Strike


async def _strike(strike: Strike) -> None:
    await strike.deeds.reach(strike.draw.randint(STEPS // 4, STEPS // 2))
    strike.at = await strike.station.kill()
    await strike.station.start()


SCENARIO = Scenario("server_killed", "the server is killed and started again on its store", 2, _strike)
