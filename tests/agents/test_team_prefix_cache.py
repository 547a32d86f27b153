"""The prefix cache: worked examples by hand, what must hold for any trace, the published trace, and the agent's tasks."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sametask.agents import TaskEngine, TaskState
from sametask.agents.errors import InvalidInput
from sametask.agents.events import ArtifactEmitted, DataPart, Event, Progress
from sametask.agents.runtime import open_engine
from sametask.agents.team import team
from sametask.agents.team.prefix_cache import agent
from sametask.agents.team.prefix_cache import skills as prefix_cache_skills
from sametask.agents.team.prefix_cache.cache import PrefixCache
from sametask.agents.team.prefix_cache.models import SimulateRequest
from sametask.agents.team.prefix_cache.replay import Prompt, Replay, distinct_blocks
from sametask.agents.team.prefix_cache.synthetic import Workload, synthetic_trace

PLAN, SIMULATE = agent.skills["plan"], agent.skills["simulate"]
steady = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Never a verdict on how fast the machine is."""

EXCERPT = Path(__file__).with_name("test_team_excerpt.jsonl")
"""The first 40 requests of the conversation trace published with Mooncake (FAST '25), Apache License 2.0."""


def prompt(ids: Sequence[int], *, tokens: int | None = None, at: int = 0, output: int = 1, size: int = 10) -> Prompt:
    return Prompt(at, len(ids) * size if tokens is None else tokens, output, ids)


def replay(prompts: Sequence[Prompt], capacity: int | None = None, **options: Any) -> Replay:
    made = Replay(capacity=capacity, block_tokens=10, **options)
    made.serve(prompts)
    return made


# Worked examples


def test_a_prompt_hits_up_to_its_first_missing_block():
    cache = PrefixCache()
    held = cache.acquire([1, 2, 3])
    assert held is not None
    assert held.hit_blocks == 0
    cache.release(held)
    assert cache.hits([1, 2, 9, 3]) == 2, "3 is there, but behind a missing block"
    assert cache.hits([9, 1, 2, 3]) == 0
    assert cache.hits([1, 2, 3, 4]) == 3


def test_a_found_prefix_saves_its_tokens():
    counts = replay([prompt([1, 2, 3]), prompt([1, 2, 4, 5])]).counts
    assert (counts.blocks, counts.hit_blocks, counts.prompt_tokens, counts.saved_tokens) == (7, 2, 70, 20)


def test_the_least_recently_freed_goes_first_and_a_tail_before_its_head():
    cache = PrefixCache(4)
    for ids in ([1, 2], [3, 4]):
        held = cache.acquire(ids)
        assert held is not None
        cache.release(held)
    # Freed in the order 2, 1, 4, 3.
    held = cache.acquire([5])
    assert held is not None
    assert held.evicted_blocks == 1
    assert [block in cache for block in (1, 2, 3, 4, 5)] == [True, False, True, True, True]
    cache.release(held)
    held = cache.acquire([1])  # 1 is used again, so 4 is now the oldest
    assert held is not None
    cache.release(held)
    held = cache.acquire([6])
    assert held is not None
    assert [block in cache for block in (1, 3, 4, 5, 6)] == [True, True, False, True, True]


def test_a_block_in_use_is_not_evicted():
    cache = PrefixCache(3)
    busy = cache.acquire([1, 2])
    assert busy is not None
    for other in (3, 4, 5):
        held = cache.acquire([other])
        assert held is not None
        cache.release(held)
    assert 1 in cache
    assert 2 in cache
    assert cache.acquire([6, 7]) is None, "two blocks are needed and only one is not in use"
    cache.release(busy)
    assert cache.acquire([6, 7]) is not None


def test_a_block_shared_by_two_stays_in_use_until_both_have_ended():
    cache = PrefixCache(2)
    first, second = cache.acquire([1]), cache.acquire([1, 2])
    assert first is not None
    assert second is not None
    assert second.hit_blocks == 1, "what another request is still using is found"
    cache.release(first)
    assert cache.acquire([3]) is None
    cache.release(second)
    assert cache.acquire([3]) is not None
    assert 1 in cache
    assert 2 not in cache


def test_a_request_waits_for_blocks_in_use_by_others():
    # The first holds both blocks for 100 ms, so the second, at 10 ms, starts at 100 ms and evicts them.
    trace = [prompt([1, 2], output=10), prompt([3, 4], at=10, output=10), prompt([1, 2], at=300, output=10)]
    counts = replay(trace, 2, ms_per_output_token=10.0).counts
    assert (counts.delayed_requests, counts.hit_blocks, counts.evicted_blocks) == (1, 0, 4)
    # One at a time, nobody waits.
    assert replay(trace, 2).counts.delayed_requests == 0


def test_a_prompt_longer_than_the_cache_leaves_its_head():
    run = replay([prompt([1, 2, 3]), prompt([1, 2, 3])], 2)
    assert (run.counts.hit_blocks, run.counts.uncached_blocks, run.counts.cached_blocks) == (2, 2, 2)


def test_a_partial_last_block_is_cached_only_where_the_published_rate_is_asked_for():
    again = [prompt([1, 2], tokens=15), prompt([1, 2], tokens=15)]
    never = replay(again, cache_partial=False)
    assert (never.counts.blocks, never.counts.hit_blocks, never.counts.saved_tokens) == (4, 1, 10)
    assert 2 not in never.cache
    published = replay(again, cache_partial=True)
    assert (published.counts.blocks, published.counts.hit_blocks, published.counts.saved_tokens) == (4, 2, 15)


def test_a_full_last_block_is_cached_either_way():
    again = [prompt([1, 2]), prompt([1, 2])]
    assert replay(again, cache_partial=False).counts.hit_blocks == replay(again).counts.hit_blocks == 2


# What holds for any trace


@st.composite
def traces(draw: st.DrawFn) -> list[Prompt]:
    """Prompts over a tree of prefixes: an id stands for all symbols up to its block."""
    ids: dict[tuple[int, ...], int] = {}
    found: list[Prompt] = []
    at = 0
    for symbols in draw(st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=5), min_size=1, max_size=30)):
        at += draw(st.integers(0, 30))
        blocks = [ids.setdefault(tuple(symbols[: end + 1]), len(ids)) for end in range(len(symbols))]
        found.append(prompt(blocks, at=at, output=draw(st.integers(0, 5))))
    return found


def lru_hits(trace: Sequence[Prompt], capacity: int) -> int:
    """The textbook's LRU list, for prompts that fit: newest last; a prompt's own blocks last to first."""
    recency: list[int] = []
    hits = 0
    for one in trace:
        for block in one.hash_ids:
            if block not in recency:
                break
            hits += 1
        recency = [block for block in recency if block not in one.hash_ids] + [*reversed(one.hash_ids)]
        recency = recency[-capacity:]
    return hits


@steady
@given(traces(), st.integers(5, 40))
def test_it_is_lru(trace: list[Prompt], capacity: int):
    assert replay(trace, capacity).counts.hit_blocks == lru_hits(trace, capacity)


@steady
@given(traces(), st.integers(1, 40), st.sampled_from([0.0, 10.0]))
def test_blocks_are_conserved_and_never_more_than_the_capacity(trace: list[Prompt], capacity: int, ms: float):
    counts = replay(trace, capacity, ms_per_output_token=ms).counts
    assert counts.blocks == sum(len(one.hash_ids) for one in trace)
    assert 0 <= counts.hit_blocks <= counts.blocks
    assert counts.peak_blocks <= capacity
    placed = counts.blocks - counts.hit_blocks - counts.uncached_blocks
    assert placed == counts.evicted_blocks + counts.cached_blocks


@steady
@given(traces(), st.integers(1, 40))
def test_an_unlimited_cache_finds_the_most(trace: list[Prompt], capacity: int):
    unlimited = replay(trace).counts
    assert replay(trace, capacity).counts.hit_blocks <= unlimited.hit_blocks
    assert unlimited.cached_blocks == distinct_blocks(trace, 10, True) == unlimited.blocks - unlimited.hit_blocks
    assert replay(trace, unlimited.cached_blocks).counts == unlimited


@steady
@given(traces(), st.integers(5, 40), st.integers(0, 20))
def test_a_larger_cache_finds_no_less_where_every_prompt_fits(trace: list[Prompt], capacity: int, more: int):
    # One request at a time, so LRU's inclusion property holds.
    assert replay(trace, capacity).counts.hit_blocks <= replay(trace, capacity + more).counts.hit_blocks


@steady
@given(traces(), st.integers(1, 40), st.integers(1, 10), st.sampled_from([0.0, 10.0]))
def test_slices_change_nothing(trace: list[Prompt], capacity: int, size: int, ms: float):
    sliced = Replay(capacity=capacity, block_tokens=10, ms_per_output_token=ms)
    for start in range(0, len(trace), size):
        sliced.serve(trace[start : start + size])
    assert sliced.counts == replay(trace, capacity, ms_per_output_token=ms).counts


WORKLOAD = Workload(
    seed=7,
    request_count=300,
    mean_turns=4,
    mean_turn_tokens=60,
    mean_output_tokens=30,
    max_context_tokens=2000,
    system_prompt_count=2,
    system_prompt_tokens=95,
    mean_interval_ms=50,
    open_conversations=5,
)


def test_a_seed_gives_one_trace():
    first = list(synthetic_trace(WORKLOAD, 10))
    assert first == list(synthetic_trace(WORKLOAD, 10))
    assert first != list(synthetic_trace(Workload(**{**vars(WORKLOAD), "seed": 8}), 10))


@settings(steady, max_examples=25)
@given(st.integers(0, 2**53 - 1), st.integers(1, 600), st.integers(0, 900), st.integers(1, 64))
def test_a_made_up_trace_is_consistent(seed: int, limit: int, system_tokens: int, size: int):
    changed = {"seed": seed, "max_context_tokens": limit, "system_prompt_tokens": system_tokens}
    trace = list(synthetic_trace(Workload(**{**vars(WORKLOAD), **changed}), size))
    assert len(trace) == WORKLOAD.request_count
    parents: dict[int, int] = {}
    for one in trace:
        assert 1 <= one.input_length <= limit
        for parent, block in zip([-1, *one.hash_ids], one.hash_ids, strict=False):
            assert parents.setdefault(block, parent) == parent, "equal ids mean an equal prefix"
    requests = [one._asdict() for one in trace]
    SimulateRequest.model_validate({"requests": requests, "block_tokens": size})


def test_a_conversation_finds_what_its_last_turn_left():
    counts = Replay(capacity=None, block_tokens=10).serve(synthetic_trace(WORKLOAD, 10))
    assert counts.hit_blocks / counts.blocks > 0.5


# The plan


async def plan(**request: Any) -> dict[str, Any]:
    return await PLAN(PLAN.parse(request))


async def test_the_plan_of_a_known_model():
    # Llama 3 70B: 2 * 80 layers * 8 heads * 128 * 2 bytes = 327,680 bytes a token; 16 tokens: 5,242,880 bytes.
    got = await plan(layers=80, kv_heads=8, head_dim=128, memory_bytes=10 * 5_242_880 + 7, sequence_tokens=33)
    assert got == {
        "bytes_per_token": 327_680,
        "bytes_per_block": 5_242_880,
        "blocks": 10,
        "context_tokens": 160,
        "unused_bytes": 7,
        "sequences": 3,
    }


async def test_tensor_parallelism_shares_out_the_heads_and_then_replicates_them():
    shape = {"layers": 1, "kv_heads": 8, "head_dim": 1, "dtype": "fp8", "memory_bytes": 10**6}
    each = {gpus: (await plan(**shape, tensor_parallel=gpus))["bytes_per_token"] for gpus in (1, 2, 8, 16)}
    assert each == {1: 16, 2: 8, 8: 2, 16: 2}
    with pytest.raises(InvalidInput, match=r"tensor_parallel: 3 is not accepted; a divisor or a multiple of kv_heads.*8"):
        await plan(**shape, tensor_parallel=3)


# Bad input


def request_of(count: int = 2, **changed: Any) -> dict[str, Any]:
    one = {"timestamp": 0, "input_length": 1000, "output_length": 1, "hash_ids": [1, 2]}
    return {"requests": [*[one] * (count - 1), {**one, **changed}]}


@pytest.mark.parametrize(
    ("request_", "complaint"),
    [
        ({}, r"requests: .* give at least one request, or synthetic"),
        ({**request_of(), "synthetic": {}}, r"synthetic: .* not both"),
        (
            request_of(3, hash_ids=[1]),
            r"requests\[2\]\.hash_ids: \[1\] is not accepted; 2 ids, ceil\(input_length 1000 / block",
        ),
        (request_of(hash_ids=[1, 2, 3]), r"requests\[1\]\.hash_ids: .* 2 ids, .* and not 3"),
        (request_of(hash_ids=[1, 1]), r"requests\[1\]\.hash_ids: .* differ within a prompt"),
        (request_of(hash_ids=[1, -2]), r"requests\[1\]\.hash_ids\[1\]: -2 is not accepted"),
        (request_of(input_length=0), r"requests\[1\]\.input_length: 0 is not accepted"),
        (
            {"requests": [{**request_of(1)["requests"][0], "timestamp": at} for at in (5, 4)]},
            r"requests\[1\]\.timestamp: 4 is not accepted; 5 or later",
        ),
        ({**request_of(), "capacity_blocks": 0}, r"capacity_blocks: 0 is not accepted"),
        ({**request_of(), "capacity": 3}, r"capacity: 3 is not accepted"),
        ({"synthetic": {"request_count": 0}}, r"synthetic\.request_count: 0 is not accepted"),
    ],
)
def test_bad_input_is_named(request_: dict[str, Any], complaint: str):
    for parse in (SIMULATE.parse, lambda data: SIMULATE.parse_json(json.dumps(data))):
        with pytest.raises(InvalidInput, match=complaint):
            parse(request_)


# The tasks


@asynccontextmanager
async def submitted(request: dict[str, Any]) -> AsyncGenerator[tuple[TaskEngine, str]]:
    async with asyncio.timeout(60), open_engine("sqlite:///:memory:", team()) as engine:
        yield engine, (await engine.submit(SIMULATE, SIMULATE.parse(request))).id


async def finished(engine: TaskEngine, task_id: str) -> tuple[dict[str, Any], list[Event]]:
    events = [event async for event in engine.events(task_id)]
    task = await engine.get(task_id)
    assert task.state is TaskState.COMPLETED, task.error
    return task.result, events


async def simulated(request: dict[str, Any]) -> dict[str, Any]:
    async with submitted(request) as (engine, task_id):
        return (await finished(engine, task_id))[0]


def points_of(events: Sequence[Event]) -> list[Any]:
    artifacts = [event.body.artifact for event in events if isinstance(event.body, ArtifactEmitted)]
    return [part.data for artifact in artifacts for part in artifact.parts if isinstance(part, DataPart)]


def published(path: Path) -> dict[str, Any]:
    return {"requests": [json.loads(line) for line in path.read_text().splitlines()]}


@pytest.fixture
def trace_file() -> Path:
    beside = Path(__file__).parents[3] / "shared/data/mooncake/conversation_trace.jsonl"
    path = Path(os.environ.get("SAMETASK_TRACE", beside))
    if not path.exists():
        assert os.environ.get("CI") != "true", f"{path}: the conversation trace must be there in CI"
        pytest.skip(f"{path}: set SAMETASK_TRACE to Mooncake's conversation_trace.jsonl")
    return path


async def test_the_published_trace_gives_the_published_rate(trace_file: Path):
    request = published(trace_file)
    got = await simulated(request)
    assert (got["requests"], got["blocks"], got["hit_blocks"]) == (12_031, 288_500, 105_710)
    assert round(got["block_hit_rate"], 4) == 0.3664
    never = await simulated({**request, "partial_blocks": "never_cached"})
    assert round(never["block_hit_rate"], 4) == 0.3660
    small = await simulated({**request, "capacity_blocks": 20_000})
    assert small["block_hit_rate"] < got["block_hit_rate"]
    assert small["peak_blocks"] == 20_000


async def test_an_excerpt_of_it_against_a_plain_set():
    request = published(EXCERPT)
    seen: set[int] = set()
    hits = 0
    for one in request["requests"]:
        hits += len(seen.intersection(one["hash_ids"]))
        seen.update(one["hash_ids"])
    got = await simulated(request)
    assert hits > 0
    assert (got["hit_blocks"], got["distinct_blocks"]) == (hits, len(seen))


async def test_a_run_tells_a_point_and_progress_for_each_slice():
    async with submitted({"synthetic": {"request_count": 2500}, "capacity_blocks": 500}) as (engine, task_id):
        report, events = await finished(engine, task_id)
        (artifact,) = (await engine.get(task_id)).artifacts
    progress = [event.body for event in events if isinstance(event.body, Progress)]
    assert [(p.done, p.total) for p in progress] == [(1000, 2500), (2000, 2500), (2500, 2500)]
    assert points_of(events) == report["points"]
    assert artifact.name == "hit_rate"
    assert len(artifact.parts) == 3
    assert report["points"][-1]["hit_rate"] == report["block_hit_rate"]
    assert report["points"][-1]["evicted_blocks"] == report["evicted_blocks"] > 0
    assert report["hit_blocks"] + report["missed_blocks"] == report["blocks"]


CONFIRM = {"synthetic": {"request_count": 300}, "capacity_blocks": 50, "confirm": True}


async def until_asked(engine: TaskEngine, task_id: str) -> str:
    async for event in engine.events(task_id):
        assert not event.final
        if event.state is TaskState.INPUT_REQUIRED:
            break
    question = (await engine.get(task_id)).question
    assert question is not None
    assert "the cache holds 50: continue with evictions (evict), or grow to " in question.text
    return question.request_id


@pytest.mark.parametrize("choice", ["evict", "grow"])
async def test_it_asks_before_it_evicts(choice: str):
    async with submitted(CONFIRM) as (engine, task_id):
        question = await until_asked(engine, task_id)
        with pytest.raises(InvalidInput, match="choice"):
            await engine.answer(task_id, question, {"choice": "shrink"})
        await engine.answer(task_id, question, {"choice": choice})
        report, _ = await finished(engine, task_id)
    assert report["distinct_blocks"] > 50
    if choice == "grow":
        assert (report["capacity_blocks"], report["evicted_blocks"]) == (report["distinct_blocks"], 0)
    else:
        assert report["capacity_blocks"] == report["peak_blocks"] == 50
        assert report["evicted_blocks"] > 0


@pytest.mark.parametrize("changed", [{"confirm": False}, {"capacity_blocks": None}, {"capacity_blocks": 10**6}])
async def test_it_does_not_ask_without_need(changed: dict[str, Any]):
    async with submitted({**CONFIRM, **changed}) as (engine, task_id):
        _, events = await finished(engine, task_id)
    assert TaskState.INPUT_REQUIRED not in [event.state for event in events]


async def test_too_large_a_made_up_trace_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(prefix_cache_skills, "MAX_BLOCKS", 1000)
    async with submitted({"synthetic": {"request_count": 5000}}) as (engine, task_id):
        last = [event async for event in engine.events(task_id)][-1]
        error = (await engine.get(task_id)).error
    assert last.state is TaskState.FAILED
    assert error is not None
    assert error.code == "invalid_input"
    assert error.message.startswith("synthetic.request_count: 5000 is not accepted; fewer or shorter requests")


async def test_a_run_can_be_canceled():
    async with submitted({"synthetic": {"request_count": 100_000}, "slice_requests": 10}) as (engine, task_id):
        async for event in engine.events(task_id):
            if isinstance(event.body, Progress):
                break
        assert (await engine.cancel(task_id)).state is TaskState.CANCELED


DIES = """
import asyncio, json, os, sys
from sametask.agents.events import ArtifactEmitted, TaskState
from sametask.agents.runtime import open_engine
from sametask.agents.team import team

async def main(store, request, dies_at):
    async with open_engine("sqlite:///" + store, team()) as engine:
        skill = engine.roster.skill("prefix_cache", "simulate")
        task = await engine.submit(skill, skill.parse_json(request), key="one")
        told = 0
        async for event in engine.events(task.id):
            told += isinstance(event.body, ArtifactEmitted)
            if told == int(dies_at) or event.state is TaskState.INPUT_REQUIRED:
                os._exit(9)

asyncio.run(main(*sys.argv[1:]))
"""


async def dies(store: Path, request: dict[str, Any], points: int) -> None:
    """Start the task in a process that is gone, without a word, once it has told so many points or asked its question."""
    arguments = (sys.executable, "-c", DIES, str(store), json.dumps(request), str(points))
    process = await asyncio.create_subprocess_exec(*arguments)
    assert await process.wait() == 9


@pytest.mark.parametrize("points", [1, 7])
async def test_a_crash_changes_nothing(tmp_path: Path, points: int):
    request = {
        "synthetic": {"request_count": 3000},
        "capacity_blocks": 700,
        "slice_requests": 300,
        "ms_per_output_token": 2.0,
    }
    store = tmp_path / "tasks.db"
    async with asyncio.timeout(60):
        await dies(store, request, points)
        async with open_engine(f"sqlite:///{store}", team()) as engine:
            again = await engine.submit(SIMULATE, SIMULATE.parse(request), key="one")
            report, events = await finished(engine, again.id)
    assert report == await simulated(request)
    assert points_of(events) == report["points"], "each point is told once, in order"
    assert len(report["points"]) == 10
    assert report["evicted_blocks"] > 0, "the slices after the crash depend on what the cache held before it"


async def test_a_crash_while_it_asks_changes_nothing(tmp_path: Path):
    store = tmp_path / "tasks.db"
    async with asyncio.timeout(60):
        await dies(store, CONFIRM, 1)
        async with open_engine(f"sqlite:///{store}", team()) as engine:
            task = await engine.submit(SIMULATE, SIMULATE.parse(CONFIRM), key="one")
            await engine.answer(task.id, await until_asked(engine, task.id), {"choice": "grow"})
            report, events = await finished(engine, task.id)
    assert report["capacity_blocks"] == report["distinct_blocks"] > 50
    assert [event.state for event in events].count(TaskState.INPUT_REQUIRED) == 1
