"""One trial: a client lives through its scenario while a fault strikes at a point, and the two ledgers are held together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import anyio
from anyio.lowlevel import checkpoint

from ...agents.errors import SametaskError
from ...protocols.client import ClientSettings
from ..bench import Station
from ..wire.faults.contract import NothingToStrike
from .callers import callers
from .contract import NONE, AnyFault, ClientName, Point, Scenario, Trial, TrialBroken, Verdict, World
from .judging import judge, values
from .ledger import Deeds

APART_S = 0.02
SETTLED_S = 0.25
"""No new deed for so long (and a step), with a server that is up, is no deed any more."""


@dataclass(frozen=True)
class Outcome:
    """A trial's verdict, why, what it was judged by, and the trial itself, with its ledgers."""

    verdict: Verdict
    trial: Trial
    values: dict[str, Any] = field(default_factory=dict[str, Any])
    reason: str = ""


@dataclass(frozen=True)
class Setting:
    """Units: as in `Trial`."""

    settings: Mapping[ClientName, ClientSettings]
    deadline_s: float
    outage_s: float = 0.5
    scale: float = 1.0


async def run_trial(
    station: Station,
    scenario: Scenario,
    fault: AnyFault,
    point: Point,
    client: ClientName,
    draw: Random,
    ledger: Path,
    setting: Setting,
) -> Outcome:
    """Run the client and the fault side by side, and judge. `hung`: the client held nothing final by the deadline.

    Raises: TrialBroken when the fault never struck, or when the wire was not the variant's protocol; and, in a group, what a
    fault raises when it cannot mend the world again.
    """
    trial = Trial(
        station,
        client,
        setting.settings[client],
        draw,
        Deeds(ledger),
        setting.deadline_s + scenario.longer_s * setting.scale,
        setting.outage_s,
        setting.scale,
    )
    error: Exception | None = None
    hung, finished_at = False, 0.0
    world = World(list(station.taps.values()), draw, trial.outage_s, lambda: None, idle=point.idle, station=station)
    if fault.prepare is not None:
        world.prepared = await fault.prepare(world)
    mark = station.recording.mark()
    for tap in station.taps.values():
        tap.arm()
    try:
        async with anyio.create_task_group() as group:
            if fault.name == NONE:
                trial.over.set()
            else:
                group.start_soon(_strike, trial, world, fault, point)
            try:
                with anyio.move_on_after(trial.deadline_s) as patience:
                    try:
                        async with callers(trial):
                            await scenario.act(trial)
                    except asyncio.CancelledError:
                        # grpc.aio raises one of its own in the stead of the scope's, which would not know it again.
                        await checkpoint()
                        raise
                hung = patience.cancelled_caught
            except SametaskError as raised:
                error = raised
                trial.told.note(f"{type(raised).__name__}: {raised}")
            finished_at = time.monotonic()
            if error is not None:
                with anyio.move_on_after(trial.deadline_s):
                    await settled(trial)
            # Not cancelled: a server that was killed must be back before the next trial.
            with anyio.move_on_after(trial.deadline_s):
                if trial.struck.is_set() or not error:
                    await trial.over.wait()
            group.cancel_scope.cancel()
    except* NothingToStrike as nothing:
        raise TrialBroken(str(nothing.exceptions[0])) from None
    finally:
        for tap in station.taps.values():
            tap.arm()
            tap.cut_all()
        # gRPC shares connections between channels: the next trial's is not to find this one's before it has seen its end.
        with anyio.CancelScope(shield=True):
            await anyio.sleep(APART_S)
    if fault.name != NONE and not trial.struck.is_set():
        left = f" (the client was left with {type(error).__name__}: {error})" if error else ""
        raise TrialBroken(f"{fault.name} never struck: the trial did not come to {point.name}{left}")
    counts = station.recording.since(mark)
    if trial.told.statements and not counts.fingerprint:
        raise TrialBroken("nothing passed the taps, and yet the client was told something")
    # One that was cut before its answer may have been cut before it said what it is.
    answered = [line for line in counts.fingerprint if " -> ?" not in line]
    if foreign := [line for line in answered if not station.variant.speaks(line)]:
        raise TrialBroken(f"this is not {station.variant.name}: the wire carried {foreign[0]!r}")
    verdict, reason = (scenario.judge or judge)(trial, error)
    if hung:
        verdict, reason = "hung", "nothing final by the deadline"
    cost = {
        "requests_count": counts.requests,
        "connections_count": counts.connections,
        "wire_bytes": counts.up.total + counts.down.total,
    }
    return Outcome(verdict, trial, values(trial, finished_at) | cost, reason)


async def settled(trial: Trial) -> None:
    """Return when what the server does for this trial is done, or goes no further: what a client was left with is judged by
    what became of the work, not by how far it was just then.
    """
    # A server that keeps its tasks itself does not say that it is in the middle of a step.
    quiet_s = SETTLED_S + (trial.longest_step_s if trial.station.variant.stock_of else 0.0)
    seen = -1
    while (done := len(trial.deeds.all())) > seen or await trial.station.busy():
        seen = done
        await anyio.sleep(quiet_s)


async def _strike(trial: Trial, world: World, fault: AnyFault, point: Point) -> None:
    if (held := await point.reach(trial)) is not None:
        world.link, world.release = held.link, held.release
    world.receiver = trial.receiver
    trial.struck_at = time.monotonic()
    trial.struck.set()
    try:
        await fault.strike(world)
    finally:
        world.release()
    trial.over_at = time.monotonic()
    trial.over.set()
