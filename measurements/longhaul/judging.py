"""The verdict on a trial, from its two ledgers, and the numbers that a sample keeps."""

from __future__ import annotations

from collections import Counter
from typing import Any, cast

from ...agents.events import Task, TaskState
from .contract import Trial, Verdict
from .ledger import Told

WORST: tuple[Verdict, ...] = ("lost", "hung", "duplicated", "failed_cleanly", "delivered")


def judge(trial: Trial, error: Exception | None) -> tuple[Verdict, str]:
    """Shape: `delivered`: the client has the right result, and the side effect of every step took place once. `duplicated`: it
    has it, and one took place twice, by one task or by two. `failed_cleanly`: it holds a definite error, and the work is
    indeed not done. `lost`: it was told something that is not so, or left without the result of work that was done.
    """
    return judge_told(trial.told, trial.deeds.effects(), trial.steps, error, len(trial.deeds.tasks()))


def judge_told(told: Told, effects: Counter[int], steps: int, error: Exception | None, tasks: int = 1) -> tuple[Verdict, str]:
    """As `judge`, of one client and the side effects of the work that it asked for, by so many tasks."""
    whole = set(effects) == set(range(1, steps + 1))
    end = told.end
    if error is None and end is not None and end.state is TaskState.COMPLETED:
        result: Any = end.result
        if not whole or not isinstance(result, dict) or cast(dict[str, Any], result).get("steps") != steps:
            return "lost", f"completed was told with {result}, and {len(effects)} of {steps} steps were done"
        again = sum(effects.values()) - steps
        if again:
            by = f", by {tasks} tasks" if tasks > 1 else ""
            return "duplicated", f"{again} of {sum(effects.values())} side effects repeated one that had taken place{by}"
        return "delivered", ""
    said = f"{type(error).__name__}: {error}" if error else f"the stream ended with {end and end.state}"
    definite = error is not None or end is not None
    # An error is the truth only where the work is not done: "unknown task" about a finished task is a loss.
    return ("failed_cleanly" if definite and not whole else "lost"), said


def worst(verdicts: list[tuple[Verdict, str]]) -> tuple[Verdict, str]:
    """Of several clients' verdicts the one that counts."""
    return min(verdicts, key=lambda one: WORST.index(one[0]))


def values(trial: Trial, finished_at: float) -> dict[str, Any]:
    """What the two ledgers hold, as a sample keeps it.

    Shape: `time_to_know_ms` is from the fault to the first thing that the server told after the client had noticed the loss,
    or, where it noticed none, after the fault was over; `time_to_recover_ms` is from the fault to the first event after that
    which the client did not have, or to the end of the task. Either is absent where it never came, and where nothing struck.
    `looked_finished`: a stream ended as if all had been told, and it had not.
    """
    told = [trial.told, *trial.others]
    expected = trial.expected
    effects = trial.deeds.effects()
    return {
        "events_expected_count": len(expected) * len(told),
        "events_live_count": sum(len({mark for _, mark in each.live}) for each in told),
        "events_lost_count": sum(len(expected - each.known.keys()) for each in told),
        "events_duplicated_count": sum(each.duplicates() for each in told),
        "events_reordered_count": sum(each.reordered() for each in told),
        "effects_duplicated_count": sum(effects.values()) - len(effects),
        "steps_rerun_count": trial.deeds.rerun(),
        "tasks_count": len(trial.deeds.tasks()),
        "reconnections_count": sum(len(each.losses) for each in told),
        "finished_by_snapshot": isinstance(trial.told.end, Task),
        "looked_finished": any(each.looked_finished for each in told),
        **_times(trial, trial.told, finished_at),
        **trial.extra,
    }


def _times(trial: Trial, told: Told, finished_at: float) -> dict[str, float]:
    struck_at = trial.struck_at
    if struck_at is None:
        return {}
    noticed = next((at for at in told.losses if at >= struck_at), trial.over_at)
    if noticed is None:
        return {}
    know = [at for at in told.statements if at > noticed]
    if not know:
        return {}
    times = {"time_to_know_ms": (know[0] - struck_at) * 1000}
    fresh = [at for at in told.known.values() if at > noticed]
    # A client that has neither news nor an end has not recovered, however long it waited.
    recovered = min(fresh, default=finished_at if told.end is not None else None)
    if recovered is not None:
        times["time_to_recover_ms"] = (recovered - struck_at) * 1000
    return times
