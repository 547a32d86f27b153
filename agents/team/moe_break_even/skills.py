"""The mixture-of-experts agent: its skill, over the roofline that knows nothing of agents."""

from __future__ import annotations

from ...contract import Agent
from . import DESCRIPTION
from .crossing import crossings, sign
from .models import Crossing, Estimate, EstimateRequest, Terms, Winner
from .roofline import Dense, Deployment, Hardware, Mixture, compute_s, memory_s, step_s, token_cost

agent = Agent("moe_break_even", description=DESCRIPTION, version="1")

_NAMES: dict[Winner, str] = {"moe": "the mixture of experts", "dense": "the dense model", "tie": "neither"}


@agent.skill(read_only=True)
async def estimate(request: EstimateRequest) -> Estimate:
    """Compare a mixture-of-experts deployment with a dense one at the same traffic: cost per token, the terms that decide
    it, and the concurrency at which the cheaper one changes.
    """
    moe, dense, gpu = _mixture(request), _dense(request), _hardware(request)

    def difference(batch: float) -> int:
        return sign(token_cost(moe, batch, gpu), token_cost(dense, batch, gpu))

    def winner(found: int) -> Winner:
        return "moe" if found < 0 else "dense" if found > 0 else "tie"

    def opposite(found: int) -> Winner:
        return winner(-found)

    crossed = crossings(difference, 1.0, request.max_concurrency)
    batch = request.concurrency
    if crossed:
        below, above = opposite(crossed[-1][1]), winner(crossed[-1][1])
    else:
        # A tie at one end of the range is no crossing; what holds elsewhere is what is told.
        signs = [difference(at) for at in (1.0, batch, request.max_concurrency)]
        below = above = winner(next((found for found in signs if found), 0))
    moe_terms, dense_terms = _terms(moe, batch, gpu), _terms(dense, batch, gpu)
    touched = moe.distinct_experts(batch)
    return Estimate(
        cheaper=winner(difference(batch)),
        cost_ratio=token_cost(moe, batch, gpu) / token_cost(dense, batch, gpu),
        moe=moe_terms,
        dense=dense_terms,
        expected_experts=touched,
        active_fraction=moe.active_params / moe.total_params,
        imbalance_penalty_ms=1000 * (step_s(moe, batch, gpu) - step_s(moe.balanced(), batch, gpu)),
        ridge_flops_per_byte=gpu.flops / gpu.bandwidth,
        break_even_concurrency=crossed[-1][0] if crossed else None,
        cheaper_below=below,
        cheaper_above=above,
        crossings=[
            Crossing(
                concurrency=at,
                cost_per_million_tokens=1e6 * token_cost(moe, at, gpu),
                tokens_per_s=at / step_s(moe, at, gpu),
                cheaper_above=winner(behind),
            )
            for at, behind in crossed
        ],
        reason=_reason(request, [at for at, _ in crossed], below, above, touched, moe_terms, dense_terms),
    )


def _mixture(request: EstimateRequest) -> Mixture:
    moe = request.moe
    return Mixture(
        total_params=moe.total_params,
        active_params=moe.active_params,
        experts=moe.experts,
        experts_per_token=moe.experts_per_token,
        imbalance=moe.imbalance,
        bytes_per_param=request.bytes_per_param,
        gpus=moe.gpus,
        kv_bytes=moe.kv_bytes_per_sequence,
        overhead_s=moe.step_overhead_ms / 1000,
    )


def _dense(request: EstimateRequest) -> Dense:
    dense = request.dense
    return Dense(
        params=dense.params,
        bytes_per_param=request.bytes_per_param,
        gpus=dense.gpus,
        kv_bytes=dense.kv_bytes_per_sequence,
        overhead_s=dense.step_overhead_ms / 1000,
    )


def _hardware(request: EstimateRequest) -> Hardware:
    gpu = request.gpu
    return Hardware(bandwidth=gpu.memory_bandwidth_bytes_per_s, flops=gpu.flops_per_s, price_per_hour=gpu.price_per_hour)


def _terms(of: Deployment, batch: float, gpu: Hardware) -> Terms:
    memory, compute, step, cost = (f(of, batch, gpu) for f in (memory_s, compute_s, step_s, token_cost))
    weight_bytes, flops = of.weight_bytes(batch), of.flops(batch)
    return Terms(
        memory_ms=1000 * memory,
        compute_ms=1000 * compute,
        overhead_ms=1000 * of.overhead_s,
        step_ms=1000 * step,
        bound="compute" if compute > memory else "memory",
        weight_bytes=weight_bytes,
        flops=flops,
        arithmetic_intensity=flops / (weight_bytes + batch * of.kv_bytes),
        tokens_per_s=batch / step,
        tokens_per_dollar=1 / cost,
        cost_per_million_tokens=1e6 * cost,
    )


def _reason(
    request: EstimateRequest, crossed: list[float], below: Winner, above: Winner, touched: float, moe: Terms, dense: Terms
) -> str:
    where = (
        f"at {request.concurrency:g} concurrent sequences the mixture of experts is bound by {moe.bound} and touches "
        f"{touched:.3g} of {request.moe.experts} experts a layer, and the dense model is bound by {dense.bound}"
    )
    top = f"{request.max_concurrency:g} concurrent sequences"
    if not crossed:
        everywhere = "both cost the same" if above == "tie" else f"{_NAMES[above]} is the cheaper one"
        return f"There is no break-even: {everywhere} all the way up to {top}; {where}."
    start = f"from {crossed[-2]:.4g} to" if len(crossed) > 1 else "up to"
    return (
        f"Here {_NAMES[below]} is the cheaper one {start} {crossed[-1]:.4g} and {_NAMES[above]} from there to {top}; {where}."
    )
