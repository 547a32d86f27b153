"""The durable benchmark: its verdicts follow from the figures, and a cell that fails compares nothing."""

from __future__ import annotations

import pytest
from sametask.measurements.timing import durable
from sametask.measurements.timing.durable import Figures, table

GOOD = {
    "run": {"p50_ms": 0.3},
    "run again": {"p50_ms": 0.31},
    "submit": {"p50_ms": 0.5},
    "dbos": {"p50_ms": 4.0},
    "loaded": {"tasks_per_s": 3000.0, "cpu_ms_per_task": 0.3},
    "replay": {"replay_ms": 2.0, "record_ms": 400.0},
    "waiting": {"mib": 50.0, "idle_percent": 0.2, "answer_p50_ms": 1.0},
    "cancel": {"stopped_p50_ms": 0.4, "told_p50_ms": 0.9},
}


def figures(**changed: dict[str, float]) -> list[Figures]:
    cells = {name: values | changed.get(name.replace(" ", "_"), {}) for name, values in GOOD.items()}
    return [Figures(number, name, values) for number in range(5) for name, values in cells.items()]


def test_every_bound_holds_where_it_does():
    text, whole = table(figures(), 0)
    assert whole
    assert text.count(": yes") == 5
    assert ": no" not in text


@pytest.mark.parametrize(
    "changed",
    [
        {"run": {"p50_ms": 0.5}},
        {"dbos": {"p50_ms": 2.0}},
        {"loaded": {"tasks_per_s": 2400.0}},
        {"replay": {"replay_ms": 21.0}},
        {"waiting": {"mib": 65.0}},
        {"waiting": {"idle_percent": 2.5}},
    ],
    ids=lambda changed: str(changed),
)
def test_one_that_does_not_is_said(changed):
    text, whole = table(figures(**changed), 0)
    assert not whole
    assert text.count(": no") == 1
    assert text.count(": yes") == 4


def test_without_its_rival_the_ratio_is_not_measured():
    text, whole = table([each for each in figures() if each.cell != "dbos"], 0)
    assert whole
    assert "dbos : run  not measured; it needs sametask[distributed]" in text


async def test_a_cell_measures_in_a_process_of_its_own():
    assert (await durable._process("cancel"))["stopped_p50_ms"] > 0
    with pytest.raises(RuntimeError, match=r"nosuch: ended with 1: .*KeyError"):
        await durable._process("nosuch")
