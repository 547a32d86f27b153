"""A client that cancels its task while the line is broken, and follows it to its end all the same.

Each step is so slow that the half of the work which is left outlasts an outage and an attempt after it: a cancel that gets
through is in time. The verdict is on the cancel, not on the result, and no events are expected of work that was to stop:

- `delivered`: the client was told `canceled` and no step was done after that; or the work had won the race, was wholly done
  and it was told its result, and it had no acknowledgement that would say otherwise.
- `duplicated`: so it was, and a side effect took place twice.
- `lost`: it was told something that is not so (`canceled`, and steps went on; `failed`, and all was done; no such task, and all
  was done), or its cancel was acknowledged and the work went on to its end, or it was left with nothing at all.
- `failed_cleanly`: it holds a definite error or `failed` instead, and that is the truth: the work stopped, or it went on and
  the client has only ever heard that it could not be reached.
"""

from __future__ import annotations

import anyio

from ....agents.errors import ConnectionLost, SametaskError, TaskFinished, Unavailable
from ....agents.events import TaskState
from ..contract import STEPS, Cell, Scenario, Trial, Verdict
from ..judging import judge
from ..trial import settled

RETRY_S = 2.0
ACKNOWLEDGED = "the cancel was acknowledged"


async def _act(trial: Trial) -> None:
    trial.kinds = ()
    caller = trial.caller()
    step_ms = round((trial.outage_s + RETRY_S) * 1000 / (STEPS // 2))
    left_with: list[SametaskError] = []

    async def cancel() -> None:
        await _broken(trial)
        await trial.named.wait()
        try:
            await caller.cancel()
            trial.told.note(ACKNOWLEDGED)
        except TaskFinished as error:
            trial.told.note(f"the cancel came too late: {error}")
        except SametaskError as error:
            left_with.append(error)
            trial.told.note(f"the cancel failed: {error}")

    async with anyio.create_task_group() as group:
        group.start_soon(cancel)
        try:
            await trial.follow(caller.run(trial.request(step_ms=step_ms)))
        except SametaskError as error:
            left_with.append(error)
            if not trial.named.is_set():
                group.cancel_scope.cancel()  # there is nothing that it could cancel
    if left_with:
        raise left_with[0]
    await settled(trial)


async def _broken(trial: Trial) -> None:
    if trial.over.is_set():  # nothing is going to break
        await trial.deeds.reach(trial.draw.randint(STEPS // 4, STEPS // 2))
    else:
        await trial.struck.wait()


def _judge(trial: Trial, error: Exception | None) -> tuple[Verdict, str]:
    deeds, effects, end = trial.deeds.all(), trial.deeds.effects(), trial.told.end
    whole = len(effects) == trial.steps
    acknowledged_at = next((entry.at for entry in trial.told.entries if entry.text == ACKNOWLEDGED), None)
    unheeded = 0 if acknowledged_at is None else sum(deed.at > acknowledged_at for deed in deeds)
    if whole and unheeded:
        return "lost", f"{ACKNOWLEDGED}, and {unheeded} more steps were done, to the end"
    if error is None and end is not None and end.state is TaskState.COMPLETED:
        return judge(trial, None)
    if error is None and end is not None and end.state is TaskState.CANCELED:
        told_at = trial.told.statements[-1]  # nothing is told after an end
        if late := sum(deed.at > told_at for deed in deeds):
            return "lost", f"canceled was told, and {late} steps were done after that"
        again = sum(effects.values()) - len(effects)
        return ("duplicated", f"{again} side effects repeated one that had taken place") if again else ("delivered", "")
    if error is None and end is None:
        return "lost", "the stream ended, and nothing was told"
    said = f"{type(error).__name__}: {error}" if error else f"the stream ended with {end and end.state}"
    unreached = isinstance(error, ConnectionLost | Unavailable)
    return ("lost" if whole and not unreached else "failed_cleanly"), said


_FAULTS = ("refuse", "blackhole", "sigkill", "pause")

SCENARIO = Scenario(
    "cancel",
    "a cancel during the cut",
    40,
    _act,
    (Cell(), *(Cell(fault, point) for fault in _FAULTS for point in ("between_events", "after_side_effect"))),
    _judge,
    needs=("tasks",),
)
