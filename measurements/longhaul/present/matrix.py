"""The picture: faults at points down, variants across, a panel for each scenario, a chart for each client."""

from __future__ import annotations

from collections.abc import Sequence

from ...metric import Chart, Row
from ...report.wording import number
from ..contract import CLIENTS, NONE
from .words import HARMS, WHO, spot, title, verdict

FEW = 8
"""Rows of a panel that are shown one by one even where they are all the same."""
TINTS = {"delivered": "good", "failed_cleanly": "warn", "duplicated": "doubled", "lost": "bad", "hung": "hung", "": "none"}
SHORT = {"lost": "lost", "hung": "hung", "duplicated": "twice", "failed_cleanly": "error"}

_KEY = (
    "✓: all delivered, once. lost, hung, twice (a side effect doubled), error (failed cleanly): so many of so many; + where "
    "others went wrong in another way. −ev: events that were never told, where the fault-free run misses none. n/a: not "
    "testable. ours: broken by the harness, no verdict."
)


def charts_of(rows: Sequence[Row]) -> list[Chart]:
    from ...report import charts

    found: list[Chart | None] = []
    for client in CLIENTS:
        mine = [row for row in rows if row["client"] == client]
        seen = {row["variant"] for row in mine if row.get("trials") or row.get("harness_errors")}
        panels = {
            f"{client}: {title(scenario)}": _panel([r for r in mine if r["scenario"] == scenario and r["variant"] in seen])
            for scenario in dict.fromkeys(row["scenario"] for row in mine)
        }
        shown = {name: tiles for name, tiles in panels.items() if tiles}
        alt = f"`{client}` ({WHO[client]}): the worst that became of the trials of each cell, and how many of them."
        found.append(charts.matrix(shown, alt_text=alt if found else f"{alt} {_KEY}"))
    return [chart for chart in found if chart]


def _panel(rows: Sequence[Row]) -> list[Row]:
    """One tile for each row; faults at which every variant delivered everything are one line with the sum of their trials."""
    complete = {row["variant"] for row in rows if row["fault"] == NONE and row.get("events_lost") == 0}
    tiles = [_tile(row, complete) for row in rows]
    spots = list(dict.fromkeys(tile["spot"] for tile in tiles))
    alike: list[str] = []
    for name in spots:
        told = {tile["text"] if tile["text"] == "n/a" else tile["tint"] for tile in tiles if tile["spot"] == name}
        if name != "no fault" and {"good"} <= told <= {"good", "n/a"}:
            alike.append(name)
    if len(spots) <= FEW or len(alike) < 2:
        return tiles
    kept = [tile for tile in tiles if tile["spot"] not in alike]
    for variant in dict.fromkeys(tile["variant"] for tile in tiles):
        some = [tile for tile in tiles if tile["spot"] in alike and tile["variant"] == variant]
        if not some:
            continue
        trials, missed = sum(tile["trials"] for tile in some), sum(tile["missed"] for tile in some)
        tone = {"tint": "good", "text": _delivered(trials, missed)} if trials else {"tint": "none", "text": "n/a"}
        kept.append({"variant": variant, "spot": f"{len(alike)} others, all delivered", **tone})
    return kept


def _tile(row: Row, complete: set[str]) -> Row:
    missed = row.get("events_lost", 0) if row["variant"] in complete else 0
    tile = {"variant": row["variant"], "spot": spot(row), "trials": row["trials"], "missed": missed}
    return tile | {"tint": TINTS[verdict(row)], "text": _text(row, missed)}


def _delivered(trials: int, missed: int) -> str:
    return f"✓ {number(trials)}" + (f"\n−{number(missed)} ev" if missed else "")


def _text(row: Row, missed: int) -> str:
    if not row.get("trials"):
        return "ours" if row.get("harness_errors") else "n/a"
    worst = verdict(row)
    if worst == "delivered":
        return _delivered(row["trials"], missed)
    more = "+" if sum(bool(row.get(harm)) for harm in HARMS) > 1 else ""
    return f"{SHORT[worst]}{more}\n{number(row[worst])} of {number(row['trials'])}"
