"""A paragraph for each variant, made from its cells: what it lost, where, how long it did not know, and what going on cost."""

from __future__ import annotations

from collections.abc import Sequence

from ....protocols.variants import Variant, variants
from ...metric import Row
from ...report.palette import place
from ...report.wording import counted, listed, number
from ..contract import CLIENTS, NONE
from .words import HARMS, cell, starts, unseen

NAMED = 3
"""How many cells a sentence names."""


def text(rows: Sequence[Row]) -> str:
    known = variants()
    names = sorted({row["variant"] for row in rows}, key=place)
    return "\n\n".join(_of(name, known.get(name), [row for row in rows if row["variant"] == name]) for name in names)


def _of(name: str, variant: Variant | None, rows: Sequence[Row]) -> str:
    told: list[str] = []
    for client in CLIENTS:
        mine = [row for row in rows if row["client"] == client]
        if struck := [row for row in mine if row["fault"] != NONE and row.get("trials")]:
            words = [
                _outcome(struck),
                *_decided(variant, client, struck),
                *_events(variant if client == "recommended" else None, mine, struck),
            ]
            words += [*_knowing(variant, struck), *_cost(struck), *_reruns(struck), *_streams(struck)]
            told.append(f"- {_lead(variant, client)}: {' '.join(words)}")
    if broken := sum(row.get("harness_errors", 0) for row in rows):
        told.append(f"- {counted(broken, 'trial')} broke by a defect of the harness: no verdict, and in none of these numbers.")
    absent = [row["not_testable"] for row in rows if not row.get("trials") and "harness_errors" not in row]
    if reasons := list(dict.fromkeys(absent)):
        told.append(f"- Not testable in {counted(len(absent), 'cell')}: {'; '.join(reasons[:NAMED])}.")
    return "\n".join([f"**`{name}`**" + ("" if told else ": no trial with a fault, and so nothing to say."), *told])


def _lead(variant: Variant | None, client: str) -> str:
    if client == "recommended":
        return "*With our settings*"
    library = f" ({variant.library.rstrip('.')})" if variant is not None and variant.library else ""
    return f"*As its library comes, tried once*{library}"


def _outcome(struck: Sequence[Row]) -> str:
    trials, delivered = _sum(struck, "trials"), _sum(struck, "delivered")
    fewest = min(row["trials"] for row in struck)
    if delivered == trials:
        return (
            f"all {counted(trials, 'trial')} of its {counted(len(struck), 'cell')} with a fault delivered the result once; at "
            f"least {number(fewest)} in each, so up to {unseen(fewest)} of any one may still go wrong."
        )
    harms = [f"{number(_sum(struck, key))} {word} ({_where(struck, key)})" for key, word in HARMS.items() if _sum(struck, key)]
    return f"it delivered {number(delivered)} of {counted(trials, 'trial')} with a fault; {listed(harms)}."


def _where(rows: Sequence[Row], key: str) -> str:
    worst = sorted((row for row in rows if row.get(key)), key=lambda row: -row[key] / row["trials"])
    named = [f"{number(row[key])} of {number(row['trials'])} in {cell(row)}" for row in worst[:NAMED]]
    more = [f"the rest in {counted(len(worst) - NAMED, 'other cell')}"] if len(worst) > NAMED else []
    return ", ".join([*named, *more])


def _decided(variant: Variant | None, client: str, struck: Sequence[Row]) -> list[str]:
    """What of its protocol decides what was lost or doubled, where it does."""
    if variant is None or client != "recommended":
        return []
    harmed = [row for row in struck if any(row.get(key) for key in HARMS)]
    by = ["tasks", "idempotency"] if harmed else []
    by += ["survives_restart"] if any(starts(row) for row in harmed) else []
    told = [f"{ability.replace('_', ' ')}: {variant.lacks[ability]}" for ability in by if ability in variant.lacks]
    return [f"What it lacks decides this: {'; '.join(told)}."] if told else []


def _events(variant: Variant | None, mine: Sequence[Row], struck: Sequence[Row]) -> list[str]:
    """A client that was left with nothing has missed its events by that: of such no variant is given."""
    counting = [row for row in struck if "events_lost" in row]
    free = [row for row in mine if row["fault"] == NONE and row.get("events_expected")]
    lost, expected = _sum(counting, "events_lost"), _sum(counting, "events_expected")
    if not lost:
        return [f"Of {counted(expected, 'event')} none was missed."] if expected else []
    usual = _sum(free, "events_lost")
    without = f"; without a fault {number(usual)} of {number(_sum(free, 'events_expected'))}" if free else ""
    abilities = ["event_replay"] if not usual else ["event_replay", "every_progress", "artifact_events"]
    told = [variant.lacks[ability] for ability in abilities if variant and ability in variant.lacks]
    return [
        f"It was never told {number(lost)} of {counted(expected, 'event')}{without}"
        + (f" (what decides it: {'; '.join(told)})." if told else ".")
    ]


def _knowing(variant: Variant | None, struck: Sequence[Row]) -> list[str]:
    """The shortest and the longest median, apart for the faults after which a server starts."""
    on_pipes = variant is not None and not variant.listeners  # the end of its pipes is the end of its server too
    told: list[str] = []
    for started, who in ((False, "It"), (True, "Where a server had to start, it")):
        rows = [row for row in struck if (on_pipes or starts(row)) == started]
        if timed := sorted((row for row in rows if "time_to_know_ms" in row), key=lambda row: row["time_to_know_ms"]):
            ends = [timed[0], timed[-1]] if len(timed) > 1 else timed
            names = [f"{number(row['time_to_know_ms'])} ms ({_with(row, 'time_to_know_ms')}, {cell(row)})" for row in ends]
            told.append(f"{who} held a true statement again after a median of {listed(names, 'to')}.")
    return told


def _with(row: Row, key: str) -> str:
    return f"{len(row[f'{key}_all'])} of {counted(row['trials'], 'trial')}"


def _cost(struck: Sequence[Row]) -> list[str]:
    if not (costly := [row for row in struck if "extra_bytes" in row]):
        return []
    most = max(costly, key=lambda row: row["extra_bytes"])
    nouns = {"extra_requests": "request", "extra_connections": "connection", "extra_bytes": "byte"}
    parts = [f"{number(most[key])} {noun if most[key] == 1 else noun + 's'}" for key, noun in nouns.items() if key in most]
    held = (most.get("delivered") or 0) + (most.get("duplicated") or 0)  # a client without its result has not gone on
    of = f"median of {counted(held, 'trial')}, {cell(most)}"
    return [f"Going on cost at most {listed(parts)} more than the fault-free run ({of})."]


def _reruns(struck: Sequence[Row]) -> list[str]:
    if not (again := _sum(struck, "steps_rerun")):
        return []
    return [
        f"{counted(again, 'step')} ran again in {counted(_sum(struck, 'trials'), 'trial')} ({_most(struck, 'steps_rerun')})."
    ]


def _most(struck: Sequence[Row], key: str) -> str:
    most = max(struck, key=lambda row: row.get(key) or 0)
    return f"most in {cell(most)}, {number(most[key])} in {counted(most['trials'], 'trial')}"


def _streams(struck: Sequence[Row]) -> list[str]:
    noted = [row for row in struck if "looked_finished" in row]
    if not (trials := _sum(noted, "trials")):
        return []
    if _sum(noted, "looked_finished"):
        return [f"A cut stream looked like a finished one: {_where(noted, 'looked_finished')}."]
    return [f"In none of {counted(trials, 'trial')} did a cut stream look like a finished one (up to {unseen(trials)} may)."]


def _sum(rows: Sequence[Row], key: str) -> int:
    return sum(row.get(key) or 0 for row in rows)
