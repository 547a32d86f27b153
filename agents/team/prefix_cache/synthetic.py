"""Made-up multi-turn traces: every turn's prompt is the whole conversation so far, so its full blocks come back.

Ours: Poisson arrivals over a fixed number of open conversations, exponential lengths, a geometric number of turns, system
prompts shared between conversations. A block that is still partial has an id of its own; once later turns have filled it,
its tokens are others and so is its id.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from random import Random

from .replay import Prompt


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What a made-up trace is like. Lengths are in tokens, times in milliseconds."""

    seed: int
    request_count: int
    mean_turns: float
    mean_turn_tokens: int
    mean_output_tokens: int
    max_context_tokens: int
    system_prompt_count: int
    system_prompt_tokens: int
    mean_interval_ms: float
    open_conversations: int


@dataclass
class _Conversation:
    length: int
    full_blocks: list[int] = field(default_factory=list[int])


def synthetic_trace(workload: Workload, block_tokens: int) -> Iterator[Prompt]:
    """The trace of `workload`, one prompt at a time; the same values always give the same trace."""
    # Only `random()` is drawn from: its sequence for a seed is the one that Python promises to keep.
    draw = Random(workload.seed).random
    fresh = count()
    limit = workload.max_context_tokens
    system_tokens = min(workload.system_prompt_tokens, limit - 1)
    shared: dict[int, list[int]] = {}

    def opened() -> _Conversation:
        which = int(draw() * workload.system_prompt_count)
        if which not in shared:
            shared[which] = [next(fresh) for _ in range(system_tokens // block_tokens)]
        return _Conversation(system_tokens, list(shared[which]))

    conversations: list[_Conversation | None] = [None] * workload.open_conversations
    now_ms = 0.0
    for _ in range(workload.request_count):
        slot = int(draw() * len(conversations))
        turn = 1 + _exponential(draw(), workload.mean_turn_tokens)
        answer = 1 + _exponential(draw(), workload.mean_output_tokens)
        talk = conversations[slot]
        if talk is None or talk.length + turn > limit:
            talk = conversations[slot] = opened()
        talk.length = min(talk.length + turn, limit)
        full, partial = divmod(talk.length, block_tokens)
        talk.full_blocks.extend(next(fresh) for _ in range(full - len(talk.full_blocks)))
        ids = [*talk.full_blocks, next(fresh)] if partial else talk.full_blocks.copy()
        yield Prompt(int(now_ms), talk.length, answer, ids)
        talk.length = min(talk.length + answer, limit)
        if draw() * workload.mean_turns < 1:
            conversations[slot] = None
        now_ms += -math.log(1 - draw()) * workload.mean_interval_ms


def _exponential(uniform: float, mean: float) -> int:
    return int(-math.log(1 - uniform) * mean)
