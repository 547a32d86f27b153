"""Two clients watch one task: the one that started it, and one that was given its id. Both are to end right."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import anyio

from ....agents.errors import SametaskError
from ....agents.events import Event
from ..callers import callers
from ..contract import Cell, Scenario, Trial, Verdict
from ..judging import judge_told, worst
from ..ledger import Told


async def _act(trial: Trial) -> None:
    second = Told("second")
    trial.others.append(second)

    async def join() -> None:
        await trial.named.wait()
        async with callers(trial):  # a client's home is the task that opened it
            await _watch(trial, second, trial.caller(second).resume(trial.told.task_id))

    async with anyio.create_task_group() as group:
        group.start_soon(join)
        await _watch(trial, trial.told, trial.caller().run(trial.request()))
        if not trial.named.is_set():
            group.cancel_scope.cancel()  # nobody can be given its id
    for told in (trial.told, second):
        if told.error is not None:
            raise told.error


async def _watch(trial: Trial, told: Told, events: AsyncGenerator[Event]) -> None:
    try:
        await trial.follow(events, told)
    except SametaskError as error:
        told.error = error
        told.note(f"{type(error).__name__}: {error}")


def _judge(trial: Trial, error: Exception | None) -> tuple[Verdict, str]:
    effects, tasks = trial.deeds.effects(), len(trial.deeds.tasks())
    watchers = (trial.told, *trial.others)
    each = [(told.name, judge_told(told, effects, trial.steps, told.error, tasks)) for told in watchers]
    return worst([(verdict, f"{name}: {reason}" if reason else "") for name, (verdict, reason) in each])


_FAULTS = ("reset", "refuse", "sigkill", "sigterm")

SCENARIO = Scenario(
    "two_watchers",
    "two clients watch one task",
    60,
    _act,
    (Cell(), *(Cell(fault, point) for fault in _FAULTS for point in ("between_events", "after_side_effect"))),
    _judge,
    needs=("tasks",),
)
