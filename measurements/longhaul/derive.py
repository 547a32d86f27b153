"""From trials to rows: verdicts counted, events summed, times as medians of the trials in which they came."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any, get_args

from ..metric import Row
from ..samples import Sample
from .trial import Verdict

SUMMED = ("events_lost", "events_duplicated", "events_reordered", "steps_rerun")
TIMED = ("time_to_know_ms", "time_to_recover_ms")


def derive(samples: Sequence[Sample]) -> list[Row]:
    """One row for each variant and scenario.

    Shape: a count for each verdict; `events_lost`, `events_duplicated`, `events_reordered` and `steps_rerun` summed over the
    trials, of `events_expected` in all; `events_live` those told as events of their own; `*_ms` the median over the trials
    that have it, with all of them in `*_ms_all`; `reasons` what the trials said. `harness_errors` are in nothing else.
    Trials of several machines are counted in one row; `by_host` has the trials and times of each, and then the row has none of
    the times: a median over machines would be nobody's.
    """
    cells: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        cells.setdefault((sample.variant, sample.cell["scenario"]), []).append(sample)
    return [_row(variant, scenario, some) for (variant, scenario), some in cells.items()]


def _row(variant: str, scenario: str, samples: Sequence[Sample]) -> Row:
    judged = [sample.values for sample in samples if sample.status == "ok"]
    row: Row = {"variant": variant, "scenario": scenario, "trials": len(judged)}
    if broken := sum(sample.status == "harness_error" for sample in samples):
        row["harness_errors"] = broken
    if not judged:
        return {**row, "not_testable": "; ".join(dict.fromkeys(sample.reason for sample in samples))}
    for verdict in get_args(Verdict):
        row[verdict] = sum(values["verdict"] == verdict for values in judged)
    for name in (*SUMMED, "events_expected", "events_live"):
        row[name] = sum(values[f"{name}_count"] for values in judged)
    hosts = list(dict.fromkeys(sample.host for sample in samples if sample.status == "ok"))
    if len(hosts) == 1:
        row |= _times(judged)
    else:
        row["by_host"] = [_by_host(host, [s.values for s in samples if s.status == "ok" and s.host == host]) for host in hosts]
    if reasons := list(dict.fromkeys(sample.reason for sample in samples if sample.status == "ok" and sample.reason)):
        row["reasons"] = reasons
    return row


def _by_host(host: str, judged: Sequence[dict[str, Any]]) -> Row:
    delivered = sum(values["verdict"] == "delivered" for values in judged)
    return {"host": host, "trials": len(judged), "delivered": delivered, **_times(judged)}


def _times(judged: Sequence[dict[str, Any]]) -> Row:
    row: Row = {}
    for name in TIMED:
        if times := [values[name] for values in judged if name in values]:
            row[name] = round(median(times), 3)
            row[f"{name}_all"] = [round(each, 3) for each in times]
    return row
