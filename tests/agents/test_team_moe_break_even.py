"""The mixture-of-experts agent: formulae against worked examples and enumeration, break-evens where the curves cross."""

from __future__ import annotations

import math
from itertools import combinations, product
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sametask.agents.errors import InvalidInput
from sametask.agents.team.moe_break_even import agent
from sametask.agents.team.moe_break_even.crossing import crossings
from sametask.agents.team.moe_break_even.roofline import Dense, Hardware, Mixture, step_s, token_cost

steady = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Never a verdict on how fast the machine is."""

ESTIMATE = agent.skills["estimate"]


def request_of(**changed: Any) -> dict[str, Any]:
    """Shared 8e9 + 4 experts of 8e9 each, one per token; against 20e9 dense. Keys like `moe__gpus` change a field."""
    request: dict[str, Any] = {
        "moe": {"total_params": 40e9, "active_params": 16e9, "experts": 4, "experts_per_token": 1, "gpus": 1},
        "dense": {"params": 20e9, "gpus": 1},
        "gpu": {"memory_bandwidth_bytes_per_s": 1e12, "flops_per_s": 1e14, "memory_bytes": 100e9, "price_per_hour": 3.6},
        "concurrency": 1,
    }
    for name, value in changed.items():
        where, _, field = name.rpartition("__")
        (request[where] if where else request)[field] = value
    return request


async def estimate(**changed: Any) -> dict[str, Any]:
    return await ESTIMATE(ESTIMATE.parse(request_of(**changed)))


@pytest.mark.parametrize(("experts", "per_token", "batch"), [(4, 1, 3), (4, 2, 2), (5, 3, 2), (3, 1, 5)])
def test_expected_distinct_experts_by_enumeration(experts: int, per_token: int, batch: int):
    choices = list(combinations(range(experts), per_token))
    outcomes = [len(set().union(*chosen)) for chosen in product(choices, repeat=batch)]
    mixture = Mixture(
        total_params=100, active_params=90, experts=experts, experts_per_token=per_token, imbalance=1, bytes_per_param=2, gpus=1
    )
    assert mixture.distinct_experts(batch) == pytest.approx(sum(outcomes) / len(outcomes))


async def test_one_sequence_by_hand():
    got = await estimate()
    # It reads 16e9 parameters of 2 bytes at 1e12 bytes/s: 32 ms; 2 * 16e9 operations at 1e14/s: 0.32 ms. Dense: 40 and 0.4 ms.
    assert (got["moe"]["memory_ms"], got["moe"]["compute_ms"]) == pytest.approx((32, 0.32))
    assert (got["dense"]["memory_ms"], got["dense"]["compute_ms"]) == pytest.approx((40, 0.4))
    assert got["moe"]["bound"] == got["dense"]["bound"] == "memory"
    assert got["expected_experts"] == pytest.approx(1)
    assert got["active_fraction"] == pytest.approx(0.4)
    assert got["ridge_flops_per_byte"] == pytest.approx(100)
    # 3.6 dollars an hour are 0.001 a second: 32 ms a token cost 32 dollars per million.
    assert got["moe"]["cost_per_million_tokens"] == pytest.approx(32)
    assert got["moe"]["tokens_per_dollar"] == pytest.approx(1e6 / 32)
    assert (got["cheaper"], got["cost_ratio"]) == ("moe", pytest.approx(0.8))


async def test_many_sequences_by_hand():
    got = await estimate(concurrency=1000, moe__imbalance=1.5)
    # All experts are read: 80 ms. Computed: 2 * 1000 * (8e9 + 1.5 * 8e9) / 1e14 = 400 ms; without imbalance 320 ms.
    assert got["moe"]["memory_ms"] == pytest.approx(80)
    assert got["moe"]["compute_ms"] == got["moe"]["step_ms"] == pytest.approx(400)
    assert got["imbalance_penalty_ms"] == pytest.approx(80)
    assert got["moe"]["bound"] == "compute"
    assert got["cheaper"] == "tie", "2 * 1000 * 20e9 / 1e14 is 400 ms for the dense model, too"


async def test_it_wins_with_one_loses_with_some_and_wins_with_many():
    got = await estimate()
    assert [crossing["cheaper_above"] for crossing in got["crossings"]] == ["dense", "moe"]
    # Above, the dense model is bound by compute, 0.4 ms a sequence, and the mixture by memory, 80 ms: they meet at 200.
    assert got["break_even_concurrency"] == pytest.approx(200, rel=1e-6)
    assert (got["cheaper_below"], got["cheaper_above"]) == ("dense", "moe")
    # Below, 16e9 + 32e9 * (1 - 0.75^B) parameters are as many as 20e9 where 8 + 32 * (1 - 0.75^B) = 20.
    assert got["crossings"][0]["concurrency"] == pytest.approx(math.log(1 - 12 / 32) / math.log(0.75), rel=1e-6)


@pytest.mark.parametrize(
    ("changed", "winner", "reason"),
    [
        ({"dense__params": 45e9}, "moe", "the mixture of experts is the cheaper one all the way up to 65536"),
        ({"dense__params": 5e9}, "dense", "the dense model is the cheaper one all the way"),
    ],
)
async def test_no_break_even_says_so(changed: dict[str, Any], winner: str, reason: str):
    got = await estimate(**changed)
    assert got["break_even_concurrency"] is None
    assert got["crossings"] == []
    assert got["cheaper_below"] == got["cheaper_above"] == winner
    assert "no break-even" in got["reason"]
    assert reason in got["reason"]


async def test_more_gpus_weigh_on_the_overhead_alone():
    alone, many = await estimate(), await estimate(moe__gpus=8)
    assert many["moe"]["cost_per_million_tokens"] == pytest.approx(alone["moe"]["cost_per_million_tokens"])
    alone, many = await estimate(moe__step_overhead_ms=10), await estimate(moe__gpus=8, moe__step_overhead_ms=10)
    # (32 + 10) ms on one GPU; 8 * (4 + 10) ms on eight.
    assert alone["moe"]["cost_per_million_tokens"] == pytest.approx(42)
    assert many["moe"]["cost_per_million_tokens"] == pytest.approx(112)


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"moe__experts_per_token": 4}, r"moe\.experts_per_token: 4 is not accepted; 1 to experts - 1, which is 3"),
        ({"moe__active_params": 50e9}, r"moe\.active_params: 5.*below total_params = 4e\+10"),
        ({"moe__active_params": 9e9}, r"moe\.active_params: 9.*at least .* = 1e\+10"),
        ({"dense__params": 51e9}, r"dense\.gpus: 1 is not accepted; as many GPUs as hold 1\.02e\+11 bytes of weights"),
        ({"moe__total_params": 60e9}, r"moe\.gpus: 1 is not accepted"),
        ({"concurrency": 1e6}, r"concurrency: 1000000\.0 is not accepted; 1 to max_concurrency, which is 65536"),
        ({"moe__imbalance": 0.9}, r"moe\.imbalance: 0\.9 is not accepted; input should be greater than or equal to 1"),
        ({"moe__imbalance": math.nan}, r"moe\.imbalance: nan is not accepted"),
        ({"gpu__flops_per_s": 0}, r"gpu\.flops_per_s: 0 is not accepted"),
        ({"moe__active": 1}, r"moe\.active: 1 is not accepted"),
    ],
)
def test_bad_input_is_named(changed: dict[str, Any], complaint: str):
    with pytest.raises(InvalidInput, match=complaint):
        ESTIMATE.parse(request_of(**changed))


def test_crossings_of_curves_that_touch_or_are_equal():
    assert crossings(lambda x: 0, 1, 100) == []
    assert crossings(lambda x: 0 if 10 < x < 20 else 1, 1, 100) == [], "it touches, and does not cross"
    ((at, behind),) = crossings(lambda x: -1 if x < 10 else 0 if x < 20 else 1, 1, 100)
    assert 10 <= at <= 20
    assert behind == 1
    assert crossings(lambda x: 1, 1, 1) == []


@st.composite
def deployments(draw: st.DrawFn) -> tuple[Mixture, Dense, Hardware, dict[str, Any]]:
    experts = draw(st.integers(2, 256))
    per_token = draw(st.integers(1, experts - 1))
    total = draw(st.floats(1e9, 1e12))
    share = per_token / experts
    active = total * (share + (1 - share) * draw(st.floats(0.001, 0.9)))
    imbalance, dense_params = draw(st.floats(1, 4)), draw(st.floats(1e9, 1e12))
    overheads = draw(st.sampled_from([0.0, 3.0])), draw(st.sampled_from([0.0, 1.0]))
    kv = draw(st.sampled_from([0.0, 1e8]))
    gpus = draw(st.integers(1, 64)), draw(st.integers(1, 64))
    bandwidth, flops = draw(st.floats(1e11, 1e13)), draw(st.floats(1e13, 1e16))
    mixture = Mixture(
        total_params=total,
        active_params=active,
        experts=experts,
        experts_per_token=per_token,
        imbalance=imbalance,
        bytes_per_param=2,
        gpus=gpus[0],
        kv_bytes=kv,
        overhead_s=overheads[0] / 1000,
    )
    dense = Dense(params=dense_params, bytes_per_param=2, gpus=gpus[1], kv_bytes=kv, overhead_s=overheads[1] / 1000)
    request = request_of(
        moe__total_params=total,
        moe__active_params=active,
        moe__experts=experts,
        moe__experts_per_token=per_token,
        moe__imbalance=imbalance,
        moe__gpus=gpus[0],
        moe__kv_bytes_per_sequence=kv,
        moe__step_overhead_ms=overheads[0],
        dense__params=dense_params,
        dense__gpus=gpus[1],
        dense__kv_bytes_per_sequence=kv,
        dense__step_overhead_ms=overheads[1],
        gpu__memory_bandwidth_bytes_per_s=bandwidth,
        gpu__flops_per_s=flops,
        gpu__memory_bytes=1e15,
    )
    return mixture, dense, Hardware(bandwidth=bandwidth, flops=flops, price_per_hour=3.6), request


@steady
@given(deployments(), st.floats(1, 65_536))
async def test_the_break_even_is_where_the_curves_cross(made: tuple[Mixture, Dense, Hardware, dict[str, Any]], batch: float):
    mixture, dense, gpu, request = made
    got = await ESTIMATE(ESTIMATE.parse({**request, "concurrency": batch}))
    places = [crossing["concurrency"] for crossing in got["crossings"]]
    assert places == sorted(places)
    assert got["break_even_concurrency"] == (places[-1] if places else None)
    for crossing in got["crossings"]:
        at = crossing["concurrency"]
        assert token_cost(mixture, at, gpu) == pytest.approx(token_cost(dense, at, gpu), rel=1e-6)
        assert crossing["cost_per_million_tokens"] == pytest.approx(1e6 * token_cost(dense, at, gpu), rel=1e-6)
    # The winner at any other place is the one that the crossings around it tell.
    ratio = token_cost(mixture, batch, gpu) / token_cost(dense, batch, gpu)
    assert got["cost_ratio"] == pytest.approx(ratio)
    assume(abs(ratio - 1) > 0.01)
    winner = "moe" if ratio < 1 else "dense"
    assert got["cheaper"] == winner
    below = [crossing["cheaper_above"] for crossing in got["crossings"] if crossing["concurrency"] <= batch]
    if below:
        assert winner == below[-1]
    elif places:
        assert winner != got["crossings"][0]["cheaper_above"]
    else:
        assert winner == got["cheaper_above"] == got["cheaper_below"]


@steady
@given(deployments(), st.floats(1, 65_536), st.floats(1, 3))
async def test_more_traffic_costs_less_a_token_and_imbalance_never_less(
    made: tuple[Mixture, Dense, Hardware, dict[str, Any]], batch: float, more: float
):
    mixture, dense, gpu, _ = made
    for deployment in (mixture, dense):
        assert token_cost(deployment, batch * more, gpu) <= token_cost(deployment, batch, gpu) * (1 + 1e-9)
    assert step_s(mixture.balanced(), batch, gpu) <= step_s(mixture, batch, gpu)
    assert 0 < mixture.distinct_experts(batch) <= mixture.experts
