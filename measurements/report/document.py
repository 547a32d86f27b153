"""The report as a person reads it, before it is a page, a Markdown file or a terminal: what every rendering shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..metric import Metric, Row, Section, Table, Tone
from .palette import shade_of
from .wording import Kind, counted, duration, heading, listed, moment, number, show


@dataclass(frozen=True)
class Notice:
    """What a reader must know before any number."""

    tone: Literal["warn", "bad"]
    title: str
    lines: Sequence[str]


@dataclass(frozen=True)
class Part:
    key: str
    title: str
    sections: Sequence[Section]


@dataclass(frozen=True)
class Document:
    """`facts` is the line under the title, `provenance` the folded details, as (name, value) pairs per group."""

    title: str
    facts: Sequence[tuple[str, str]]
    notices: Sequence[Notice]
    parts: Sequence[Part]
    not_measured: Table | None
    failures: Table | None
    provenance: Mapping[str, Sequence[tuple[str, str]]]


@dataclass(frozen=True)
class ShownCell:
    """`notes` are the numbers of this cell's footnotes in its table; `hue` is the palette's name for the variant it names."""

    text: str
    kind: Kind
    tone: Tone | None = None
    whole: str = ""
    sort: str = ""
    tip: str = ""
    notes: Sequence[int] = ()
    hue: str = ""


@dataclass(frozen=True)
class ShownTable:
    """`kinds`: what most of a column is, for its alignment."""

    caption: str
    headings: Sequence[str]
    kinds: Sequence[Kind]
    rows: Sequence[Sequence[ShownCell]]
    notes: Sequence[str]


def compose(report: Mapping[str, Any], metrics: Mapping[str, Metric]) -> Document:
    """The document that report.json tells; a metric without rows adds nothing."""
    run: Mapping[str, Any] = report["run"]
    parts = [
        Part(name, metric.title, list(metric.present(report[name])))
        for name, metric in sorted(metrics.items(), key=lambda item: item[1].order)
        if report.get(name)
    ]
    if hosts := report.get("hosts"):
        parts.append(Part("hosts", "Where it was measured", [_hosts(hosts, run.get("parts") or ())]))
    git = run.get("git")
    counts: Mapping[str, Any] = report["samples"]
    facts = [
        ("Suite", run["suite"]),
        *([("Agent", own)] if (own := run["options"]["given"].get("agent")) else []),
        *([("Cells", ", ".join(cells))] if (cells := run["options"]["given"].get("cells")) else []),
        *([("Shard", shard)] if (shard := run["options"]["given"].get("shard")) else []),
        ("Started", moment(run["started"])),
        ("Took", duration(run["started"], run.get("ended"))),
        ("Source", f"{git['commit'][:7]}{' with uncommitted changes' if git['dirty'] else ''}" if git else "not a checkout"),
        *([("Machines", str(len(hosts)))] if hosts else []),
        ("Variants", str(len(report["variants"]))),
        ("Samples", number(sum(counts[status] for status in ("ok", "failed", "not_testable", "harness_error")))),
    ]
    titles = {name: metric.title for name, metric in metrics.items()}
    columns = [("metric", "Metric"), ("variant", "Variant"), ("cell", "Where"), ("count", "Times"), ("reason", "Why")]
    return Document(
        title="The same task over every protocol",
        facts=[(name, value) for name, value in facts if value != "–"],
        notices=_notices(report),
        parts=parts,
        not_measured=_listing(report["not_measured"], columns, titles, "What was not measured, and why"),
        failures=_listing(report["failures"], columns, titles, "Attempts that failed; none of them is in a series of times"),
        provenance=_provenance(run),
    )


def _hosts(rows: Sequence[Row], merged: Sequence[Mapping[str, Any]]) -> Section:
    if merged:
        shards = ", ".join(part["shard"] for part in merged)
        text = (
            f"Each shard ({shards}) was measured by itself, on {counted(len(rows), 'machine')} in all; they were merged after."
        )
    else:
        text = (
            f"{counted(len(rows), 'machine')} measured the parts that can be shared; the rest was measured on the one that "
            "wrote this report. *Clock*: what is to be added to a machine's clock to have that one's, give or take, by the "
            "best exchange of a question and its answer."
        )
    text += " No time is compared between two machines, and no number is pooled over them."
    told = [
        row
        | {
            "processor": row.get("machine", {}).get("cpu"),
            "cores": row.get("machine", {}).get("usable_cores_count"),
            "differs": "; ".join(row.get("differs", ())),
        }
        for row in rows
    ]
    clocks = [("clock_offset_ms", "Clock"), ("clock_uncertainty_ms", "Give or take")]
    columns = [
        ("host", "Machine"),
        ("samples", "Samples"),
        ("workers", "Workers"),
        *([] if merged else clocks),
        ("processor", "Processor"),
        ("cores", "Cores"),
        ("differs", "Other versions"),
    ]
    return Section("Where it was measured", text, [Table(columns, told)])


def shown_table(table: Table) -> ShownTable:
    """The table as text: cells worded, missing ones and marks explained in numbered notes."""
    notes: dict[str, int] = {}
    rows: list[list[ShownCell]] = []
    hues = shade_of(str(row.get("variant")) for row in table.rows)
    for index, row in enumerate(table.rows):
        cells: list[ShownCell] = []
        for key, _ in table.columns:
            shown, mark = show(key, row.get(key)), table.marks.get((index, key))
            told = [mark.note] if mark and mark.note else []
            reason = row.get("not_testable")
            if shown.kind == "missing" and reason:
                told.append(f"{reason}".rstrip(".") + ".")
            numbers = [notes.setdefault(note, len(notes) + 1) for note in told]
            tone = mark.tone if mark else None
            cells.append(
                ShownCell(
                    shown.text,
                    shown.kind,
                    tone,
                    shown.whole,
                    shown.sort,
                    " ".join(told),
                    numbers,
                    hues[shown.text] if key == "variant" and shown.text in hues else "",
                )
            )
        rows.append(cells)
    kinds: list[Kind] = []
    for column in range(len(table.columns)):
        seen: list[Kind] = [row[column].kind for row in rows if row[column].kind != "missing"]
        kinds.append(seen[0] if seen else "text")
    return ShownTable(table.caption, [heading(key, title) for key, title in table.columns], kinds, rows, list(notes))


def _notices(report: Mapping[str, Any]) -> list[Notice]:
    run: Mapping[str, Any] = report["run"]
    counts: Mapping[str, Any] = report["samples"]
    notices: list[Notice] = []
    errors: Sequence[Row] = report["harness_errors"]
    if errors:
        lines = [f"{_where(row)}: {row['reason']}" + (f" ({row['count']} times)" if row["count"] > 1 else "") for row in errors]
        told = "1 harness error: this is our fault" if counts["harness_error"] == 1 else ""
        title = told or f"{counts['harness_error']} harness errors: these are our fault"
        notices.append(Notice("bad", f"{title}, not any protocol's. The cells below are missing or thinner for it.", lines))
    match run.get("end_reason"):
        case "completed":
            pass
        case "interrupted":
            notices.append(Notice("warn", "This run was interrupted. It holds what was measured until then.", []))
        case "failed":
            notices.append(Notice("bad", "This run failed before its end.", [run.get("error") or "no error was recorded"]))
        case _:
            notices.append(Notice("warn", "This run never said that it ended: it was killed, or is still going.", []))
    if pauses := run.get("pauses"):
        title = f"This run was interrupted and resumed {'once' if len(pauses) == 1 else f'{len(pauses)} times'}."
        notices.append(Notice("warn", title, [_paused(pause) for pause in pauses]))
    if counts["torn_line"]:
        lines = ["The last line of samples.jsonl was cut off in mid-write. It is left out; every line before it is whole."]
        notices.append(Notice("warn", "One sample is torn.", lines))
    if not sum(counts[status] for status in ("ok", "failed", "not_testable", "harness_error")):
        notices.append(Notice("bad", "This run has no sample.", []))
    elif not counts["ok"]:
        notices.append(Notice("bad", "Not one attempt succeeded, so there is no number to report.", []))
    if (git := run.get("git")) and git["dirty"]:
        line = f"Revision {git['commit'][:7]} alone does not give these results."
        notices.append(Notice("warn", "The source had uncommitted changes.", [line]))
    return notices


def _paused(pause: Mapping[str, Any]) -> str:
    stopped = f"stopped {moment(pause['stopped'])} ({pause['end_reason']})" if pause["stopped"] else "killed, nobody knows when"
    return f"{stopped}; resumed {moment(pause['resumed'])}."


def _where(row: Row) -> str:
    cell = ", ".join(f"{name} {show(name, value).text}" for name, value in row["cell"].items())
    return " / ".join(filter(None, [row["metric"], row["variant"], cell])) or "the harness"


def _listing(rows: Sequence[Row], columns: Sequence[tuple[str, str]], titles: Mapping[str, str], caption: str) -> Table | None:
    """One line per metric, variant and reason: the same reason in many cells is told once."""
    told: dict[tuple[str, str, str], Row] = {}
    for row in rows:
        key = (row["metric"], row["variant"], row["reason"])
        line = told.setdefault(key, {"metric": titles.get(row["metric"], row["metric"]), "where": {}, "count": 0})
        line |= {"variant": row["variant"], "reason": row["reason"], "count": line["count"] + row["count"]}
        for name, value in row["cell"].items():
            values: list[str] = line["where"].setdefault(name, [])
            if (text := show(name, value).text) not in values:
                values.append(text)
    lines = [
        {
            "metric": line["metric"] or "every metric",
            "variant": line["variant"] or "every variant",
            "cell": "; ".join(f"{name.replace('_', ' ')} {listed(values)}" for name, values in line["where"].items())
            or "everywhere",
            "count": line["count"] or None,
            "reason": line["reason"],
        }
        for line in told.values()
    ]
    return Table(columns, lines, caption) if lines else None


def _provenance(run: Mapping[str, Any]) -> dict[str, list[tuple[str, str]]]:
    machine: Mapping[str, Any] = run["machine"]
    cores, usable, memory, load = (
        machine.get(name) for name in ("cores_count", "usable_cores_count", "memory_bytes", "load_average")
    )
    git = run.get("git")
    groups: dict[str, list[tuple[str, str | None]]] = {
        "Run": [
            ("name", run["name"]),
            ("suite", run["suite"]),
            ("seed", None if run.get("seed") is None else str(run["seed"])),
            ("started", run["started"]),
            ("ended", run.get("ended")),
            ("end", run.get("end_reason")),
            ("revision", git["commit"] + (" (dirty)" if git["dirty"] else "") if git else "not a checkout"),
        ],
        "Machine": [
            ("processor", machine.get("cpu")),
            ("cores", counted(cores, "core") + (f", {usable} usable" if usable and usable != cores else "") if cores else None),
            ("memory", f"{memory / 2**30:.1f} GiB" if memory else None),
            ("system", machine.get("system")),
            ("kernel", machine.get("kernel")),
            ("load at the start", " ".join(f"{value:.2f}" for value in load) if load else None),
        ],
        "Options": [
            *((name, show(name, value).text) for name, value in run["options"]["given"].items()),
            *((name, f"{show(name, value).text} (default)") for name, value in run["options"]["defaulted"].items()),
        ],
        "Versions": list(run["versions"].items()),
    }
    kept = {title: [(name, value) for name, value in pairs if value] for title, pairs in groups.items()}
    return {title: pairs for title, pairs in kept.items() if pairs}
