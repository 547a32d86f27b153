"""A task that does something, then tells nothing for a long time, and then ends; whatever breaks, breaks in the silence."""

from __future__ import annotations

from ..contract import Cell, Scenario, Trial

SILENT_S = 30.0


async def _act(trial: Trial) -> None:
    await trial.follow(trial.caller().run(trial.request(steps=2, silent_ms=round(SILENT_S * trial.scale * 1000))))


SCENARIO = Scenario(
    "silent",
    "a task that says nothing for 30 s",
    20,
    _act,
    (Cell(), *(Cell(fault, "after_side_effect") for fault in ("reset", "close", "blackhole", "pause", "sigkill"))),
    longer_s=2 * SILENT_S,  # a step that was under way when its server was killed begins again
)
