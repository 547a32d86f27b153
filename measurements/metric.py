"""A metric: what one folder under measurements/ exports as `METRIC`, and the sections it adds to a report.

::

    measure(bench)      yields raw samples                     (runs servers, taps, faults)
    derive(samples)     gives the rows of report.json          (pure: a report is derived again from the samples)
    present(rows)       gives the sections that a person reads (pure: tables, charts, sentences)
"""

from __future__ import annotations

import pkgutil
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from .samples import Sample

if TYPE_CHECKING:
    from .bench import Bench, Effort

Row = dict[str, Any]


@dataclass(frozen=True)
class Chart:
    """A chart as a Vega-Lite specification (from altair's `Chart.to_dict()`), and what it shows in one sentence."""

    spec: Mapping[str, Any]
    alt: str


Tone = Literal["good", "warn", "bad", "quiet"]


@dataclass(frozen=True)
class Mark:
    """What stands out in one cell: a `tone` (the cell's text must say it too: colour is never the only carrier) and a `note`,
    one sentence that the reports show as a footnote of the table."""

    tone: Tone = "quiet"
    note: str = ""


@dataclass(frozen=True)
class Table:
    """`columns` are (key, heading) pairs; a key missing in a row is shown as "–" with the row's `not_testable` reason.

    The key's suffix is the unit (`_ms`, `_bytes`, `_count`); a pair of numbers under a key that ends in `_ci` is an interval.
    `marks` are keyed by (index of the row, key of the column).
    """

    columns: Sequence[tuple[str, str]]
    rows: Sequence[Row]
    caption: str = ""
    marks: Mapping[tuple[int, str], Mark] = field(default_factory=dict[tuple[int, str], Mark])


@dataclass(frozen=True)
class Section:
    """One part of a report. `text` is plain sentences (Markdown inline marks allowed). One that is `folded` is long: its charts
    and tables stand closed in the page, and a terminal only says that it is there.
    """

    title: str
    text: str
    tables: Sequence[Table] = ()
    charts: Sequence[Chart] = ()
    folded: bool = False


Block = dict[str, Any]
"""What is measured on a fresh server, as JSON: the unit that is never split."""


@dataclass(frozen=True)
class Split:
    """How a metric is cut into rounds of blocks, so that several machines can measure together.

    Shape: `rounds` are those of a plan; what is compared with each other is in one round, which one machine measures unless it
    dies. `cells` are the samples that a block gives, blank. `side_by_side` is how many blocks a machine measures at once; 1
    also means that it measures nothing else meanwhile. Units: `longest_s` is how long a block may take.
    """

    rounds: Callable[[Bench], list[list[Block]]]
    cells: Callable[[Block], list[Sample]]
    measure: Callable[[Bench, Block], AsyncGenerator[Sample]]
    longest_s: Callable[[Effort], float]
    side_by_side: int = 1


@dataclass(frozen=True)
class ByCell:
    """Of a metric that measures only what `Bench.wanted` wants, so that it can go on in the middle, and be measured in part.

    Shape: `blanks` are its cells, a blank sample each; `named` is what a person calls a sample's cell, words with slashes.
    """

    blanks: Callable[[Bench], list[Sample]]
    named: Callable[[Sample], str]


def in_words(text: str, name: str) -> bool:
    """Whether `text` is some words of a cell's name, one after another: `sigkill/any_moment` of `.../sigkill/any_moment`."""
    return f"/{text.strip('/')}/" in f"/{name}/"


@dataclass(frozen=True)
class Metric:
    """Shape: `name` is its key in report.json and in `--only` (with dashes); `order` is its place in the report. One that is
    not `usual` is measured where it is named, or by several machines together; `split` is None where one machine has to do,
    `by_cell` where it is measured as a whole or not at all.
    """

    name: str
    title: str
    order: int
    measure: Callable[[Bench], AsyncGenerator[Sample]]
    derive: Callable[[Sequence[Sample]], list[Row]]
    present: Callable[[Sequence[Row]], Sequence[Section]]
    split: Split | None = None
    usual: bool = True
    by_cell: ByCell | None = None


def metrics() -> dict[str, Metric]:
    """Every metric by name, found by looking into the folders beside this file for a `METRIC`."""
    assert __package__ is not None
    found: list[Metric] = []
    for entry in pkgutil.iter_modules(import_module(__package__).__path__):
        if entry.ispkg:
            folder = import_module(f".{entry.name}", __package__)
            if isinstance(metric := getattr(folder, "METRIC", None), Metric):
                found.append(metric)
    return {metric.name: metric for metric in sorted(found, key=lambda m: m.order)}
