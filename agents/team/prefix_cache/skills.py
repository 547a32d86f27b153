"""The prefix cache agent: its skills, over the cache and the replay that know nothing of agents."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import islice

from ...contract import Agent, Question, TaskContext
from ...errors import InvalidInput
from ...events import Artifact, DataPart
from . import DESCRIPTION
from .blocks import ELEMENT_BYTES, bytes_per_token, heads_per_gpu
from .models import CacheReport, Capacity, HitRatePoint, Plan, PlanRequest, SimulateRequest
from .replay import Counts, Prompt, Replay, distinct_blocks
from .synthetic import Workload, synthetic_trace

MAX_BLOCKS = 10_000_000
"""The blocks of all prompts of a made-up trace together: it is held in memory (about 100 bytes a block)."""

CATCH_UP_REQUESTS = 1000
"""Requests made up or served again at a time, so that a cancel is heard in between."""

agent = Agent("prefix_cache", description=DESCRIPTION, version="1")


@agent.skill(read_only=True)
async def plan(request: PlanRequest) -> Plan:
    """How many blocks and tokens of context fit into the memory set aside for a model's KV cache."""
    heads = heads_per_gpu(request.kv_heads, request.tensor_parallel)
    if heads is None:
        raise InvalidInput(
            "tensor_parallel", request.tensor_parallel, f"a divisor or a multiple of kv_heads, which is {request.kv_heads}"
        )
    token_bytes = bytes_per_token(request.layers, heads, request.head_dim, ELEMENT_BYTES[request.dtype])
    block_bytes = token_bytes * request.block_tokens
    blocks, unused = divmod(request.memory_bytes, block_bytes)
    sequences = None
    if request.sequence_tokens is not None:
        # A sequence's last block is its own even where it is not full.
        sequences = blocks // -(-request.sequence_tokens // request.block_tokens)
    return Plan(
        bytes_per_token=token_bytes,
        bytes_per_block=block_bytes,
        blocks=blocks,
        context_tokens=blocks * request.block_tokens,
        unused_bytes=unused,
        sequences=sequences,
    )


@agent.skill(read_only=True)
async def simulate(request: SimulateRequest, task: TaskContext) -> CacheReport:
    """Replay a request trace through a prefix cache: block hit rate, tokens saved, evictions, and the hit rate over time.

    Tells progress and emits a point of the artifact `hit_rate` after each slice of the trace. May ask once, where `confirm`
    is set and the distinct blocks exceed the capacity: evict, or grow.
    """
    # What is recorded is each slice's counts since the start (some hundred bytes), never the cache (up to millions of
    # blocks): the replay is deterministic and costs seconds, so after a crash recorded slices are told from their record
    # and the cache is rebuilt once, from the input, when the first slice that was not recorded needs it.
    trace = await _trace(request)
    cache_partial = request.partial_blocks == "cached"
    distinct = await asyncio.to_thread(distinct_blocks, trace, request.block_tokens, cache_partial)
    capacity = await _capacity(request, distinct, task)
    replay = Replay(
        capacity=capacity,
        block_tokens=request.block_tokens,
        cache_partial=cache_partial,
        ms_per_output_token=request.ms_per_output_token,
    )

    async def serve_slice(start: int, end: int) -> Counts:
        while (served := replay.counts.requests) < start:
            await asyncio.to_thread(replay.serve, trace[served : min(start, served + CATCH_UP_REQUESTS)])
        return await asyncio.to_thread(replay.serve, trace[start:end])

    counts, points = Counts(), list[HitRatePoint]()
    for start in range(0, len(trace), request.slice_requests):
        end = min(start + request.slice_requests, len(trace))
        before, counts = counts, await task.step("slice", serve_slice, start, end)
        points.append(_point(before, counts))
        data = DataPart(data=points[-1].model_dump(mode="json"))
        await task.emit(Artifact(name="hit_rate", parts=(data,), append=start > 0, last=end == len(trace)))
        await task.progress(end, len(trace), f"{end} of {len(trace)} requests, hit rate {points[-1].hit_rate:.4f}")
    return _report(counts, points, distinct, capacity)


async def _trace(request: SimulateRequest) -> list[Prompt]:
    if request.synthetic is None:
        return [Prompt(r.timestamp, r.input_length, r.output_length, r.hash_ids) for r in request.requests]
    made = synthetic_trace(Workload(**request.synthetic.model_dump()), request.block_tokens)
    trace, room = list[Prompt](), MAX_BLOCKS
    while more := await asyncio.to_thread(_take, made, room):
        trace += more
        room -= sum(len(prompt.hash_ids) for prompt in more)
        if room < 0:
            count = request.synthetic.request_count
            accepted = f"fewer or shorter requests: {len(trace)} of them passed {MAX_BLOCKS} blocks, all prompts together"
            raise InvalidInput("synthetic.request_count", count, accepted)
    return trace


def _take(made: Iterator[Prompt], room: int) -> list[Prompt]:
    """The next prompts of a trace, as many as are done at a time, and no more than the first that passes `room` blocks."""
    taken = list[Prompt]()
    for prompt in islice(made, CATCH_UP_REQUESTS):
        taken.append(prompt)
        room -= len(prompt.hash_ids)
        if room < 0:
            break
    return taken


async def _capacity(request: SimulateRequest, distinct: int, task: TaskContext) -> int | None:
    capacity = request.capacity_blocks
    if capacity is None or distinct <= capacity or not request.confirm:
        return capacity
    text = (
        f"The trace has {distinct} distinct blocks and the cache holds {capacity}: continue with evictions (evict), "
        f"or grow to {distinct} blocks (grow)?"
    )
    answer = await task.ask(Question(text, Capacity))
    return distinct if answer.choice == "grow" else capacity


def _point(before: Counts, now: Counts) -> HitRatePoint:
    return HitRatePoint(
        requests=now.requests,
        timestamp_ms=now.timestamp_ms,
        slice_hit_rate=(now.hit_blocks - before.hit_blocks) / (now.blocks - before.blocks),
        hit_rate=now.hit_blocks / now.blocks,
        saved_tokens=now.saved_tokens,
        cached_blocks=now.cached_blocks,
        evicted_blocks=now.evicted_blocks,
    )


def _report(counts: Counts, points: list[HitRatePoint], distinct: int, capacity: int | None) -> CacheReport:
    return CacheReport(
        requests=counts.requests,
        blocks=counts.blocks,
        hit_blocks=counts.hit_blocks,
        missed_blocks=counts.blocks - counts.hit_blocks,
        block_hit_rate=counts.hit_blocks / counts.blocks,
        prompt_tokens=counts.prompt_tokens,
        saved_tokens=counts.saved_tokens,
        token_hit_rate=counts.saved_tokens / counts.prompt_tokens,
        output_tokens=counts.output_tokens,
        distinct_blocks=distinct,
        capacity_blocks=capacity,
        peak_blocks=counts.peak_blocks,
        evicted_blocks=counts.evicted_blocks,
        uncached_blocks=counts.uncached_blocks,
        delayed_requests=counts.delayed_requests,
        points=points,
    )
