"""The numbers of every cell, and their sums for each variant and client."""

from __future__ import annotations

from collections.abc import Sequence

from ...metric import Mark, Row, Table
from ...report.palette import place
from ...report.wording import counted
from ..contract import CLIENTS, NONE
from .words import HARMS, spot, verdict

TEXT = (
    "*Events*: every step of the task tells of itself twice, by an artifact and by progress; *told live* means that the client "
    "heard of it by itself, not only by what a later look at the task holds. Sums over all trials. *Costs* are medians of the "
    "trials whose client had its result, beyond the fault-free run of the same variant, client and scenario. Points at which "
    "every trial delivered are one line."
)
_CELL = [("scenario", "Scenario"), ("spot", "Fault / point"), ("variant", "Variant"), ("client", "Client")]
_EVENTS = {"events_lost": "Lost", "events_duplicated": "Duplicated", "events_reordered": "Reordered"}
_COSTS = {"extra_requests": "More requests", "extra_connections": "More connections", "extra_bytes": "More bytes"}
_COUNTED = ("trials", "delivered", *HARMS, "steps_rerun", "looked_finished")


def scores(rows: Sequence[Row]) -> Table:
    """One row for each variant and client: its trials with a fault, summed over its cells."""
    told: list[Row] = []
    for variant in sorted({row["variant"] for row in rows}, key=place):
        for client in CLIENTS:
            mine = [row for row in rows if (row["variant"], row["client"]) == (variant, client) and row["fault"] != NONE]
            judged = [row for row in mine if row.get("trials")]
            line: Row = {"variant": variant, "client": client}
            if judged:
                line |= _summed(judged)
                told.append(line)
            elif mine:
                told.append(line | {"not_testable": "; ".join(dict.fromkeys(row["not_testable"] for row in mine))})
    columns = [("variant", "Variant"), ("client", "Client"), ("delivered", "Delivered"), *_harms(), ("trials", "Trials")]
    columns += [("steps_rerun", "Steps again"), ("looked_finished", "Looked finished")]
    return Table(columns, told, "Trials with a fault, over all cells", _marks(told))


def _summed(rows: Sequence[Row]) -> Row:
    """What was counted; what none of them counted stays absent."""
    return {key: sum(row.get(key) or 0 for row in rows) for key in _COUNTED if any(key in row for row in rows)}


def outcomes(rows: Sequence[Row]) -> Table:
    named = _named(_merged(rows))
    columns = [
        *_columns(named),
        ("delivered", "Delivered"),
        *_harms(),
        ("trials", "Trials"),
        ("steps_rerun", "Steps run again"),
    ]
    return Table(columns, named, "Outcome of every trial", _marks(named))


def events(rows: Sequence[Row]) -> list[Table]:
    named = _named([row for row in rows if row.get("events_expected")])
    if not named:
        return []
    columns = [*_columns(named), *_EVENTS.items(), ("events_live", "Told live"), ("events_expected", "Expected")]
    marks = {(index, key): Mark("warn") for index, row in enumerate(named) for key in _EVENTS if row.get(key)}
    return [Table(columns, named, "Events over all trials", marks)]


def costs(rows: Sequence[Row]) -> list[Table]:
    hosts = [row | one for row in rows for one in row.get("by_host", [{}])]
    named = _named([row for row in hosts if any(key in row for key in _COSTS)])
    machine = [("host", "Machine")] if any(row.get("host") for row in named) else []
    columns = [*_columns(named), *machine, *_COSTS.items(), ("trials", "Trials")]
    return [Table(columns, named, "What going on cost beyond the fault-free run, medians")] if named else []


def _merged(rows: Sequence[Row]) -> list[Row]:
    """Rows of one variant, client, scenario and fault in which every trial delivered as one, with their trials summed."""
    kept: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        clean = row["fault"] != NONE and verdict(row) == "delivered"
        key = tuple(row[name] for name in ("scenario", "fault", "variant", "client")) + (() if clean else (row["point"],))
        kept.setdefault(key, []).append(row)
    return [
        {**some[0], **_summed(some), "point": counted(len(some), "point")} if len(some) > 1 else some[0]
        for some in kept.values()
    ]


def _named(rows: Sequence[Row]) -> list[Row]:
    return [row | {"spot": spot(row)} for row in rows]


def _columns(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """The columns that name a cell, without a scenario that is the same in all."""
    return _CELL if len({row["scenario"] for row in rows}) > 1 else _CELL[1:]


def _harms() -> list[tuple[str, str]]:
    return [(key, word.capitalize()) for key, word in HARMS.items()]


def _marks(rows: Sequence[Row]) -> dict[tuple[int, str], Mark]:
    marks: dict[tuple[int, str], Mark] = {}
    for index, row in enumerate(rows):
        # Why, in the client's words: the reasons that the trials of this row gave.
        why = f"{row['variant']}: {'; '.join(row['reasons'][:3])}." if row.get("reasons") else ""
        marks |= {(index, key): Mark("warn" if key == "failed_cleanly" else "bad", why) for key in HARMS if row.get(key)}
        if verdict(row) == "delivered":
            marks[index, "delivered"] = Mark("good")
    return marks
