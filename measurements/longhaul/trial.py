"""One trial: a long task with a fault in the middle, judged by its two ledgers."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Literal, cast

import anyio

from ...agents.errors import SametaskError
from ...agents.events import Task, TaskState
from ...protocols.following import Follower
from ..bench import Station
from .ledger import Deeds, Told

AGENT, SKILL = "probe", "work"
STEPS, STEP_MS = 20, 20

Verdict = Literal["delivered", "duplicated", "lost", "hung", "failed_cleanly"]


@dataclass
class Strike:
    """The fault of one trial. A scenario sets `at`, in monotonic seconds, when it has struck."""

    station: Station
    deeds: Deeds
    draw: Random
    at: float | None = None


@dataclass(frozen=True)
class Scenario:
    """One way to break the world in the middle of a task: `strike` runs beside the client and ends once it has struck (and,
    where it took something away, brought it back).
    """

    name: str
    title: str
    order: int
    strike: Callable[[Strike], Coroutine[Any, Any, None]]


class TrialBroken(Exception):
    """The harness could not do what the scenario is; no verdict on the protocol."""


@dataclass(frozen=True)
class Outcome:
    """A trial's verdict and what it was judged by. Units: milliseconds from the fault; None where it never came."""

    verdict: Verdict
    values: dict[str, Any] = field(default_factory=dict[str, Any])
    reason: str = ""


async def run_trial(station: Station, scenario: Scenario, draw: Random, ledger: Path, deadline_s: float) -> Outcome:
    """Run the task and the fault side by side, and judge.

    Shape: `delivered`: the client has the right result and every step was executed once. `duplicated`: it has it, and a step
    was executed twice. `failed_cleanly`: it holds a definite error, and the work is indeed not done. `lost`: it was told
    something that is not so, or left without an end. `hung`: it held nothing final by `deadline_s`.

    Raises: TrialBroken when the fault never struck, or when the wire was not the variant's protocol; and, in a group, what a
    scenario raises when it cannot mend the world again.
    """
    strike, told = Strike(station, Deeds(ledger), draw), Told()
    follower = Follower(station.open, give_up_s=deadline_s, on_lost=told.lost)
    struck = anyio.Event()
    error: SametaskError | None = None
    hung, finished = False, 0.0

    async def run_strike() -> None:
        await scenario.strike(strike)
        struck.set()

    mark = station.recording.mark()
    async with anyio.create_task_group() as group:
        group.start_soon(run_strike)
        try:
            with anyio.move_on_after(deadline_s) as patience:
                await _follow(follower, told, ledger)
            hung = patience.cancelled_caught
        except SametaskError as raised:
            error = raised
        finished = time.monotonic()
        # Not cancelled: a server that was killed must be back before the next trial.
        with anyio.move_on_after(deadline_s):
            await struck.wait()
        group.cancel_scope.cancel()
    if not struck.is_set():
        raise TrialBroken(f"the fault {scenario.name} never struck")
    lines = station.recording.since(mark).fingerprint
    if told.statements and not lines:
        raise TrialBroken("nothing passed the taps, and yet the client was told something")
    if foreign := [line for line in lines if not station.variant.speaks(line)]:
        raise TrialBroken(f"this is not {station.variant.name}: the wire carried {foreign[0]!r}")
    verdict, reason = _judge(strike.deeds, told, error, hung)
    return Outcome(verdict, _values(strike, told, finished), reason)


async def _follow(follower: Follower, told: Told, ledger: Path) -> None:
    request = {"steps": STEPS, "step_ms": STEP_MS, "ledger": str(ledger)}
    async for event in follower.run(AGENT, SKILL, request):
        told.hear(event)


def _judge(deeds: Deeds, told: Told, error: SametaskError | None, hung: bool) -> tuple[Verdict, str]:
    executed = deeds.executed()
    whole = set(executed) == set(range(1, STEPS + 1))
    if hung:
        return "hung", "nothing final by the deadline"
    if error is None and told.end is not None and told.end.state is TaskState.COMPLETED:
        result: Any = told.end.result
        if not whole or not isinstance(result, dict) or cast(dict[str, Any], result).get("steps") != STEPS:
            return "lost", f"completed was told with {result}, and {len(executed)} of {STEPS} steps were done"
        again = sum(executed.values()) - STEPS
        if again:
            return "duplicated", f"{again} of {sum(executed.values())} executions repeated a step that had been done"
        return "delivered", ""
    said = f"{type(error).__name__}: {error}" if error else f"the stream ended with {told.end and told.end.state}"
    definite = error is not None or told.end is not None
    # An error is the truth only where the work is not done: "unknown task" about a finished task is a loss.
    return ("failed_cleanly" if definite and not whole else "lost"), said


def _values(strike: Strike, told: Told, finished: float) -> dict[str, Any]:
    """What the two ledgers hold, as a sample keeps it.

    Shape: `time_to_know_ms` is from the fault to the first thing that the server told after the client had noticed the
    loss; `time_to_recover_ms` is from the fault to the first event after that which the client did not have, or to the end of
    the task. Either is absent where it never came, and where the client noticed no loss.
    """
    expected = {(kind, k) for kind in ("artifact", "progress") for k in range(1, STEPS + 1)}
    executed = strike.deeds.executed()
    values: dict[str, Any] = {
        "events_expected_count": len(expected),
        "events_live_count": len({mark for _, mark in told.live}),
        "events_lost_count": len(expected - set(told.known)),
        "events_duplicated_count": told.duplicates(),
        "events_reordered_count": told.reordered(),
        "steps_rerun_count": sum(executed.values()) - len(executed),
        "reconnections_count": len(told.losses),
        "finished_by_snapshot": isinstance(told.end, Task),
    }
    # Without a loss noticed nothing is timed: what comes after the fault was under way before it.
    noticed = next((at for at in told.losses if strike.at is not None and at >= strike.at), None)
    if strike.at is None or noticed is None:
        return values
    know = [at for at in told.statements if at > noticed]
    fresh = [at for at in told.known.values() if at > noticed]
    # A client that has neither news nor an end has not recovered, however long it waited.
    recovered = min(fresh, default=finished if told.end is not None else None)
    if know:
        values["time_to_know_ms"] = (know[0] - strike.at) * 1000
        if recovered is not None:
            values["time_to_recover_ms"] = (recovered - strike.at) * 1000
    return values
