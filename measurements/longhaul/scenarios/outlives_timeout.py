"""A task that says nothing for longer than its library's client waits by default.

Its one long step lasts `FACTOR` times the variant's own default timeout, and the client's clock is scaled with the step. Where
the server's pings hold a client that would give up, the pings cannot be scaled: with real seconds that client's timeout is
made `PINGS` pings long, so that pings alone can save it and nobody waits for minutes; on a scaled clock nothing is outlived
there, and none is said to be. For one that never gives up the step lasts `NEVER_S`.
"""

from __future__ import annotations

from dataclasses import replace

from ..contract import Cell, Scenario, Trial

FACTOR = 1.5
PINGS = 4 / 3
NEVER_S = 10.0
LONGEST_S = 30.0


async def _act(trial: Trial) -> None:
    silent_s, patient_s = _times(trial)
    trial.extra["silent_ms"] = silent_s * 1000
    if patient_s is not None:
        trial.extra["client_gives_up_ms"] = patient_s * 1000
    await trial.follow(trial.caller().run(trial.request(steps=2, silent_ms=round(silent_s * 1000))))


def _times(trial: Trial) -> tuple[float, float | None]:
    """How long the work is silent, and after how long without a byte the client gives up. Units: s."""
    variant, real = trial.station.variant, trial.scale == 1.0
    limit_s, pings = variant.default_timeout_s, variant.default_silence_s is None
    if limit_s is not None and variant.ping_s is not None and pings and real:
        patient_s = PINGS * variant.ping_s
        silent_s = FACTOR * patient_s
        trial.settings = replace(trial.settings, time_scale=patient_s / limit_s)
    elif limit_s is not None and not pings:
        patient_s = limit_s * trial.scale
        silent_s = FACTOR * patient_s
    else:
        patient_s, silent_s = limit_s, NEVER_S * trial.scale
    return silent_s, patient_s if trial.settings.as_library else trial.settings.silence_limit_s


SCENARIO = Scenario(
    "outlives_timeout",
    "a task that outlives the client's default timeout",
    10,
    _act,
    (Cell(quick=("defaults",)),),
    longer_s=LONGEST_S,
)
