"""Nothing breaks: what each variant tells of a long task at its best, for the others to be read against."""

from __future__ import annotations

from ..trial import Scenario, Strike


async def _strike(strike: Strike) -> None:
    return


SCENARIO = Scenario("no_fault", "nothing is broken", 0, _strike)
