"""The model router: worked examples, a frontier that only rises, and the threshold that meets its constraint."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sametask.agents import TaskState
from sametask.agents.errors import InvalidInput
from sametask.agents.events import ArtifactEmitted, DataPart, Progress
from sametask.agents.runtime import open_engine
from sametask.agents.team import team
from sametask.agents.team.model_router import agent
from sametask.agents.team.model_router.frontier import best, cheapest, pareto
from sametask.agents.team.model_router.models import FrontierPoint
from sametask.agents.team.model_router.routing import Ask, Candidate, Router, Sweep, spread, synthetic_queries

steady = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Never a verdict on how fast the machine is."""

ROUTE, TUNE = agent.skills["route"], agent.skills["tune"]

WEAK: dict[str, Any] = {
    "input_price": 1.0,
    "output_price": 2.0,
    "easiest_quality": 0.9,
    "hardest_quality": 0.1,
    "first_token_ms": 100.0,
    "ms_per_output_token": 1.0,
}
STRONG: dict[str, Any] = {
    "input_price": 10.0,
    "output_price": 20.0,
    "easiest_quality": 1.0,
    "hardest_quality": 0.8,
    "first_token_ms": 500.0,
    "ms_per_output_token": 10.0,
}
MODELS = {"weak": {"name": "small", **WEAK}, "strong": {"name": "large", **STRONG}}


def queries(*difficulties: float) -> list[dict[str, Any]]:
    return [
        {"id": f"q{index}", "difficulty": difficulty, "input_tokens": 1000, "output_tokens": 100}
        for index, difficulty in enumerate(difficulties)
    ]


async def route(**request: Any) -> dict[str, Any]:
    return await ROUTE(ROUTE.parse({**MODELS, **request}))


async def tuned(request: dict[str, Any]) -> tuple[dict[str, Any], list[Any], list[Progress]]:
    """Shape: the result, the points told on the way, the progress told."""
    async with asyncio.timeout(30), open_engine("sqlite:///:memory:", team()) as engine:
        task = await engine.submit(TUNE, TUNE.parse({**MODELS, **request}))
        told = [event.body async for event in engine.events(task.id)]
        task = await engine.get(task.id)
    assert task.state is TaskState.COMPLETED, task.error
    artifacts = [body.artifact for body in told if isinstance(body, ArtifactEmitted)]
    points = [part.data for artifact in artifacts for part in artifact.parts if isinstance(part, DataPart)]
    return task.result, points, [body for body in told if isinstance(body, Progress)]


async def test_two_queries_by_hand():
    got = await route(queries=queries(0.25, 0.5), threshold=0.5)
    # small: 1000 * $1 + 100 * $2 per million; 0.75 * 0.9 + 0.25 * 0.1; 100 + 100 * 1 ms. large at the threshold itself.
    assert got["assignments"] == [
        {"query_id": "q0", "model": "small", "cost": 0.0012, "expected_quality": pytest.approx(0.7), "latency_ms": 200.0},
        {"query_id": "q1", "model": "large", "cost": 0.012, "expected_quality": pytest.approx(0.9), "latency_ms": 1500.0},
    ]
    assert got["cost"] == pytest.approx(0.0132)
    assert got["expected_quality"] == pytest.approx(0.8)
    assert (got["mean_latency_ms"], got["max_latency_ms"], got["strong_share"]) == (850, 1500, 0.5)
    assert got["cost_saving"] == pytest.approx(1 - 0.0132 / 0.024)


async def test_a_cascade_pays_and_waits_for_both():
    got = await route(queries=queries(0.25, 0.5), threshold=0.5, policy="cascade")
    easy, hard = got["assignments"]
    assert (easy["cost"], easy["latency_ms"]) == (0.0012, 200)
    assert hard == {
        "query_id": "q1",
        "model": "large",
        "cost": pytest.approx(0.0132),
        "expected_quality": pytest.approx(0.9),
        "latency_ms": 1700.0,
    }


@pytest.mark.parametrize(("threshold", "share"), [(0, 1), (1, 1 / 3), (2, 0)])
async def test_the_ends_of_the_threshold(threshold: float, share: float):
    got = await route(queries=queries(0, 0.5, 1), threshold=threshold)
    assert got["strong_share"] == pytest.approx(share)


@pytest.mark.parametrize("policy", ["predictive", "cascade"])
async def test_tune_tells_each_point_and_agrees_with_route(policy: str):
    sample = queries(0.1, 0.2, 0.2, 0.6, 0.9)
    result, points, progress = await tuned({"queries": sample, "thresholds": 6, "min_quality": 0.8, "policy": policy})
    assert [point["threshold"] for point in points] == [0, 0.25, 0.5, 0.75, 1, 2]
    assert [(told.done, told.total) for told in progress] == [(done, 6) for done in range(1, 7)]
    assert result["tried"] == 6
    for point in points:
        plan = await route(queries=sample, threshold=point["threshold"], policy=policy)
        got = (point["cost"], point["quality"], point["mean_latency_ms"], point["strong_share"])
        assert got == pytest.approx((plan["cost"], plan["expected_quality"], plan["mean_latency_ms"], plan["strong_share"]))
    assert all(point in points for point in result["frontier"])


@pytest.mark.parametrize(
    ("constraint", "chosen", "reason"),
    [
        ({"min_quality": 0.8}, 0.5, "The cheapest point of at least 0.8 quality."),
        ({"max_cost": 0.02}, 1.0, "The best point of at most 0.02 dollars."),
        ({"min_quality": 0.99}, None, "No point of at least 0.99 quality: the best has 0.875."),
        ({"max_cost": 0.001}, None, "No point of at most 0.001 dollars: the cheapest costs 0.0048."),
    ],
)
async def test_the_choice_by_hand(constraint: dict[str, float], chosen: float | None, reason: str):
    # Four queries, each $0.0012 or $0.012; quality small 0.7 0.5 0.3 0.1 for 0.25 0.5 0.75 1, large 0.95 0.9 0.85 0.8.
    # thresholds 1, 0.75, 0.5, 0.25: costs 0.0156, 0.0264, 0.0372, 0.048; quality 0.575, 0.7125, 0.8125, 0.875.
    sample = queries(0.25, 0.5, 0.75, 1.0)
    result, _, _ = await tuned({"queries": sample, "thresholds": 6, **constraint})
    assert (result["chosen"] and result["chosen"]["threshold"]) == chosen
    assert result["reason"] == reason


async def test_made_up_queries_are_the_same_for_a_seed():
    request = {"synthetic": {"seed": 3, "query_count": 500}, "min_quality": 0.7}
    first, again, other = [(await tuned({**request, "synthetic": {"seed": seed}}))[0] for seed in (3, 3, 4)]
    assert first == again != other
    made = synthetic_queries(3, 4000)
    assert sum(ask.difficulty for ask in made) / len(made) == pytest.approx(0.4, abs=0.02), "Beta(2, 3) has the mean 2/5"


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"queries": []}, r"queries: .* give at least one query, or synthetic"),
        ({"synthetic": {}}, r"synthetic: .* not both"),
        ({"min_quality": None}, r"min_quality: None is not accepted; give min_quality or max_cost"),
        ({"max_cost": 1}, r"max_cost: 1\.0 is not accepted; min_quality or max_cost is given, not both"),
        ({"queries": queries(0.1) * 2}, r"queries\[1\]\.id: 'q0' is not accepted; an id that no other query has"),
        ({"queries": queries(0.1, 1.1)}, r"queries\[1\]\.difficulty: 1\.1 is not accepted"),
        ({"thresholds": 1}, r"thresholds: 1 is not accepted"),
        ({"policy": "guess"}, r"policy: 'guess' is not accepted"),
        ({"weak": {**MODELS["weak"], "price": 1}}, r"weak\.price: 1 is not accepted"),
    ],
)
def test_bad_input_is_named(changed: dict[str, Any], complaint: str):
    with pytest.raises(InvalidInput, match=complaint):
        TUNE.parse({**MODELS, "queries": queries(0.1), "min_quality": 0.5, **changed})


units = st.floats(0, 1)
prices = st.floats(0, 100)
candidates = st.builds(
    Candidate,
    input_price=prices,
    output_price=prices,
    easiest_quality=units,
    hardest_quality=units,
    first_token_ms=prices,
    ms_per_output_token=prices,
)
asks = st.lists(st.builds(Ask, units, st.integers(0, 5000), st.integers(0, 5000)), min_size=1, max_size=30)


def swept(sample: Sequence[Ask], router: Router, count: int) -> list[FrontierPoint]:
    sweep = Sweep(sample, router)
    found: list[FrontierPoint] = []
    for threshold in spread(count):
        total, strong = sweep.at(threshold)
        n = len(sample)
        found.append(
            FrontierPoint(
                threshold=threshold,
                cost=total.cost,
                quality=total.quality / n,
                mean_latency_ms=total.latency_ms / n,
                strong_share=strong / n,
            )
        )
    return found


@steady
@given(asks, st.builds(Router, candidates, candidates, st.booleans()), st.integers(2, 30), units, prices)
def test_the_frontier_only_rises_and_no_point_beats_it(
    sample: list[Ask], router: Router, count: int, quality: float, cost: float
):
    points = swept(sample, router, count)
    assert len(points) == count
    frontier = pareto(points)
    for cheaper, dearer in pairwise(frontier):
        assert cheaper.cost < dearer.cost
        assert cheaper.quality < dearer.quality
    for point in points:
        assert any(one.cost <= point.cost and one.quality >= point.quality for one in frontier)
    good_enough = [point.cost for point in points if point.quality >= quality]
    chosen = cheapest(frontier, quality)
    assert (chosen.cost if chosen else None) == min(good_enough, default=None)
    affordable = [point.quality for point in points if point.cost <= cost]
    chosen = best(frontier, cost)
    assert (chosen.quality if chosen else None) == max(affordable, default=None)


@steady
@given(asks, st.builds(Router, candidates, candidates, st.booleans()), st.floats(0, 2))
def test_a_sweep_sums_what_each_query_comes_to(sample: list[Ask], router: Router, threshold: float):
    total, strong_count = Sweep(sample, router).at(threshold)
    routed = [router.route(ask, threshold) for ask in sample]
    assert strong_count == sum(strong for strong, _ in routed)
    for name in ("cost", "quality", "latency_ms"):
        assert getattr(total, name) == pytest.approx(sum(getattr(outcome, name) for _, outcome in routed))
