"""From trials to rows: verdicts counted, events summed, times and costs as medians of the trials in which they came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, get_args

from ..metric import Row
from ..samples import Sample
from .contract import NONE, Verdict

SUMMED = ("events_expected", "events_live", "events_lost", "events_duplicated", "events_reordered", "steps_rerun")
TIMED = ("time_to_know_ms", "time_to_recover_ms")
COSTS = {"requests_count": "extra_requests", "connections_count": "extra_connections", "wire_bytes": "extra_bytes"}
CELL = ("variant", "client", "scenario", "fault", "point")
HAS_RESULT: tuple[Verdict, ...] = ("delivered", "duplicated")
"""The verdicts of a client that held its result in the end: of what went wrong no time and no cost is one of recovery."""

_FORMER = {
    "no_fault": (NONE, NONE),
    "connection_cut": ("reset", "between_events"),
    "server_killed": ("sigkill", "after_side_effect"),
}
"""Runs of before there were cells know three scenarios, each of which is now a fault at a point of the long task."""

_Key = tuple[str, ...]


def derive(samples: Sequence[Sample]) -> list[Row]:
    """One row for each variant, client, scenario, fault and point.

    Shape: a count for each verdict, and for `looked_finished`; `events_*`, `effects_duplicated` and `steps_rerun` summed over
    the trials, of `events_expected` in all; `events_live` those told as events of their own; `reasons` what the trials said.
    `*_ms` is the median over the trials that have it and whose client held its result in the end, with all of them in
    `*_ms_all`; `extra_*` the median over such trials less that of the fault-free run of the same variant, client and scenario,
    on the same machine, and absent where there was none. `harness_errors` are in nothing else. Trials of several machines are
    counted in one row; `by_host` has the trials, times and costs of each, and then the row has none of these: a median over
    machines would be nobody's.
    """
    cells: dict[_Key, list[Sample]] = {}
    for sample in samples:
        cells.setdefault((sample.variant, *_cell(sample.cell)), []).append(sample)
    return [_row(key, some, cells.get((*key[:3], NONE, NONE), [])) for key, some in cells.items()]


def _cell(cell: Mapping[str, Any]) -> _Key:
    """Client, scenario, fault and point."""
    if "fault" in cell:
        return cell["client"], cell["scenario"], cell["fault"], cell["point"]
    former = _FORMER.get(cell["scenario"])
    return ("recommended", "long_task", *former) if former else ("recommended", cell["scenario"], NONE, NONE)


def _row(key: _Key, samples: Sequence[Sample], free: Sequence[Sample]) -> Row:
    judged = [sample for sample in samples if sample.status == "ok"]
    row: Row = {**dict(zip(CELL, key, strict=True)), "trials": len(judged)}
    if broken := sum(sample.status == "harness_error" for sample in samples):
        row["harness_errors"] = broken
    if not judged:
        return {**row, "not_testable": "; ".join(dict.fromkeys(sample.reason for sample in samples))}
    for verdict in get_args(Verdict):
        row[verdict] = sum(sample.values["verdict"] == verdict for sample in judged)
    if ends := [sample.values["looked_finished"] for sample in judged if "looked_finished" in sample.values]:
        row["looked_finished"] = sum(ends)
    for name in (*SUMMED, "effects_duplicated"):
        if counts := [count for sample in judged if (count := sample.values.get(f"{name}_count")) is not None]:
            row[name] = sum(counts)
    hosts = list(dict.fromkeys(sample.host for sample in judged))
    if len(hosts) == 1:
        row |= _medians(judged, free if key[3] != NONE else [])
    else:
        row["by_host"] = [_by_host(host, judged, free if key[3] != NONE else []) for host in hosts]
    if reasons := list(dict.fromkeys(sample.reason for sample in judged if sample.reason)):
        row["reasons"] = reasons
    return row


def _by_host(host: str, judged: Sequence[Sample], free: Sequence[Sample]) -> Row:
    mine = [sample for sample in judged if sample.host == host]
    delivered = sum(sample.values["verdict"] == "delivered" for sample in mine)
    return {"host": host, "trials": len(mine), "delivered": delivered, **_medians(mine, free)}


def _medians(judged: Sequence[Sample], free: Sequence[Sample]) -> Row:
    """Of trials on one machine."""
    row: Row = {}
    for name in TIMED:
        if times := _series(judged, name):
            row[name] = round(median(times), 3)
            row[f"{name}_all"] = [round(each, 3) for each in times]
    here = [sample for sample in free if sample.status == "ok" and sample.host == judged[0].host]
    for name, extra in COSTS.items():
        spent, usual = _series(judged, name), _series(here, name)
        if spent and usual:
            row[extra] = median(spent) - median(usual)
    return row


def _series(samples: Sequence[Sample], name: str) -> list[Any]:
    return [s.values[name] for s in samples if name in s.values and s.values["verdict"] in HAS_RESULT]
