"""What each protocol loses when the connection or the server dies in mid-task, told by the rows alone."""

from __future__ import annotations

from collections.abc import Sequence

from ..metric import Chart, Mark, Row, Section, Table, Tone
from ..report.palette import place
from ..report.wording import counted, listed, number
from .scenarios import scenarios

TRIAL_HARMS = {"lost": "lost", "duplicated": "duplicated", "hung": "hung"}
TIMES = ("time_to_know_ms", "time_to_recover_ms")
EVENT_HARMS = {"events_lost": "lost", "events_duplicated": "duplicated", "events_reordered": "reordered"}


def present(rows: Sequence[Row]) -> Sequence[Section]:
    """Outcomes per scenario and variant, then the events, then the times to know and to recover."""
    known = [scenario.name for scenario in scenarios()]
    order = [*known, *(name for name in dict.fromkeys(row["scenario"] for row in rows) if name not in known)]
    rows = sorted(rows, key=lambda row: (order.index(row["scenario"]), place(row["variant"])))
    sections = [Section("What became of the task", _text(rows), [_outcomes(rows)], _matrix(rows))]
    if any(row.get("events_expected") for row in rows):
        sections.append(Section("What became of its events", _EVENTS_TEXT, [_events(rows)]))
    timed = [row | one for row in rows for one in row.get("by_host", [{}])]
    if any(row.get(key) is not None for row in timed for key in TIMES):
        # Dots of one machine only: those of two in one line would look like one series.
        dots = [] if len(timed) > len(rows) else _dots(timed)
        sections.append(Section("How long it took", _TIMES_TEXT, [_times(timed)], dots))
    return sections


_METHOD = (
    "A long task runs, a fault strikes in the middle of it, and two ledgers are compared: what the agent really did, and what "
    "the client was told. *Delivered*: the client has the right result and every step was done once. *Duplicated*: a step was "
    "done twice. *Lost*: the client was told something that is not so. *Hung*: it was told nothing final by the deadline. "
    "*Failed cleanly*: it was told of an error, and the work is indeed not done. A step that was executed when the server "
    "died, and not yet recorded, is executed again: the runtime promises at least once, the same under every protocol."
)
_EVENTS_TEXT = (
    "Every step of the task tells an event. *Told live*: the client heard of it by itself, not only by what a later look at "
    "the task holds. Sums over all trials."
)
_TIMES_TEXT = (
    "*Time to know*: from the fault until the client held a true statement of the server's about its task again. *Time to "
    "recover*: from the fault until it was told something that it did not know yet. Where the server was killed, both hold its "
    "start and the client's wait until its next attempt, so they come in clusters: they tell how long an outage of this kind "
    "lasts, and rank no protocol. A trial in which that moment never came has no time; each dot is one trial, the tick is the "
    "median."
)


def _scenario(name: str) -> str:
    titles = {scenario.name: scenario.title for scenario in scenarios()}
    return titles.get(name, name.replace("_", " "))  # a run of another day may know other scenarios


def _harms(row: Row) -> list[str]:
    trials = [f"{number(row[key])} {word}" for key, word in TRIAL_HARMS.items() if row.get(key)]
    return trials + [f"{counted(row[key], 'event')} {word}" for key, word in EVENT_HARMS.items() if row.get(key)]


def _verdict(row: Row) -> Tone | str:
    """bad: a result was lost, doubled or never came; warn: a trial failed and said so, or events went amiss; good: neither."""
    if not row.get("trials"):
        return "none"
    if any(row.get(key) for key in TRIAL_HARMS):
        return "bad"
    return "good" if row.get("delivered") == row["trials"] and not _harms(row) else "warn"


def _text(rows: Sequence[Row]) -> str:
    lines = [
        f"- **When {_scenario(scenario)}**: {_sentences([row for row in rows if row['scenario'] == scenario])}"
        for scenario in dict.fromkeys(row["scenario"] for row in rows)
    ]
    # Of any one machine: what another has not seen says nothing of it.
    trials = [one["trials"] for row in rows for one in row.get("by_host", [row]) if one.get("trials")]
    text = _METHOD + "\n\n" + "\n".join(lines)
    if trials and (fewest := min(trials)) > 0:
        # The exact upper bound of a rate of which no case was seen in n trials: 1 - 0.05^(1/n).
        bound = 1 - 0.05 ** (1 / fewest)
        text += (
            f"\n\nWhat was not seen once in {counted(fewest, 'trial')} may still happen in up to {bound:.0%} of cases "
            "(95% upper bound): a clean row is evidence, not proof."
        )
    return text


def _sentences(rows: Sequence[Row]) -> str:
    told: list[str] = []
    clean = [row for row in rows if _verdict(row) == "good"]
    if clean:
        names = listed([f"`{row['variant']}` ({number(row['trials'])} of {number(row['trials'])})" for row in clean])
        # Said of events only where every one of these rows counted them.
        counted_events = all(row.get("events_lost") == 0 and row.get("events_duplicated") == 0 for row in clean)
        events = ", and no event was lost or duplicated," if counted_events else ""
        told.append(f"every trial delivered its result once{events} over {names}.")
    for row in rows:
        score = f"`{row['variant']}` delivered {number(row.get('delivered') or 0)} of {number(row.get('trials') or 0)}"
        failed = f"{number(row['failed_cleanly'])} failed with a clear error" if row.get("failed_cleanly") else ""
        match _verdict(row):
            case "bad" | "warn":
                harms = [*_harms(row), *filter(None, [failed])]
                told.append(f"{score}{f': {listed(harms)}' if harms else ''}.")
            case _:
                pass
    if absent := [f"`{row['variant']}`" for row in rows if _verdict(row) == "none"]:
        told.append(f"Not measured: {listed(absent)}.")
    return " ".join(told)


def _named(rows: Sequence[Row]) -> list[Row]:
    return [row | {"scenario_name": _scenario(row["scenario"]).removeprefix("the ")} for row in rows]


def _outcomes(rows: Sequence[Row]) -> Table:
    # What harms comes first: a narrow terminal leaves out the last columns.
    columns = [
        ("scenario_name", "Fault"),
        ("variant", "Variant"),
        ("delivered", "Delivered"),
        ("lost", "Lost"),
        ("duplicated", "Duplicated"),
        ("hung", "Hung"),
        ("failed_cleanly", "Failed cleanly"),
        ("trials", "Trials"),
        ("steps_rerun", "Steps run again"),
    ]
    marks: dict[tuple[int, str], Mark] = {}
    for index, row in enumerate(rows):
        # Why, in the client's words: the reasons that the trials of this row gave.
        why = f"{row['variant']}: {'; '.join(row['reasons'][:3])}." if row.get("reasons") else ""
        marks |= {(index, key): Mark("bad", why) for key in TRIAL_HARMS if row.get(key)}
        if row.get("failed_cleanly"):
            marks[index, "failed_cleanly"] = Mark("warn", why)
        if _verdict(row) == "good":
            marks[index, "delivered"] = Mark("good")
    return Table(columns, _named(rows), "Outcome of every trial", marks)


def _events(rows: Sequence[Row]) -> Table:
    columns = [
        ("scenario_name", "Fault"),
        ("variant", "Variant"),
        ("events_expected", "Expected"),
        ("events_live", "Told live"),
        ("events_lost", "Lost"),
        ("events_duplicated", "Duplicated"),
        ("events_reordered", "Reordered"),
    ]
    marks = {(index, key): Mark("warn") for index, row in enumerate(rows) for key in EVENT_HARMS if row.get(key)}
    return Table(columns, _named(rows), "Events over all trials", marks)


def _times(rows: Sequence[Row]) -> Table:
    columns = [
        ("scenario_name", "Fault"),
        ("variant", "Variant"),
        *([("host", "Machine")] if any(row.get("host") for row in rows) else []),
        ("time_to_know_ms", "Time to know, median"),
        ("time_to_recover_ms", "Time to recover, median"),
        ("delivered", "Delivered"),
        ("trials", "Trials"),
    ]
    timed = [row for row in rows if row.get("not_testable") or any(row.get(key) is not None for key in TIMES)]
    return Table(columns, _named(timed), "Times after the fault")


def _tile(row: Row) -> str:
    match _verdict(row):
        case "none":
            return "not measured"
        case "good":
            return f"✓ {number(row['delivered'])}/{number(row['trials'])}"
        case verdict:
            failed = f"{number(row['failed_cleanly'])} failed cleanly" if row.get("failed_cleanly") else ""
            amiss = [*_harms(row), *filter(None, [failed])]
            # The worst two: a tile is small, and the tables below have them all.
            score = f"{number(row.get('delivered') or 0)}/{number(row['trials'])}"
            return f"{'✗' if verdict == 'bad' else '!'} {', '.join([score, *amiss[:2]])}"


def _matrix(rows: Sequence[Row]) -> list[Chart]:
    from ..report import charts

    tiles = [row | {"verdict": _verdict(row), "text": _tile(row)} for row in _named(rows)]
    chart = charts.matrix(
        tiles,
        "scenario_name",
        alt_text="Trials delivered per variant and fault. ✓: every one, once. !: some failed and said so, or "
        "events went amiss. ✗: results were lost or duplicated, or never came.",
    )
    return [chart] if chart else []


def _dots(rows: Sequence[Row]) -> list[Chart]:
    from ..report import charts

    named = _named(rows)
    found: list[Chart | None] = []
    for key, name in (("know", "know"), ("recover", "recover")):
        # The single times where the row has them, else the median alone.
        series = [row | {"ms": row.get(f"time_to_{key}_ms_all") or row.get(f"time_to_{key}_ms")} for row in named]
        found.append(
            charts.dots(
                series,
                "ms",
                facet="scenario_name",
                x_title=f"time to {name}, ms",
                alt_text=f"Time to {name} after each fault, per variant: every trial as a dot, the median as a tick.",
            )
        )
    return [chart for chart in found if chart]
