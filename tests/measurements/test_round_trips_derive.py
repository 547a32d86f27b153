"""Round trips from made-up samples: the slope is exact, failures stay out of every series, a swapped label gives no number."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sametask.measurements.roundtrips import METRIC
from sametask.measurements.roundtrips.derive import derive, slope_of, told_apart
from sametask.measurements.roundtrips.present import present
from sametask.measurements.samples import Sample, Status
from sametask.protocols.variants import variants

DELAYS = (0.0, 10.0, 20.0, 40.0)
LINES = {
    "rest": "POST /agents/prefix_cache/skills/plan application/json -> application/json",
    "mcp-http": "POST /mcp application/json -> application/json mcp-protocol-version=2026-07-28 mcp-method=tools/call"
    " jsonrpc=tools/call",
    "mcp-stdio": "stdio tools/call 2026-07-28",
    "mcp-http-2025": "POST /mcp application/json -> text/event-stream mcp-protocol-version=2025-11-25 jsonrpc=tools/call",
    "mcp-stdio-2025": "stdio tools/call 2025-11-25",
    "a2a-grpc": "grpc /lf.a2a.v1.A2AService/SendMessage a2a-version=1.0",
    "a2a-grpc+resume": "grpc /lf.a2a.v1.A2AService/SendMessage a2a-version=1.0 a2a-extensions=urn:sametask:a2a:resume:1",
    "a2a-jsonrpc": "POST /a2a application/json -> application/json a2a-version=1.0 jsonrpc=SendMessage",
    "a2a-http": "POST /a2a/v1/message:send application/json -> application/a2a+json a2a-version=1.0",
    "grpc": "grpc /sametask.prefix_cache.v1.PrefixCache/Plan",
}


def counted(elapsed_ms: float, **changes: Any) -> dict[str, Any]:
    return {
        "elapsed_ms": elapsed_ms,
        "connections_count": 0,
        "requests_count": 1,
        "turns_count": 1,
        "up_bytes": 100,
        "down_bytes": 200,
        "fingerprint": [LINES["rest"]],
        "undecodable": [],
        **changes,
    }


def sample(delay_ms: float, elapsed_ms: float, trial: int = 0, *, flow: str = "warm", variant: str = "rest", **changes: Any):
    values = counted(elapsed_ms, **changes)
    return Sample(metric="round_trips", variant=variant, cell={"flow": flow, "delay_ms": delay_ms}, trial=trial, values=values)


def without(status: Status, reason: str, delay_ms: float = 0.0) -> Sample:
    cell = {"flow": "warm", "delay_ms": delay_ms}
    return Sample(metric="round_trips", variant="rest", cell=cell, status=status, reason=reason)


def series(
    elapsed_ms: Callable[[float], float], noise_ms: tuple[float, ...] = (-0.5, 0.0, 0.5), **changes: Any
) -> list[Sample]:
    return [
        sample(delay, elapsed_ms(delay) + noise, trial, **changes) for delay in DELAYS for trial, noise in enumerate(noise_ms)
    ]


def only(samples: list[Sample]) -> dict[str, Any]:
    [row] = derive(samples)
    return row


@pytest.mark.parametrize("slope", [0.0, 1.0, 2.5, 7.0])
def test_the_slope_of_exact_times_is_the_exact_number(slope: float):
    found, interval = slope_of(DELAYS, [3.0 + slope * delay for delay in DELAYS], np.random.default_rng(0))
    assert found == pytest.approx(slope)
    assert interval == pytest.approx([slope, slope])


def test_the_interval_holds_the_slope_and_widens_with_the_noise():
    quiet, loud = (only(series(lambda d: 5 + 2 * d, (-noise, 0.0, noise), turns_count=2)) for noise in (0.1, 5.0))
    for row in (quiet, loud):
        assert row["slope_round_trips"] == pytest.approx(2.0)
        assert row["slope_ci"][0] < 2.0 < row["slope_ci"][1]
    assert np.ptp(loud["slope_ci"]) > 10 * np.ptp(quiet["slope_ci"])


def test_one_slow_call_does_not_move_the_slope():
    samples = series(lambda d: 5 + d)
    samples[-1] = sample(40.0, 4000.0, 2)
    assert only(samples)["slope_round_trips"] == pytest.approx(1.0)


def test_the_points_are_the_medians_that_the_line_is_fitted_to():
    assert only(series(lambda d: 5 + 2 * d, (-1.0, 0.0, 4.0)))["points"] == [[d, 5 + 2 * d] for d in DELAYS]


def test_two_delays_give_no_slope():
    row = only([each for each in series(lambda d: d) if each.cell["delay_ms"] < 20])
    assert not {"slope_round_trips", "slope_ci", "flagged"} & row.keys()
    assert row["turns_on_wire"] == 1


@pytest.mark.parametrize(("slope", "flagged"), [(1.0, False), (1.24, False), (1.26, True), (0.74, True), (2.0, True)])
def test_two_methods_that_differ_by_more_than_a_quarter_are_flagged(slope: float, flagged: bool):
    assert only(series(lambda d: 5 + slope * d))["flagged"] is flagged


def test_a_turn_more_on_the_wire_than_in_time_is_flagged():
    assert only(series(lambda d: 5 + d, turns_count=2))["flagged"] is True


def test_turns_are_read_at_the_widest_delay_and_the_time_at_the_shortest():
    row = only([sample(delay, 5 + delay, turns_count=2 if delay == 40 else 1) for delay in DELAYS])
    assert (row["turns_on_wire"], row["elapsed_ms"]) == (2, 5.0)


@pytest.mark.parametrize("status", ["failed", "harness_error", "not_testable"])
def test_what_did_not_succeed_enters_no_series(status: Status):
    good = series(lambda d: 5 + d)
    row = only([*good, without(status, "broken"), without(status, "broken", 40.0)])
    same = only(good)
    different = {key for key in row.keys() | same.keys() if row.get(key) != same.get(key)}
    told = {"failed": {"trials", "failed"}, "harness_error": {"harness_errors"}, "not_testable": set()}
    assert different == told[status]
    assert (row["failed"], row.get("harness_errors")) == {"failed": (2, None), "harness_error": (0, 2)}.get(status, (0, None))


def test_without_one_success_there_is_no_number_but_a_reason():
    row = only([without("failed", "ConnectionLost: gone"), without("failed", "ConnectionLost: gone", 10.0)])
    assert row == {
        "variant": "rest", "flow": "warm", "trials": 2, "failed": 2, "not_testable": "ConnectionLost: gone",
    }  # fmt: skip


def test_a_variant_without_a_wire_was_never_tried():
    row = only([without("not_testable", "there is no wire")])
    assert (row["trials"], row["failed"], row["not_testable"]) == (0, 0, "there is no wire")


def test_one_connection_that_could_not_be_read_is_no_evidence():
    samples = series(lambda d: 5 + d)
    samples[5] = sample(10.0, 15.0, undecodable=["TLS"])
    row = only(samples)
    assert row["not_testable"] == "the wire could not be read: TLS"
    assert not {"turns_on_wire", "requests", "bytes_up", "elapsed_ms", "slope_round_trips"} & row.keys()


def test_the_order_of_the_samples_does_not_matter_and_they_are_not_touched():
    samples = [
        *series(lambda d: 5 + d, (-0.7, 0.1, 0.4)),
        *(each.model_copy(update={"variant": "grpc", "values": {**each.values, "fingerprint": [LINES["grpc"]]}})
          for each in series(lambda d: 2 + d)),
    ]  # fmt: skip
    before = copy.deepcopy(samples)
    rows = {row["variant"]: row for row in derive(samples)}
    assert derive(samples) == derive(samples)
    assert samples == before
    for seed in range(3):
        shuffled = random.Random(seed).sample(samples, len(samples))
        assert {row["variant"]: row for row in derive(shuffled)} == rows


def twin(samples: list[Sample]) -> list[Sample]:
    return [each.model_copy(update={"cell": {**each.cell, "null_pair": True}}) for each in samples]


@pytest.mark.parametrize(
    ("slope", "turns", "apart"),
    [(1.0, 1, False), (1.2, 1, False), (1.5, 1, True), (0.6, 1, True), (1.0, 2, True)],
)
def test_a_variant_that_differs_from_itself_is_told(slope: float, turns: int, apart: bool):
    again = twin(series(lambda d: 5 + slope * d, (-0.1, 0.0, 0.1), turns_count=turns))
    once = series(lambda d: 5 + d, (-0.1, 0.0, 0.1))
    [row] = derive([*once, *again])
    pair = row.pop("null_pair")
    assert row == only(once), "the second measurement moves no number of the first"
    assert pair["apart"] is apart
    assert (pair["trials"], pair["turns_on_wire"], pair["slope_round_trips"]) == (12, turns, pytest.approx(slope))


def test_no_variant_is_named_the_first_where_the_null_pair_is_told_apart():
    def told(second: float) -> str:
        fast = series(lambda d: 5 + d)
        slow = [
            each.model_copy(update={"variant": "grpc", "values": {**each.values, "fingerprint": [LINES["grpc"]]}})
            for each in series(lambda d: 5 + 3 * d, turns_count=3)
        ]
        return present(derive([*fast, *slow, *twin(series(lambda d: 5 + second * d))]))[0].text

    assert "`rest` has the fewest" in told(1.0)
    assert "its slopes differ by at most 0.00 in any flow" in told(1.0)
    assert "fewest" not in told(2.0)
    assert "told apart from itself in warm" in told(2.0)


def test_a_difference_within_the_margin_names_nobody():
    row = only(series(lambda d: 5 + d))
    near, far = ({**row, "slope_ci": [low, low + 0.1]} for low in (row["slope_ci"][1] + 0.2, row["slope_ci"][1] + 0.3))
    assert (told_apart(row, near), told_apart(near, row)) == (False, False)
    assert (told_apart(row, far), told_apart(far, row)) == (True, True)
    assert not told_apart(row, {"slope_round_trips": 9.0})


def test_a_start_of_a_process_has_no_slope():
    row = only(series(lambda d: 600.0, flow="cold", variant="mcp-stdio", fingerprint=[LINES["mcp-stdio"]]))
    assert "slope_round_trips" not in row
    assert "start-up" in row["slope_not_testable"]


def test_every_variant_with_a_server_says_what_its_wire_looks_like():
    assert set(LINES) == {name for name, variant in variants().items() if variant.server and not variant.stock_of}


def test_a_stock_row_is_held_to_the_wire_of_the_variant_it_is_compared_with():
    known = variants()
    stock = {name: variant.stock_of for name, variant in known.items() if variant.stock_of}
    assert len(stock) == 5
    for name, compared in stock.items():
        assert known[name].fingerprint == known[compared].fingerprint
        assert (known[name].protocol, known[name].revision) == (known[compared].protocol, known[compared].revision)
        for other, line in LINES.items():
            row = only([sample(0.0, 5.0, variant=name, fingerprint=[line])])
            assert ("not_testable" in row) is (other != compared)


@pytest.mark.parametrize("claimed", LINES)
@pytest.mark.parametrize("spoken", LINES)
def test_a_swapped_label_gives_no_number(claimed: str, spoken: str):
    samples = series(lambda d: 5 + d, variant=claimed, fingerprint=[LINES[claimed]])
    samples[-1] = sample(40.0, 45.0, variant=claimed, fingerprint=[LINES[claimed], LINES[spoken]])
    row = only(samples)
    if claimed == spoken:
        assert row["slope_round_trips"] == pytest.approx(1.0)
    else:
        assert row["not_testable"] == f"this is not {claimed}: the wire carried {LINES[spoken]!r}"
        assert not {"turns_on_wire", "requests", "slope_round_trips", "elapsed_ms"} & row.keys()


@pytest.mark.parametrize(
    ("claimed", "line"),
    [
        ("mcp-http", LINES["mcp-http"].replace("2026-07-28", "2025-11-25")),
        ("mcp-http", "POST /mcp application/json -> application/json jsonrpc=tools/call"),
        ("mcp-stdio", "stdio tools/call"),
        ("mcp-stdio", "stdio tools/call 2025-11-25"),
        ("a2a-grpc", "grpc /lf.a2a.v1.A2AService/SendMessage"),
        ("a2a-grpc", "grpc /a2a.v1.A2AService/SendMessage a2a-version=1.0"),
        ("grpc", "grpc /helloworld.Greeter/SayHello"),
        ("rest", "POST / application/json -> application/json jsonrpc=SendMessage"),
        ("rest", "POST /message:send application/json -> application/json a2a-version=1.0"),
    ],
)
def test_another_revision_or_a_bare_wire_is_not_the_variant(claimed: str, line: str):
    assert "this is not" in only([sample(0.0, 5.0, variant=claimed, fingerprint=[line])])["not_testable"]


def test_a_flow_that_left_no_trace_on_the_wire_was_not_measured():
    row = only([*series(lambda d: 5 + d), sample(0.0, 0.1, fingerprint=[])])
    assert "nothing passed the taps" in row["not_testable"]


def test_an_unknown_variant_cannot_be_checked_and_is_not_believed():
    assert "no variant is called made-up" in only([sample(0.0, 5.0, variant="made-up")])["not_testable"]


def test_the_metric_is_what_the_suite_finds():
    assert (METRIC.name, METRIC.derive) == ("round_trips", derive)
