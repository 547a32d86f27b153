"""The specimens are run against real servers; what fails, or answers wrongly, is not counted."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from sametask.measurements.bench import SUITES, Bench
from sametask.measurements.integration import METRIC
from sametask.measurements.integration.derive import cost_line, derive
from sametask.measurements.integration.measure import measure
from sametask.measurements.integration.reference import answers, difference
from sametask.measurements.integration.running import UntypedResult, plain
from sametask.measurements.integration.sources import AGENTS, Specimen, specimens
from sametask.measurements.metric import metrics
from sametask.measurements.samples import Sample
from sametask.protocols.variants import Variant, variants

ALL = {specimen.label: specimen for specimen in specimens()}
PROBE = ("sametask.measurements.probe:agent",)


def _bench(tmp_path: Path, *chosen: Variant) -> Bench:
    return Bench(chosen, SUITES["quick"], seed=0, scratch=tmp_path)


async def _all(samples: AsyncIterator[Sample]) -> list[Sample]:
    return [sample async for sample in samples]


@pytest.fixture
def changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str]], Specimen]:
    """The bespoke REST specimen with other text in some of its files."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def change(files: dict[str, str]) -> Specimen:
        original = ALL["rest"]
        shutil.copytree(original.folder.parent, tmp_path / "changed_specimens")
        folder = tmp_path / "changed_specimens" / original.folder.name
        for name, text in files.items():
            (folder / name).write_text(text)
        return replace(original, package=f"changed_specimens.{folder.name}", folder=folder)

    return change


async def test_every_specimen_runs_answers_rightly_and_is_counted(tmp_path: Path) -> None:
    samples = await _all(METRIC.measure(_bench(tmp_path, *variants().values())))
    failed = [
        f"{sample.cell['specimen']}: {sample.reason}" for sample in samples if sample.status in ("failed", "harness_error")
    ]
    assert failed == []
    rows = {row["variant"]: row for row in METRIC.derive(samples)}
    assert set(ALL) <= set(rows)
    for label, specimen in ALL.items():
        row = rows[label]
        assert (row["guarantee"], row["side"], row["server"]) == ("G1", "consumer", specimen.variant)
        assert (row["agents"], row["trials"], row["failed"]) == (list(AGENTS), len(AGENTS), 0)
        assert row["fixed_lines"] == specimen.shared().lines
        assert row["marginal_lines_by_agent"] == {agent: specimen.of_agent(agent).lines for agent in AGENTS}
        assert row["generated_lines"] == specimen.generated_lines()
    assert all("fixed_lines" not in row and row["not_testable"] for name, row in rows.items() if name not in ALL)
    [section] = METRIC.present(list(rows.values()))
    assert all(f"`{label}`" in section.text for label in ALL)


async def test_wrong_untyped_and_raising_calls_are_not_counted(
    tmp_path: Path, changed: Callable[[dict[str, str]], Specimen]
) -> None:
    right = (ALL["rest"].folder / "prefix_cache.py").read_text()
    specimen = changed(
        {
            "prefix_cache.py": right.replace("layers=32", "layers=33"),
            "moe_break_even.py": "async def main(client): raise KeyError('no such thing')",
        }
    )
    samples = await _all(measure(_bench(tmp_path, variants()["rest"]), [specimen]))
    by_part = {sample.cell["part"]: sample for sample in samples}
    assert {part: sample.status for part, sample in by_part.items()} == {
        "shared": "ok",
        "prefix_cache": "failed",
        "moe_break_even": "failed",
        "model_router": "ok",
    }
    assert by_part["prefix_cache"].reason.startswith("prefix_cache: answer.bytes_per_token is ")
    assert "KeyError: 'no such thing'" in by_part["moe_break_even"].reason
    assert all(not sample.values for sample in samples if sample.status == "failed")
    [row] = derive(samples)
    assert (row["agents"], row["trials"], row["failed"]) == (["model_router"], 1, 2)
    assert row["marginal_lines"] == ALL["rest"].of_agent("model_router").lines
    assert len(row["failures"]) == 2


BROKEN = {
    "does_not_import": ("connection.py", "import no_such_library", "ModuleNotFoundError"),
    "ends_its_process": ("connection.py", "import os\nos._exit(3)", "ended with code 3"),
    "does_not_connect": ("connection.py", "def connect(url): raise OSError('nobody there')", "OSError: nobody there"),
}


@pytest.mark.parametrize("how", BROKEN)
async def test_a_specimen_that_crashes_has_failed(
    how: str, tmp_path: Path, changed: Callable[[dict[str, str]], Specimen]
) -> None:
    file, text, reason = BROKEN[how]
    await _expect_failed(tmp_path, changed({file: text}), reason)


async def test_a_specimen_that_hangs_has_failed(
    tmp_path: Path, changed: Callable[[dict[str, str]], Specimen], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("sametask.measurements.integration.measure"), "SPECIMEN_TIMEOUT_S", 0.5)
    hanging = changed({"prefix_cache.py": "import asyncio\nasync def main(client): await asyncio.Event().wait()"})
    await _expect_failed(tmp_path, hanging, "did not end within 0.5 s")


async def _expect_failed(tmp_path: Path, specimen: Specimen, reason: str) -> None:
    samples = await _all(measure(_bench(tmp_path, variants()["rest"]), [specimen]))
    assert [sample.status for sample in samples] == ["failed"] * (1 + len(AGENTS))
    assert all(reason in sample.reason for sample in samples), samples[0].reason
    [row] = derive(samples)
    assert "fixed_lines" not in row
    assert reason in row["not_testable"]


@pytest.mark.parametrize("name", [name for name, variant in variants().items() if variant.stock_of])
async def test_a_stock_row_is_answered_by_the_very_code_of_what_it_is_compared_with(tmp_path: Path, name: str) -> None:
    variant = variants()[name]
    [told] = await _all(METRIC.measure(_bench(tmp_path, variant)))
    assert (told.status, told.reason) == ("not_testable", f"the consumer's code is that of {variant.stock_of}, line by line")
    specimen = replace(ALL[variant.stock_of], variant=name)
    samples = await _all(measure(_bench(tmp_path, variant), [specimen]))
    assert [(sample.status, sample.reason) for sample in samples] == [("ok", "")] * (1 + len(AGENTS))


async def test_a_variant_whose_library_is_not_installed_says_so(tmp_path: Path) -> None:
    absent = replace(variants()["stock-fastmcp"], needs=("no_such_library",))
    [told] = await _all(METRIC.measure(_bench(tmp_path, absent)))
    assert (told.status, told.reason) == ("not_testable", absent.missing)


async def test_a_refused_call_raises_in_every_specimen(tmp_path: Path) -> None:
    """Against a server that has none of the agents: nobody may take the refusal for an answer."""
    samples = await _all(measure(_bench(tmp_path, *variants().values()), agents=PROBE))
    failed = {sample.cell["specimen"] for sample in samples if sample.status == "failed"}
    assert failed == set(ALL)
    assert not [sample for sample in samples if sample.status in ("ok", "harness_error")]


async def test_only_specimens_of_the_variants_asked_for_are_run(tmp_path: Path) -> None:
    samples = await _all(METRIC.measure(_bench(tmp_path, variants()["rest"], variants()["inproc"])))
    assert {sample.cell["specimen"] for sample in samples} == {"rest", "rest-openapi", "inproc"}
    assert [sample.reason for sample in samples if sample.status == "not_testable"] == [
        "it is called in the same process: there is nothing to integrate"
    ]


async def test_a_server_that_does_not_come_up_is_our_fault_and_a_variant_without_specimen_is_told(tmp_path: Path) -> None:
    missing = replace(variants()["rest"], name="no-such-variant")
    specimen = replace(ALL["rest"], variant=missing.name)
    samples = await _all(measure(_bench(tmp_path, missing), [specimen]))
    assert [sample.status for sample in samples] == ["harness_error"]
    samples = await _all(measure(_bench(tmp_path, missing), []))
    assert [(sample.status, sample.reason) for sample in samples] == [("not_testable", "no specimen has been written for it")]
    [row] = derive(samples)
    assert row["failed"] == 0


@pytest.mark.parametrize(
    ("wanted", "got", "where"),
    [
        ({"a": 3}, {"a": 3.0}, ""),
        ({"a": 3}, {"a": 4}, "answer.a is 4 instead of 3"),
        ({"a": 1}, {"a": True}, "answer.a is True instead of 1"),
        ({"a": None}, {}, "answer.a is missing"),
        ({}, {"a": None}, "answer.a is not asked for"),
        ({"a": [1, 2]}, {"a": [1]}, "answer.a has 1 items instead of 2"),
        ({"a": [{"b": 1}]}, {"a": [{"b": "1"}]}, "answer.a[0].b is '1' instead of 1"),
        ([1, 2], {"a": 1}, "answer is {'a': 1} instead of [1, 2]"),
        (True, True, ""),
    ],
)
def test_an_answer_is_compared_exactly_and_numbers_by_value(wanted: Any, got: Any, where: str) -> None:
    assert difference(wanted, got) == where


async def test_the_right_answers_tell_more_than_defaults() -> None:
    right = await answers()
    assert right["prefix_cache"]["sequences"] > 0
    assert right["moe_break_even"]["crossings"], "a list of objects, and a number that may be null"
    assert {assignment["model"] for assignment in right["model_router"]["assignments"]} == {"small", "large"}


def test_only_typed_results_count_as_results() -> None:
    from sametask.proto.moe_break_even_pb2 import WINNER_MOE, Crossing, Estimate

    @dataclass
    class Typed:
        blocks: int

    assert plain(Typed(3)) == {"blocks": 3}
    estimate = plain(Estimate(cheaper=WINNER_MOE, crossings=[Crossing(concurrency=2.0)]))
    assert (estimate["cheaper"], estimate["crossings"][0]["concurrency"]) == ("moe", 2.0)
    assert estimate["break_even_concurrency"] is None
    for untyped in ({"blocks": 3}, None, Typed):
        with pytest.raises(UntypedResult):
            plain(untyped)


def test_the_cost_line_is_the_least_squares_line() -> None:
    row = cost_line(10, {"a": 4, "b": 6, "c": 8})
    assert (row["fixed_lines"], row["marginal_lines"], row["marginal_lines_range"]) == (10, 6, [4, 8])
    # Over the 8 sets, the squared residuals are 4 for {a}, {c}, {a, b} and {b, c}, and 0 for the others.
    assert row["residual_lines"] == round(2**0.5, 2)
    assert cost_line(10, {"a": 4})["residual_lines"] == 0


def test_the_metric_is_found() -> None:
    assert metrics()["integration_code"] is METRIC
