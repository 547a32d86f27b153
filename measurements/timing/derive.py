"""From stretches of load to rows: each machine by itself, and only where its null pair tells nothing apart."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from ..metric import Row
from ..samples import Sample
from .ratios import NULL_PAIR, Ratio, ratio

MARGIN = 1.1
LEAST_ROUNDS = 3
"""A bootstrap over fewer gives an interval that is too narrow to mean anything."""
VALUES = {"calls_per_second": "calls_per_s", "p50_ms": "p50_ms", "p99_ms": "p99_ms", "server_cpu_ms": "server_cpu_ms"}


def derive(samples: Sequence[Sample]) -> list[Row]:
    """One row for each machine, contender and level of calls at a time.

    Shape: medians over the `blocks` of that machine; `ratio` is its calls a second in units of `rest`'s in the same rounds,
    with the interval `ratio_ci`, absent where fewer than 3 rounds have both (`no_ratio` says so). `null_pair` is the same of
    `rest` against itself. A machine on which that is told apart, or absent, is excluded: its rows have `not_testable`, and no
    value. Nothing is pooled over machines.
    """
    return [row for host in dict.fromkeys(map(_host, samples)) for row in _rows(host, [s for s in samples if _host(s) == host])]


def _host(sample: Sample) -> str:
    return sample.host


def tells_apart(low: float, high: float) -> bool:
    """Whether an interval of a ratio is clear of 1 by the margin."""
    return low > MARGIN or high < 1 / MARGIN


def _rows(host: str, samples: Sequence[Sample]) -> list[Row]:
    measured = [sample for sample in samples if sample.status == "ok"]
    top = max(sample.cell["level"] for sample in samples)
    null = ratio(measured, *NULL_PAIR, top, 0)
    excluded = _excluded(null) if measured else ""
    rows: list[Row] = []
    for name, level in dict.fromkeys((sample.cell["contender"], sample.cell["level"]) for sample in samples):
        mine = [sample for sample in samples if (sample.cell["contender"], sample.cell["level"]) == (name, level)]
        good = [sample.values for sample in mine if sample.status == "ok"]
        row: Row = {"variant": mine[0].variant, "contender": name, "level": level, "blocks": len(good)}
        if host:
            row["host"] = host
        if excluded:
            row["excluded"] = excluded
        if excluded or not good:
            reasons = dict.fromkeys(sample.reason for sample in mine if sample.reason)
            rows.append({**row, "not_testable": excluded or "; ".join(reasons)})
            continue
        row |= {shown: round(median(values[key] for values in good), 4) for shown, key in VALUES.items()}
        if null is not None:
            row["null_pair_ci"] = [round(null.low, 3), round(null.high, 3)]
        rows.append(row | _against_rest(measured, name, level))
    return rows


def _excluded(null: Ratio | None) -> str:
    ours, stock = NULL_PAIR
    if null is None:
        return f"no round has both halves of the null pair, {ours} and {stock}"
    if tells_apart(null.low, null.high):
        return f"the null pair is told apart: {ours} : {stock} = {null.value:.2f} ({null.low:.2f} to {null.high:.2f})"
    return ""


def _against_rest(measured: Sequence[Sample], name: str, level: int) -> Row:
    _, rest = NULL_PAIR
    if name == rest:
        return {}
    found = ratio(measured, name, rest, level, 0)
    rounds = _rounds(measured, name, level) & _rounds(measured, rest, level)
    if found is None or len(rounds) < LEAST_ROUNDS:
        return {"no_ratio": f"{len(rounds)} of the {LEAST_ROUNDS} rounds that an interval takes"}
    return {"ratio": round(found.value, 3), "ratio_ci": [round(found.low, 3), round(found.high, 3)]}


def _rounds(measured: Sequence[Sample], name: str, level: int) -> set[int]:
    return {sample.trial for sample in measured if (sample.cell["contender"], sample.cell["level"]) == (name, level)}
