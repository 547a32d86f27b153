"""How many round trips each flow takes, told by the rows alone."""

from __future__ import annotations

from collections.abc import Sequence

from ..metric import Chart, Mark, Row, Section, Table
from ..report.palette import place
from ..report.wording import interval, listed, number
from .derive import TOLERANCE, told_apart

FLOWS = {
    "cold": "A cold first result",
    "warm": "A warm call",
    "stream": "A streamed task",
    "submit_wait": "Submitting a task and waiting for its result",
    "cancel": "Cancelling a task",
    "answer": "Answering a question in mid-task",
}
FLOW_NAMES = {name: name.replace("_", " and ") for name in FLOWS}


def present(rows: Sequence[Row]) -> Sequence[Section]:
    """The counted turns beside the fitted slope, then bytes and fingerprints; flows in the order of `FLOWS`."""
    flows = [*(flow for flow in FLOWS if any(row["flow"] == flow for row in rows))]
    flows += [flow for flow in dict.fromkeys(row["flow"] for row in rows) if flow not in FLOWS]
    ordered = sorted(map(_whole, rows), key=lambda row: (flows.index(row["flow"]), place(row["variant"])))
    sections = [Section("Round trips per flow", _text(ordered, flows), [_counts(ordered)], _charts(ordered))]
    if any(row.get("fingerprint") for row in rows):
        sections.append(Section("What was seen on the wire", _WIRE_TEXT, [_wire(ordered)]))
    return sections


COUNTS = ("turns_on_wire", "connections", "requests", "bytes_up", "bytes_down")


def _whole(row: Row) -> Row:
    """A median of counts that is a whole number reads as one: 2, not 2.00."""
    return row | {key: int(row[key]) for key in COUNTS if isinstance(row.get(key), float) and row[key].is_integer()}


_WIRE_TEXT = (
    "The fingerprint is what the wire tap saw: methods, paths, content types and version headers. A result without the "
    "protocol's own fingerprint is not counted as that protocol's."
)


def _text(rows: Sequence[Row], flows: Sequence[str]) -> str:
    method = (
        "Each number is measured twice, independently: turns counted on the wire (bars), and the slope of completion time "
        "against injected round-trip time (dots, with their interval). One round trip more costs one network round-trip time "
        "more, on any network."
    )
    lines = [line for flow in flows if (line := _flow(flow, [row for row in rows if row["flow"] == flow]))]
    text = method + "\n\n" + "\n".join(f"- {line}" for line in lines)
    if absent := _absent(rows, flows):
        text += f"\n\n{absent}"
    if null := _null_pair(rows):
        text += f"\n\n{null}"
    flagged = [f"`{row['variant']}` {FLOW_NAMES.get(row['flow'], row['flow'])}" for row in rows if row.get("flagged")]
    if flagged:
        text += (
            f"\n\n**The two methods differ by more than {TOLERANCE}** for {listed(flagged)}: there, do not rely on either "
            "number before reading the wire."
        )
    elif any("flagged" in row for row in rows):
        text += f"\n\nThe two methods agree within {TOLERANCE} wherever both were measured."
    return text


def _flow(flow: str, rows: Sequence[Row]) -> str:
    by_turns: dict[float, list[str]] = {}
    for row in rows:
        if row.get("turns_on_wire") is not None:
            by_turns.setdefault(row["turns_on_wire"], []).append(f"`{row['variant']}`")
    title = FLOWS.get(flow, flow)
    groups = sorted(by_turns.items())
    told = [f"{number(turns) if index else _trips(turns)} over {listed(names)}" for index, (turns, names) in enumerate(groups)]
    if not told:
        return f"{title} could not be measured over any variant."
    return f"{title} takes {'; '.join(told)}.{_apart(rows)}"


def _absent(rows: Sequence[Row], flows: Sequence[str]) -> str:
    missing: dict[str, list[str]] = {}
    for row in rows:
        if row.get("not_testable"):
            missing.setdefault(row["variant"], []).append(row["flow"])
    of = {name: [row["flow"] for row in rows if row["variant"] == name] for name in missing}
    wholly = [f"`{name}`" for name in missing if len(missing[name]) == len(of[name])]
    partly = [
        f"`{name}` in {listed([FLOW_NAMES.get(flow, flow) for flow in flows if flow in missing[name]])}"
        for name in missing
        if len(missing[name]) < len(of[name])
    ]
    told = ([f"{listed(wholly)} in any flow"] if wholly else []) + partly
    return f"Not measured: {'; '.join(told)}. The reasons are below the table." if told else ""


def _null_pair(rows: Sequence[Row]) -> str:
    """What the variant that was measured twice says of the noise; a report without it says that there was none."""
    pairs = [row for row in rows if row.get("null_pair")]
    if not pairs:
        return "No variant was measured twice in this run, so nothing here says how much of a difference is noise."
    names = listed(list(dict.fromkeys(f"`{row['variant']}`" for row in pairs)))
    method = f"The null pair: {names} was measured twice, by two servers and two clients, as if it were two variants."
    if apart := [FLOW_NAMES.get(flow, flow) for row in pairs if row["null_pair"]["apart"] for flow in [str(row["flow"])]]:
        return (
            f"{method} **It was told apart from itself in {listed(apart)}**: the machine was too noisy there, and no variant "
            "is named the first."
        )
    both = [row for row in pairs if None not in (row.get("slope_round_trips"), row["null_pair"].get("slope_round_trips"))]
    if not both:
        return f"{method} No slope could be fitted to both, so it says nothing of the noise."
    widest = max(abs(row["slope_round_trips"] - row["null_pair"]["slope_round_trips"]) for row in both)
    return f"{method} Its turns are the same and its slopes differ by at most {widest:.2f} in any flow."


def _apart(rows: Sequence[Row]) -> str:
    """Names one variant only where its slope's interval clears every other's, and the null pair's do not clear each other."""
    fitted = [row for row in rows if row.get("slope_ci") and None not in row["slope_ci"]]
    if len(fitted) < 2 or any(row.get("null_pair", {}).get("apart") for row in rows):
        return ""
    first, *others = sorted(fitted, key=lambda row: row["slope_ci"][1])
    if not all(told_apart(first, row) for row in others):
        return ""
    nearest = min(others, key=lambda row: row["slope_ci"][0])
    return (
        f" `{first['variant']}` has the fewest: its slope's interval, {interval(*first['slope_ci'])}, lies below all others "
        f"by more than {TOLERANCE} (the nearest is `{nearest['variant']}` with {interval(*nearest['slope_ci'])})."
    )


def _trips(turns: float) -> str:
    return "1 round trip" if turns == 1 else f"{number(turns)} round trips"


def _counts(rows: Sequence[Row]) -> Table:
    columns = [
        ("flow_name", "Flow"),
        ("variant", "Variant"),
        ("turns_on_wire", "Turns on the wire"),
        ("slope_round_trips", "Slope"),
        ("slope_ci", "95% interval of the slope"),
        ("connections", "Connections"),
        ("requests", "Requests"),
        ("bytes_up", "Bytes up"),
        ("bytes_down", "Bytes down"),
        *([("elapsed_ms", "Time, no delay")] if any(row.get("elapsed_ms") is not None for row in rows) else []),
        *([("failed", "Failed")] if any(row.get("failed") for row in rows) else []),
        *([("harness_errors", "Our errors")] if any(row.get("harness_errors") for row in rows) else []),
        ("trials", "Trials"),
    ]
    note = f"Turns and slope differ by more than {TOLERANCE}: one of the two methods sees something that the other does not."
    marks = {
        (index, key): Mark("warn", note)
        for index, row in enumerate(rows)
        if row.get("flagged")
        for key in ("turns_on_wire", "slope_round_trips")
    }
    for index, row in enumerate(rows):
        if why := row.get("slope_not_testable"):
            marks |= {(index, key): Mark("quiet", f"{why}.") for key in ("slope_round_trips", "slope_ci")}
        if row.get("failed"):
            marks[index, "failed"] = Mark("warn")
        if row.get("harness_errors"):
            marks[index, "harness_errors"] = Mark("bad", "The harness failed there, not the protocol.")
    named = [row | {"flow_name": FLOW_NAMES.get(row["flow"], row["flow"])} for row in rows]
    return Table(columns, named, "Round trips, requests and bytes of each flow", marks)


def _wire(rows: Sequence[Row]) -> Table:
    named = [row | {"flow_name": FLOW_NAMES.get(row["flow"], row["flow"])} for row in rows if row.get("fingerprint")]
    columns = [("variant", "Variant"), ("flow_name", "Flow"), ("fingerprint", "Fingerprint")]
    return Table(columns, named, "Protocol fingerprint of each flow")


def _charts(rows: Sequence[Row]) -> list[Chart]:
    from ..report import charts

    named = [
        row
        | {"flow_name": FLOW_NAMES.get(row["flow"], row["flow"])}
        | ({"label": _differing(row)} if row.get("flagged") else {})
        for row in rows
    ]
    points = [point for row in named if row.get("slope_round_trips") is not None for point in _added(row)]
    slopes = charts.lines_with_ci(
        points,
        "delay_ms",
        "added_ms",
        facet="flow_name",
        x_title="injected round-trip time, ms",
        y_title="time added, ms",
        alt_text="The time that injected round-trip time adds to each flow, median per delay: a line rises by one round-trip "
        "time for each round trip.",
    )
    counts = charts.bars(
        named,
        "turns_on_wire",
        facet="flow_name",
        x_title="round trips",
        point="slope_round_trips",
        interval="slope_ci",
        label="label",
        alt_text="Round trips of each flow per variant: turns counted on the wire as bars, the slope of time against "
        "injected delay as dots with their 95% interval.",
    )
    return [chart for chart in (counts, slopes) if chart]


def _added(row: Row) -> list[Row]:
    points: list[list[float]] = row.get("points") or []
    return [row | {"delay_ms": delay, "added_ms": time - points[0][1]} for delay, time in points]


def _differing(row: Row) -> str:
    return f"{number(row['turns_on_wire'])}, slope {number(row['slope_round_trips'])}"
