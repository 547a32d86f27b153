"""The server gets SIGKILL while it works on the task, and is started again on the same store."""

from __future__ import annotations

import anyio

from ..trial import STEP_MS, STEPS, Scenario, Strike


async def _strike(strike: Strike) -> None:
    await strike.deeds.reach(strike.draw.randint(STEPS // 4, STEPS // 2))
    # Anywhere within the next step, not always in the moment between its deed and its record.
    await anyio.sleep(strike.draw.uniform(0, STEP_MS) / 1000)
    strike.at = await strike.station.kill()
    await strike.station.start()


SCENARIO = Scenario("server_killed", "the server is killed", 2, _strike)
