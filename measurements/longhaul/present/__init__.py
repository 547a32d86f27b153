"""What each protocol loses when the connection or the server breaks in mid-task, told by the rows alone."""

from __future__ import annotations

from collections.abc import Sequence

from ...metric import Row, Section
from . import matrix, paragraphs, tables, times
from .words import in_order, method, sureness

LONG = 40
"""Rows above which a table is not printed in a terminal, and stands closed in the page."""
MANY = 8
"""Variants above which their paragraphs are not printed in a terminal."""


def present(rows: Sequence[Row]) -> Sequence[Section]:
    """The matrix and a row for each variant and client, a paragraph for each variant, the times, and then every cell."""
    rows = in_order(rows)
    many = len({row["variant"] for row in rows}) > MANY
    sections = [
        Section("What became of the task", method(rows) + sureness(rows), [tables.scores(rows)], matrix.charts_of(rows)),
        Section("What each variant lost, and what it took to go on", paragraphs.text(rows), folded=many),
    ]
    if timed := times.table(rows):
        sections.append(Section("How long it took", times.TEXT, [timed], times.charts_of(rows), len(timed.rows) > LONG))
    every = [tables.outcomes(rows), *tables.events(rows), *tables.costs(rows)]
    sections.append(Section("Every cell", tables.TEXT, every, folded=sum(len(each.rows) for each in every) > LONG))
    return sections
