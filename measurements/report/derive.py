"""report.json, derived from a run and its samples alone: no clock, no machine, no order of a set enters it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..metric import Metric, Row
from ..run_folder import Recorded, Run, json_ready
from ..samples import Sample, Status

SCHEMA_VERSION = 1
STATUSES: tuple[Status, ...] = ("ok", "failed", "not_testable", "harness_error")
NO_SAMPLE = "no sample was taken"


def derive(run: Run, recorded: Recorded, metrics: Mapping[str, Metric]) -> dict[str, Any]:
    """The whole report as strict JSON.

    Shape: `schema_version`, `run` (run.json), `variants` (names), `samples` (a count per status
    and `torn_line`), `harness_errors`, `failures`, `not_measured` (each a list of `{metric, variant, cell, reason,
    count}`), then one list of rows per metric, by its name. A metric gets no value of an attempt that was not ok. Where
    several machines could measure, `hosts` has a row for each.
    """
    samples = recorded.samples
    counts = Counter(sample.status for sample in samples)
    report: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "run": run.model_dump(mode="json"),
        "variants": _variants(run, samples),
        "samples": {status: counts[status] for status in STATUSES} | {"torn_line": recorded.torn},
        "harness_errors": _told(samples, "harness_error"),
        "failures": _told(samples, "failed"),
        "not_measured": [*_told(samples, "not_testable"), *_unreached(run, samples)],
    }
    if hosts := _hosts(run, samples):
        report["hosts"] = hosts
    for name, metric in metrics.items():
        if name in report or name == "hosts":
            raise ValueError(f"a metric cannot be called {name!r}: report.json has that key already")
        mine = [_sealed(sample) for sample in samples if sample.metric == name]
        report[name] = metric.derive(mine) if mine else []
    return json_ready(report)


def _sealed(sample: Sample) -> Sample:
    """A sample whose values, unless it is ok, are gone: what an attempt left behind before it failed is no measurement."""
    return sample if sample.status == "ok" or not sample.values else sample.model_copy(update={"values": {}})


def _hosts(run: Run, samples: Sequence[Sample]) -> list[Row]:
    """Each machine's label, how much it measured with how many workers, how far its clock was from the coordinator's (by the
    best exchange that it had), and which libraries it had in another version.
    """
    rows: list[Row] = []
    for name in dict.fromkeys(sample.host for sample in samples if sample.where):
        mine = [sample.where for sample in samples if sample.where and sample.host == name]
        row: Row = {"host": name, "samples": len(mine), "workers": len({where.worker for where in mine})}
        clocks = [
            (where.clock_uncertainty_ms, where.clock_offset_ms)
            for where in mine
            if where.clock_uncertainty_ms is not None and where.clock_offset_ms is not None
        ]
        if clocks:
            row["clock_uncertainty_ms"], row["clock_offset_ms"] = min(clocks)
        if host := run.hosts.get(name):
            row["machine"] = host.machine.model_dump(mode="json")
            row["differs"] = [
                f"{library} {version}" for library, version in host.versions.items() if version != run.versions.get(library)
            ]
        rows.append(row)
    return rows


def _missing(run: Run) -> dict[str, str]:
    """What is not there of a run that was merged, by its shard."""
    if not run.parts:
        return {}
    ends = {part.shard: part.end_reason for part in run.parts}
    every = [f"{number + 1}/{of}" for of in [int(run.parts[0].shard.partition("/")[2])] for number in range(of)]
    absent = {shard: f"shard {shard} is not among the runs that were merged" for shard in every if shard not in ends}
    cut = {shard: f"shard {shard} was not measured to its end" for shard, end in ends.items() if end != "completed"}
    return absent | cut


def _variants(run: Run, samples: Sequence[Sample]) -> list[str]:
    return list(dict.fromkeys([*run.variants, *sorted({sample.variant for sample in samples if sample.variant})]))


def _told(samples: Iterable[Sample], status: Status) -> list[Row]:
    """The attempts of that status, the same ones told once with their count."""
    told: dict[str, Row] = {}
    for sample in samples:
        if sample.status == status:
            row: Row = {"metric": sample.metric, "variant": sample.variant, "cell": sample.cell, "reason": sample.reason}
            told.setdefault(repr(row), row | {"count": 0})["count"] += 1
    return list(told.values())


def _unreached(run: Run, samples: Sequence[Sample]) -> list[Row]:
    """What was planned and has no sample of any status. A variant counts as reached when any metric sampled it. Of a merged run
    also the parts that were not there, or not measured to their end.
    """
    metrics, variants = {sample.metric for sample in samples}, {sample.variant for sample in samples}
    rows: list[Row] = [
        {"metric": "", "variant": "", "cell": {"shard": shard}, "reason": reason, "count": 0}
        for shard, reason in _missing(run).items()
    ]
    for metric in run.metrics:
        if metric not in metrics:
            rows.append({"metric": metric, "variant": "", "cell": {}, "reason": NO_SAMPLE, "count": 0})
    for variant in run.variants:
        if variant not in variants:
            rows.append({"metric": "", "variant": variant, "cell": {}, "reason": NO_SAMPLE, "count": 0})
    return rows
