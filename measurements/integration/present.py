"""What it takes to write the integration, told by the rows alone."""

from __future__ import annotations

from collections.abc import Sequence

from ..metric import Chart, Row, Section, Table
from ..report.palette import place
from ..report.wording import counted, listed, number

GUARANTEES = {
    "G1": "a typed call",
    "G2": "live progress",
    "G3": "a cut connection loses nothing",
    "G4": "a server crash loses nothing",
    "G5": "cancelling, and answering a question in mid-task",
}
FITTED = ("fixed_lines", "marginal_lines")
FLEETS = (1, 2, 3, 5, 10)
"""The numbers of agents that cost(N) = fixed + N x marginal is drawn for."""


def present(rows: Sequence[Row]) -> Sequence[Section]:
    """One section per side (consumer, provider): sentences per guarantee, cost against the number of agents, every count."""
    sections: list[Section] = []
    rows = [_whole(row) for row in rows]
    for side in sorted({row["side"] for row in rows}):
        mine = sorted((row for row in rows if row["side"] == side), key=lambda row: (row["guarantee"], place(row["variant"])))
        sections.append(Section(f"The {side}'s code", _text(mine, side), [_table(mine, side)], _charts(mine, side)))
    return sections


def _whole(row: Row) -> Row:
    """A fitted number of lines that is whole reads as one: 10, not 10.0."""
    return row | {key: int(row[key]) for key in FITTED if isinstance(row.get(key), float) and row[key].is_integer()}


def _counted(row: Row) -> bool:
    return row.get("fixed_lines") is not None and row.get("marginal_lines") is not None


def _cost(row: Row, agents: int) -> float:
    return row["fixed_lines"] + agents * row["marginal_lines"]


def _text(rows: Sequence[Row], side: str) -> str:
    method = (
        f"Logical lines of the smallest idiomatic code on the {side}'s side, with the protocol's usual library. Only code "
        "that ran and kept its guarantee is counted. The cost of N agents is *fixed + N × marginal* lines."
    )
    lines: list[str] = []
    for guarantee in dict.fromkeys(row["guarantee"] for row in rows):
        mine = [row for row in rows if row["guarantee"] == guarantee]
        meaning = f" ({GUARANTEES[guarantee]})" if guarantee in GUARANTEES else ""
        kept = sorted((row for row in mine if _counted(row)), key=lambda row: _cost(row, 1))
        if not kept:
            lines.append(f"**{guarantee}**{meaning} could not be counted for any variant.")
            continue
        told = [f"{number(_cost(row, 1))} over `{row['variant']}` ({_split(row)})" for row in kept]
        text = f"**{guarantee}**{meaning}: the first agent takes {listed(told)} lines."
        lines.append(text + _ratio(kept))
        absent = [f"`{row['variant']}`" for row in mine if not _counted(row)]
        if absent:
            lines[-1] += f" Not counted: {listed(absent)}."
    return method + "\n\n" + "\n".join(f"- {line}" for line in lines)


def _split(row: Row) -> str:
    return f"{number(row['fixed_lines'])} once, {number(row['marginal_lines'])} per agent"


def _ratio(kept: Sequence[Row]) -> str:
    """How far the longest is from the shortest, for one agent and for ten: the two can tell different stories."""
    told: list[str] = []
    for agents in (1, 10):
        order = sorted(kept, key=lambda row: _cost(row, agents))
        least, most = order[0], order[-1]
        if _cost(least, agents) > 0 and _cost(most, agents) > _cost(least, agents):
            ratio = f"{_cost(most, agents) / _cost(least, agents):.1f}"
            told.append(
                f"for {counted(agents, 'agent')} `{most['variant']}` takes {ratio} times the lines of `{least['variant']}`"
            )
    return f" {'; '.join(told)[0].upper()}{'; '.join(told)[1:]}." if told else ""


def _table(rows: Sequence[Row], side: str) -> Table:
    columns = [
        ("guarantee", "Guarantee"),
        ("variant", "Variant"),
        ("fixed_lines", "Lines, once"),
        ("marginal_lines", "Lines, per agent"),
        ("tokens", "Tokens"),
        ("names", "Library names"),
        ("schema_fields", "Schema fields by hand"),
        ("complexity", "Cognitive complexity"),
        ("generated_lines", "Lines, generated"),
    ]
    return Table(columns, rows, f"Integration code on the {side}'s side")


def _charts(rows: Sequence[Row], side: str) -> list[Chart]:
    from ..report import charts

    costs = [
        {"variant": row["variant"], "guarantee": row["guarantee"], "agents_count": agents, "lines": _cost(row, agents)}
        for row in rows
        if _counted(row)
        for agents in (0, *FLEETS)
    ]
    chart = charts.lines_with_ci(
        costs,
        "agents_count",
        "lines",
        facet="guarantee",
        x_title="agents",
        y_title="logical lines",
        fit=False,
        points=False,
        alt_text=f"Lines of code on the {side}'s side against the number of agents, per guarantee: where a line starts is what "
        "is paid once, its slope is what each agent adds.",
    )
    return [chart] if chart else []
