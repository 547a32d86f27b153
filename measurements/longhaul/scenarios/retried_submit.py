"""A submit whose response is lost, and which is sent again: one task or two, one side effect or two?

With our settings the caller asks again with its idempotency key, and where there is no key it does not ask again. The library
as it comes is retried as a plain loop does it: the same request on a new client, until it is answered. Then the task that the
caller knows is waited for, and whatever else it may have started comes to its end. Nobody follows it: no events are expected.
"""

from __future__ import annotations

import anyio

from ....agents.errors import ConnectionLost, Unavailable
from ....agents.events import Task
from ..contract import Caller, Cell, Scenario, Trial
from ..trial import settled

RETRY_S = 0.2


async def _act(trial: Trial) -> None:
    trial.kinds = ()
    caller, task = await _submitted(trial)
    trial.told.read(task)
    trial.told.read(await caller.wait(task.id))
    await settled(trial)


async def _submitted(trial: Trial) -> tuple[Caller, Task]:
    request = trial.request()
    while True:
        caller = trial.caller()
        try:
            return caller, await caller.submit(request)
        except (ConnectionLost, Unavailable) as error:
            if trial.client == "recommended":
                raise  # it has asked again by itself, if it can
            trial.told.lost(error)
        await anyio.sleep(RETRY_S)


SCENARIO = Scenario(
    "retried_submit",
    "a submit that is sent again because its response was lost",
    50,
    _act,
    (
        Cell(),
        Cell("reset", "request_sent"),
        Cell("reset", "before_response"),
        *(Cell(fault, "before_response") for fault in ("half_response", "duplicate_send", "sigkill")),
    ),
    needs=("tasks",),
)
