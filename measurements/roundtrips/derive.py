"""From samples to rows: the medians of what was counted, and the slope of time against the injected round-trip time."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...protocols.variants import variants
from ..metric import Row
from ..samples import Sample

RESAMPLES = 2000
TOLERANCE = 0.25
HIDDEN_BY_START = "the child process starts within this flow, and its second of start-up hides milliseconds of delay"


def derive(samples: Sequence[Sample]) -> list[Row]:
    """One row for each variant and flow.

    Shape: `slope_round_trips` is the least-squares slope, in ms per ms, of the median completion times; `slope_ci` its 95%
    interval by a bootstrap of the repeats within each delay (Efron 1979); `flagged` where the two methods differ by more
    than 0.25. `trials` are those that ran; a failed one is in `failed` and in no series, `harness_errors` are in no other
    number. A row with an exchange that is not its variant's protocol has no
    numbers at all, whatever its label says: `not_testable` tells why.

    A variant that was measured twice has a `null_pair` in its row: the second measurement's trials, turns and slope, and
    `apart`: whether the rule that tells two variants apart (`told_apart`) tells a variant from itself, which it must not.
    """
    cells: dict[tuple[str, str], list[Sample]] = {}
    twins: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        into = twins if sample.cell.get("null_pair") else cells
        into.setdefault((sample.variant, sample.cell["flow"]), []).append(sample)
    rows = [_row(variant, flow, some) for (variant, flow), some in cells.items()]
    for row in rows:
        if twin := twins.get((row["variant"], row["flow"])):
            row["null_pair"] = _null_pair(row, _row(row["variant"], row["flow"], twin))
    return rows


def told_apart(first: Row, second: Row) -> bool:
    """Whether the whole interval of one slope lies below the other's, by more than the two methods may differ."""
    if not (first.get("slope_ci") and second.get("slope_ci")):
        return False
    lower, upper = sorted((first["slope_ci"], second["slope_ci"]))
    return bool(lower[1] + TOLERANCE < upper[0])


def _null_pair(row: Row, twin: Row) -> Row:
    kept = ("trials", "failed", "harness_errors", "turns_on_wire", "slope_round_trips", "slope_ci", "not_testable")
    turns = row.get("turns_on_wire"), twin.get("turns_on_wire")
    apart = told_apart(row, twin) or (None not in turns and turns[0] != turns[1])
    return {key: twin[key] for key in kept if key in twin} | {"apart": apart}


def _row(variant: str, flow: str, samples: Sequence[Sample]) -> Row:
    good = [sample for sample in samples if sample.status == "ok"]
    failed = sum(sample.status == "failed" for sample in samples)
    row: Row = {"variant": variant, "flow": flow, "trials": len(good) + failed, "failed": failed}
    if broken := sum(sample.status == "harness_error" for sample in samples):
        row["harness_errors"] = broken
    if not good:
        reasons = list(dict.fromkeys(sample.reason for sample in samples))
        return {**row, "not_testable": "; ".join(reasons[:2])}
    if undecodable := [reason for sample in good for reason in sample.values["undecodable"]]:
        return {**row, "not_testable": f"the wire could not be read: {undecodable[0]}"}
    if foreign := _foreign(variant, good):
        return {**row, "not_testable": foreign}
    widest = max(sample.cell["delay_ms"] for sample in good)
    # Turns are told apart by time, so they are read where an answer takes longest.
    turns = median(_values([s for s in good if s.cell["delay_ms"] == widest], "turns_count"))
    row |= {
        "connections": median(_values(good, "connections_count")),
        "requests": median(_values(good, "requests_count")),
        "turns_on_wire": turns,
        "bytes_up": median(_values(good, "up_bytes")),
        "bytes_down": median(_values(good, "down_bytes")),
        "elapsed_ms": _floor(good),
        "points": _points(good),
        "fingerprint": list(dict.fromkeys(line for sample in good for line in sample.values["fingerprint"])),
    }
    if flow == "cold" and any(line.startswith("stdio") for line in row["fingerprint"]):
        return {**row, "slope_not_testable": HIDDEN_BY_START}
    slope, interval = slope_of(
        [sample.cell["delay_ms"] for sample in good], _values(good, "elapsed_ms"), np.random.default_rng(0)
    )
    if slope is not None:
        row |= {"slope_round_trips": slope, "slope_ci": interval, "flagged": abs(slope - turns) > TOLERANCE}
    return row


def _foreign(variant: str, samples: Sequence[Sample]) -> str:
    """Why these samples are not of that variant, by what was on the wire; empty where they are."""
    known = variants().get(variant)
    if known is None:
        return f"no variant is called {variant}: what its wire should look like is not known"
    for sample in samples:
        if not sample.values["fingerprint"]:
            return f"nothing passed the taps in {sample.cell['flow']}: this was not measured"
        for line in sample.values["fingerprint"]:
            if not known.speaks(line):
                return f"this is not {variant}: the wire carried {line!r}"
    return ""


def slope_of(
    delays_ms: Sequence[float], elapsed_ms: Sequence[float], rng: np.random.Generator
) -> tuple[float | None, list[float] | None]:
    """The slope of the medians per delay, and its bootstrap interval; (None, None) with fewer than three delays."""
    # Sorted: the generator draws by position, and the order in which samples came must not move the interval.
    groups = [
        np.array(sorted(elapsed for each, elapsed in zip(delays_ms, elapsed_ms, strict=True) if each == delay))
        for delay in sorted(set(delays_ms))
    ]
    x = np.array(sorted(set(delays_ms)))
    if len(x) < 3:
        return None, None
    medians = np.array([float(np.median(group)) for group in groups])[:, None]
    drawn = np.array([np.median(rng.choice(group, (RESAMPLES, len(group))), axis=1) for group in groups])
    low, high = np.quantile(_slopes(x, drawn), (0.025, 0.975))
    return float(_slopes(x, medians)[0]), [float(low), float(high)]


def _slopes(x: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
    centred = x - x.mean()
    return centred @ (y - y.mean(axis=0)) / (centred @ centred)


def _values(samples: Sequence[Sample], name: str) -> list[float]:
    return [sample.values[name] for sample in samples]


def _points(samples: Sequence[Sample]) -> list[list[float]]:
    """(injected round-trip time, median completion time) pairs, in ms: what the slope is fitted to."""
    delays = sorted({sample.cell["delay_ms"] for sample in samples})
    return [[d, round(median(_values([s for s in samples if s.cell["delay_ms"] == d], "elapsed_ms")), 3)] for d in delays]


def _floor(samples: Sequence[Sample]) -> float:
    """The median completion time without any injected delay, in ms."""
    shortest = min(sample.cell["delay_ms"] for sample in samples)
    return round(median(_values([s for s in samples if s.cell["delay_ms"] == shortest], "elapsed_ms")), 3)
