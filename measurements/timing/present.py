"""Calls a second of each contender, machine by machine, told by the rows alone."""

from __future__ import annotations

from collections.abc import Sequence

from ..metric import Mark, Row, Section, Table
from ..report.wording import counted, interval, listed, number
from .derive import MARGIN, tells_apart

_METHOD = (
    "Unary calls that compute next to nothing, as fast as they are answered, at so many calls at a time. Each block is a fresh "
    "server on one core, with a thin generator on another; a round has a block of every contender in a seeded order, and a "
    f"ratio is of blocks of one round. Two are told apart where the 95% interval of their ratio is clear of 1 by {MARGIN:g}; "
    "where that rule tells `rest` from itself, the machine is excluded. Machines are not pooled: each has its own rows."
)


def present(rows: Sequence[Row]) -> Sequence[Section]:
    hosts = list(dict.fromkeys(row.get("host", "") for row in rows))
    lines = [line for host in hosts if (line := _line(host, [row for row in rows if row.get("host", "") == host]))]
    text = _METHOD + ("\n\n" + "\n".join(lines) if lines else "")
    columns = [
        *([("host", "Machine")] if any(hosts) else []),
        ("contender", "Contender"),
        ("level", "At a time"),
        ("calls_per_second", "Calls a second"),
        ("ratio", "In units of rest"),
        ("ratio_ci", "95% interval"),
        ("p50_ms", "Median"),
        ("p99_ms", "99 of 100 within"),
        ("server_cpu_ms", "Server's CPU per call"),
        ("blocks", "Blocks"),
    ]
    marks = {(n, "ratio"): Mark("quiet", f"{row['no_ratio']}.") for n, row in enumerate(rows) if row.get("no_ratio")}
    return [Section("Throughput", text, [Table(columns, rows, marks=marks)])]


def _line(host: str, rows: Sequence[Row]) -> str:
    where = f"- **On {host}**: " if host else "- "
    if reason := next((row["excluded"] for row in rows if row.get("excluded")), ""):
        return f"{where}excluded, {reason}."
    top = max(row["level"] for row in rows)
    judged = [row for row in rows if row["level"] == top and row.get("ratio_ci")]
    apart = [f"`{row['contender']}` {number(row['ratio'])}" for row in judged if tells_apart(*row["ratio_ci"])]
    null = next((row["null_pair_ci"] for row in rows if row.get("null_pair_ci")), None)
    if not judged or null is None:
        return f"{where}too few rounds to compare." if any(row["blocks"] for row in rows) else ""
    told = f"told apart from `rest`, as a multiple of its calls a second: {listed(apart)}" if apart else "nobody is told apart"
    return f"{where}at {counted(top, 'call')} at a time {told}; the null pair's interval is {interval(*null)}."
