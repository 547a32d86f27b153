"""A task that asks half-way; its client has the question when the line or the server breaks, and answers once that is over."""

from __future__ import annotations

from ..contract import Cell, Scenario, Trial

_FAULTS = ("reset", "refuse", "blackhole", "blackhole_down", "sigkill", "sigterm", "restart_elsewhere", "pause")


async def _act(trial: Trial) -> None:
    caller = trial.caller()
    await trial.follow(caller.run(trial.request(ask=True)))
    await trial.over.wait()
    if trial.told.question is not None:
        await caller.answer(trial.told.question.request_id, {"choice": "continue"})
        await trial.follow(caller.resume())


SCENARIO = Scenario(
    "question",
    "a question that is answered after the cut",
    30,
    _act,
    (Cell(), *(Cell(fault, "waiting_for_answer") for fault in _FAULTS)),
    needs=("tasks",),
)
