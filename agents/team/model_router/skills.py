"""The model router agent: its skills, over routing and the frontier that know nothing of agents."""

from __future__ import annotations

import asyncio

from ...contract import Agent, TaskContext
from ...events import Artifact, DataPart
from . import DESCRIPTION
from .frontier import best, cheapest, pareto
from .models import Assignment, CandidateModel, FrontierPoint, Query, RoutePlan, RouteRequest, Tuned, TuneRequest
from .routing import Ask, Candidate, Outcome, Router, Sweep, spread, synthetic_queries

agent = Agent("model_router", description=DESCRIPTION, version="1")


@agent.skill(read_only=True)
async def route(request: RouteRequest) -> RoutePlan:
    """Assign each query to one of two models by its difficulty; tells cost, expected quality and latency."""
    return await asyncio.to_thread(_route, request)


@agent.skill(read_only=True)
async def tune(request: TuneRequest, task: TaskContext) -> Tuned:
    """Sweep the threshold over sample queries and choose the best under a constraint: at least so good, or at most so dear.

    Emits a point of the artifact `points` for each threshold tried; the result's frontier holds those that none beats.
    """
    sweep = await asyncio.to_thread(_sweep, request)

    # One step per point: a point is small, and what was told before a crash is then told from its record.
    def evaluate(threshold: float) -> FrontierPoint:
        total, strong_count = sweep.at(threshold)
        return FrontierPoint(
            threshold=threshold,
            cost=total.cost,
            quality=total.quality / len(sweep),
            mean_latency_ms=total.latency_ms / len(sweep),
            strong_share=strong_count / len(sweep),
        )

    points = list[FrontierPoint]()
    for threshold in spread(request.thresholds):
        points.append(await task.step("point", evaluate, threshold))
        data = DataPart(data=points[-1].model_dump(mode="json"))
        last = len(points) == request.thresholds
        await task.emit(Artifact(name="points", parts=(data,), append=len(points) > 1, last=last))
        await task.progress(len(points), request.thresholds, f"{len(points)} of {request.thresholds} thresholds")
    return _choose(request, points)


def _route(request: RouteRequest) -> RoutePlan:
    router = _router(request.weak, request.strong, request.policy)
    routed = [router.route(ask, request.threshold) for ask in map(_ask, request.queries)]
    count, cost = len(routed), sum(outcome.cost for _, outcome in routed)
    all_strong = sum(router.strong.answer(_ask(query)).cost for query in request.queries)
    return RoutePlan(
        assignments=[
            _assignment(query, request.strong if strong else request.weak, outcome)
            for query, (strong, outcome) in zip(request.queries, routed, strict=True)
        ],
        cost=cost,
        expected_quality=sum(outcome.quality for _, outcome in routed) / count,
        mean_latency_ms=sum(outcome.latency_ms for _, outcome in routed) / count,
        max_latency_ms=max(outcome.latency_ms for _, outcome in routed),
        strong_share=sum(strong for strong, _ in routed) / count,
        cost_saving=1 - cost / all_strong if all_strong > 0 else 0.0,
    )


def _assignment(query: Query, model: CandidateModel, outcome: Outcome) -> Assignment:
    return Assignment(
        query_id=query.id,
        model=model.name,
        cost=outcome.cost,
        expected_quality=outcome.quality,
        latency_ms=outcome.latency_ms,
    )


def _sweep(request: TuneRequest) -> Sweep:
    if request.synthetic is None:
        asks = [_ask(query) for query in request.queries]
    else:
        asks = synthetic_queries(request.synthetic.seed, request.synthetic.query_count)
    return Sweep(asks, _router(request.weak, request.strong, request.policy))


def _choose(request: TuneRequest, points: list[FrontierPoint]) -> Tuned:
    frontier = pareto(points)
    if request.min_quality is not None:
        chosen = cheapest(frontier, request.min_quality)
        asked = f"of at least {request.min_quality:g} quality"
        reason = f"The cheapest point {asked}." if chosen else f"No point {asked}: the best has {frontier[-1].quality:.4g}."
    else:
        assert request.max_cost is not None, "the model accepts no request without one of the two"
        chosen = best(frontier, request.max_cost)
        asked = f"of at most {request.max_cost:g} dollars"
        reason = f"The best point {asked}." if chosen else f"No point {asked}: the cheapest costs {frontier[0].cost:.4g}."
    return Tuned(frontier=frontier, tried=len(points), chosen=chosen, reason=reason)


def _ask(query: Query) -> Ask:
    return Ask(query.difficulty, query.input_tokens, query.output_tokens)


def _router(weak: CandidateModel, strong: CandidateModel, policy: str) -> Router:
    return Router(_candidate(weak), _candidate(strong), cascade=policy == "cascade")


def _candidate(model: CandidateModel) -> Candidate:
    return Candidate(**model.model_dump(exclude={"name"}))
