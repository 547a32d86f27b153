"""How a cell reads: its name, what became of its trials, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence

from ...metric import Row
from ...report.palette import place
from ...report.wording import counted
from ..contract import CLIENTS, NONE
from ..faults import faults
from ..points import points
from ..scenarios import scenarios

HARMS = {"lost": "lost", "hung": "hung", "duplicated": "duplicated", "failed_cleanly": "failed cleanly"}
"""The worst first."""

WHO = {
    "recommended": "our settings: 2 s to connect, 10 s for an answer, 5 s of silence (HTTP streams are pinged once in 15 s, so "
    "that a healthy one with nothing to tell is opened again every 5 s), an idempotency key where the protocol has one, and "
    "going on by the protocol's own means",
    "defaults": "the library as it comes, tried once: its own timeouts, and what it repeats by itself",
}


def in_order(rows: Sequence[Row]) -> list[Row]:
    """By scenario, fault, point, client and variant; what another day's run may know comes last."""
    orders = (
        ("scenario", [each.name for each in scenarios()]),
        ("fault", list(faults())),
        ("point", list(points())),
        ("client", list(CLIENTS)),
    )

    def key(row: Row) -> tuple[object, ...]:
        ranks = [(known.index(row[name]) if row[name] in known else len(known), row[name]) for name, known in orders]
        return (*ranks, place(row["variant"]))

    return sorted(rows, key=key)


def title(scenario: str) -> str:
    titles = {each.name: each.title for each in scenarios()}
    return titles.get(scenario, scenario.replace("_", " "))


def spot(row: Row) -> str:
    """Fault and point."""
    return "no fault" if row["fault"] == NONE else f"{row['fault']} / {row['point']}"


def cell(row: Row) -> str:
    """Fault and point, with the scenario where it is not the long task."""
    return f"`{'' if row['scenario'] == 'long_task' else row['scenario'] + '/'}{row['fault']}/{row['point']}`"


def starts(row: Row) -> bool:
    """Whether its fault ends with a server that starts; what another day's run may know does not."""
    fault = faults().get(row["fault"])
    return fault is not None and fault.starts


def verdict(row: Row) -> str:
    """The worst of its trials, `delivered` where there is no worse, empty where there was no trial."""
    return next((harm for harm in HARMS if row.get(harm)), "delivered") if row.get("trials") else ""


def unseen(trials: int) -> str:
    """The exact upper bound of a rate of which no case was seen in n trials: 1 - 0.05^(1/n)."""
    return f"{1 - 0.05 ** (1 / trials):.0%}"


def sureness(rows: Sequence[Row]) -> str:
    # Of any one machine: what another has not seen says nothing of it.
    trials = [one["trials"] for row in rows for one in row.get("by_host", [row]) if one.get("trials")]
    if not trials:
        return "\n\nNo cell has a trial, so nothing is said of any variant."
    return (
        f"\n\nWhat was not seen once in {counted(min(trials), 'trial')} may still happen in up to {unseen(min(trials))} "
        "of cases (95% upper bound): a clean cell is evidence, not proof."
    )


def method(rows: Sequence[Row]) -> str:
    struck = list(dict.fromkeys(row["fault"] for row in rows if row["fault"] != NONE))
    where = list(dict.fromkeys(row["point"] for row in rows if row["point"] != NONE))
    lived = list(dict.fromkeys(row["scenario"] for row in rows))
    known_faults, known_points = faults(), points()
    told = [f"`{name}` ({known_faults[name].title})" for name in struck if name in known_faults]
    reached = [f"`{name}` ({known_points[name].title})" for name in where if name in known_points]
    clients = "\n".join(f"- **`{name}`**: {WHO[name]}." for name in CLIENTS if any(row["client"] == name for row in rows))
    text = (
        "A client lives through a scenario, a fault strikes at a point, and two ledgers are compared: what the agent really "
        "did, and what the client was told. *Delivered*: the client has the right result and every side effect took place "
        "once. *Duplicated*: one took place twice. *Lost*: the client was told something that is not so, or was left without "
        "the result of work that was done. *Hung*: it was told nothing final by the deadline. *Failed cleanly*: it was told "
        "of an error, and the work is indeed not done. A step that was executed when the server died, and not yet recorded, "
        "is executed again: the runtime promises at least once, the same under every protocol."
    )
    text += f"\n\nThe client is one of two:\n{clients}"
    text += f"\n\nScenarios: {', '.join(f'`{name}` ({title(name)})' for name in lived)}."
    if told:
        text += f" Faults: {', '.join(told)}."
    if reached:
        text += f" Points: {', '.join(reached)}."
    return text
