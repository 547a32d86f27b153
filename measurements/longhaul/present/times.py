"""How long a client did not know, and how long until it had news: every trial a dot."""

from __future__ import annotations

from collections.abc import Sequence

from ...metric import Chart, Row, Table
from .words import spot

TIMES = ("time_to_know_ms", "time_to_recover_ms")
PANELS = 12
TEXT = (
    "*Time to know*: from the fault until the client held a true statement of the server's about its task again. *Time to "
    "recover*: from the fault until it was told something that it did not know yet. Where the server was killed or stopped, "
    "and over pipes, with which it ends, both hold its start and the client's wait until its next attempt, so they come in "
    "clusters: they tell how long an outage of this kind lasts, and rank no protocol. A trial in which that moment never "
    "came, or whose client was left without its result, has no time; each dot is one trial, the tick is the median."
)


def _timed(rows: Sequence[Row]) -> list[Row]:
    hosts = [row | one for row in rows for one in row.get("by_host", [{}])]
    return [row for row in hosts if any(row.get(key) is not None for key in TIMES)]


def table(rows: Sequence[Row]) -> Table | None:
    timed = [row | {"spot": spot(row), "known": len(row.get(f"{TIMES[0]}_all", ()))} for row in _timed(rows)]
    columns = [
        ("scenario", "Scenario"),
        ("spot", "Fault / point"),
        ("variant", "Variant"),
        ("client", "Client"),
        *([("host", "Machine")] if any(row.get("host") for row in timed) else []),
        ("time_to_know_ms", "Time to know, median"),
        ("time_to_recover_ms", "Time to recover, median"),
        ("known", "Trials with a time"),
        ("trials", "Trials"),
    ]
    return Table(_without_constant(columns, timed), timed, "Times after the fault") if timed else None


def _without_constant(columns: list[tuple[str, str]], rows: Sequence[Row]) -> list[tuple[str, str]]:
    return [each for each in columns if each[0] != "scenario" or len({row["scenario"] for row in rows}) > 1]


def charts_of(rows: Sequence[Row]) -> list[Chart]:
    from ...report import charts

    if any(row.get("by_host") for row in rows):
        return []  # dots of two machines in one line would look like one series
    timed = _timed(rows)
    panels = {_panel(row): row for row in timed}
    # Of many cells one for each fault, the one with most variants' trials: the table has them all.
    weight = {name: sum(len(row.get(f"{TIMES[0]}_all", ())) for row in timed if _panel(row) == name) for name in panels}
    best: dict[tuple[str, str, str], str] = {}
    for name, row in panels.items():
        key = (row["client"], row["scenario"], row["fault"] if len(panels) > PANELS else name)
        if key not in best or weight[name] > weight[best[key]]:
            best[key] = name
    chosen = set(sorted(best.values(), key=lambda name: -weight[name])[: 2 * PANELS])
    named = [row | {"panel": _panel(row)} for row in timed if _panel(row) in chosen]
    some = (
        f" Shown: {len(chosen)} of {len(panels)} cells, for each fault the one with most times."
        if len(chosen) < len(panels)
        else ""
    )
    found: list[Chart | None] = []
    for key, verb in (("know", "know"), ("recover", "recover")):
        found.append(
            charts.dots(
                [row | {"ms": row.get(f"time_to_{key}_ms_all")} for row in named],
                "ms",
                facet="panel",
                x_title=f"time to {verb}, ms",
                alt_text=f"Time to {verb} after each fault, per variant: every trial as a dot, the median as a tick.{some}",
            )
        )
    return [chart for chart in found if chart]


def _panel(row: Row) -> str:
    scenario = "" if row["scenario"] == "long_task" else f", {row['scenario']}"
    return f"{spot(row)} ({row['client']}{scenario})"
