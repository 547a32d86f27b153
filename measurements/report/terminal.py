"""The end of `sametask compare`: the notices, the sentences and the tables, as wide as the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from ..metric import Table
from .document import Document, ShownCell, ShownTable, shown_table
from .inline import plain
from .palette import FAMILIES, family

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

TONES: Mapping[str, str] = {"good": "green", "warn": "yellow", "bad": "bold red", "quiet": "dim"}
LONGEST_NAME = 28
"""Columns of the terminal that a text may take before it wraps."""
GUTTER = 3
"""Between two columns: the padding of both, and the line that the table leaves blank."""
HUES: Mapping[str, str] = dict(
    zip(FAMILIES, ("blue", "dark_orange", "green", "magenta", "bright_black", "bright_magenta"), strict=True)
)


def summarise(document: Document, console: Console) -> None:
    """Prints the document without its charts and provenance, which the page has."""
    from rich.padding import Padding
    from rich.rule import Rule
    from rich.text import Text

    console.print()
    console.print(Text(document.title, style="bold"))
    console.print(Text(" · ".join(f"{name.lower()} {value}" for name, value in document.facts), style="dim"))
    for notice in document.notices:
        style = TONES[notice.tone]
        console.print()
        console.print(Text(("! " if notice.tone == "warn" else "✗ ") + notice.title, style=style))
        for line in notice.lines:
            console.print(Padding(Text(line, style=style), (0, 0, 0, 2)))
    for part in document.parts:
        console.print()
        console.print(Rule(Text(part.title, style="bold"), align="left", style="dim"))
        for section in part.sections:
            if section.folded:
                console.print(Text(f"In the report also: {section.title.lower()}.", style="dim"))
                continue
            if section.title != part.title:
                console.print(Text(section.title, style="bold"))
            for block in section.text.strip().split("\n\n"):
                console.print(Text(plain(_joined(block))))
            for table in section.tables:
                _print(table, console)
    for table in (document.not_measured, document.failures):
        if table:
            console.print()
            _print(table, console)


def _print(table: Table, console: Console) -> None:
    from rich.padding import Padding
    from rich.text import Text

    if (narrow := _narrowed(table)) is None:
        return
    fitting, left_out = _fitting(narrow, console.width)
    shown = shown_table(fitting)
    console.print(_rich(shown, console.width))
    if left_out:
        console.print(Padding(Text(f"In the report also: {', '.join(left_out).lower()}.", style="dim"), (0, 0, 0, 2)))
    for number, note in enumerate(shown.notes, start=1):
        console.print(Padding(Text(f"{number}  {note}", style="dim"), (0, 0, 0, 2)))


def _narrowed(table: Table) -> Table | None:
    """The table without its lists, and without rows that could not be tested: the page has both, a terminal is narrow.

    None where its lists were all that it had to tell.
    """
    kinds = shown_table(table).kinds
    columns = [column for column, kind in zip(table.columns, kinds, strict=True) if kind != "list"]
    if len(columns) < len(kinds) and not {"number", "interval"} & set(kinds):
        return None
    kept = [index for index, row in enumerate(table.rows) if not row.get("not_testable")]
    if not kept:
        return None
    marks = {(kept.index(index), key): mark for (index, key), mark in table.marks.items() if index in kept}
    return Table(columns, [table.rows[index] for index in kept], table.caption, marks)


def _fitting(table: Table, width: int) -> tuple[Table, list[str]]:
    """The table with as many of its columns as fit without cutting a number or a word, and the headings of the others."""
    shown = shown_table(table)
    used, kept = 0, 0
    for index in range(len(shown.headings)):
        used += _width(shown, index) + GUTTER
        if used > width and kept >= 2:
            break
        kept += 1
    columns = list(table.columns)
    return Table(columns[:kept], table.rows, table.caption, table.marks), list(shown.headings[kept:])


def _width(shown: ShownTable, index: int) -> int:
    """The columns of the terminal that this column cannot do without."""
    word = max(map(len, shown.headings[index].split()), default=0)
    return max(word, *(min(len(row[index].text), LONGEST_NAME) + 2 * bool(row[index].notes) for row in shown.rows))


def _rich(shown: ShownTable, width: int) -> RichTable:
    from rich import box
    from rich.table import Table as RichTable

    drawn = RichTable(title=shown.caption or None, title_justify="left", title_style="dim", box=box.SIMPLE_HEAD, pad_edge=False)
    least = [_width(shown, index) for index in range(len(shown.headings))]
    spare = max(width - sum(least) - GUTTER * len(least), 0)
    for index, (title, kind) in enumerate(zip(shown.headings, shown.kinds, strict=True)):
        # Widths are ours: rich would take from every column alike, and cut the last one off.
        natural = max(len(title), *(len(row[index].text) + 2 * bool(row[index].notes) for row in shown.rows))
        more = min(max(natural - least[index], 0), spare)
        spare -= more
        justify: Literal["left", "right"] = "right" if kind in ("number", "interval") else "left"
        drawn.add_column(title, justify=justify, overflow="fold", width=least[index] + more)
    for row in shown.rows:
        drawn.add_row(*(_cell(cell, named=index < 2) for index, cell in enumerate(row)))
    return drawn


def _cell(cell: ShownCell, named: bool) -> Text:
    from rich.text import Text

    style = TONES.get(cell.tone or "", "dim" if cell.kind == "missing" else "")
    if named and not style:
        style = HUES.get(family(cell.text), "")
    text = Text(cell.text, style=style)
    if cell.notes:
        text.append(" " + ",".join(map(str, cell.notes)), style="dim")
    return text


def _joined(block: str) -> str:
    lines = [line.strip() for line in block.splitlines()]
    return "\n".join(lines) if any(line.startswith("- ") for line in lines) else " ".join(lines)
