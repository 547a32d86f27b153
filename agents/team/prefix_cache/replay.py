"""A trace replayed through a prefix cache, and the counts that come of it.

Requests are served in order of arrival. A request starts when it arrives, or later: as soon as the blocks it needs are not
all held by requests still being processed (first come, first served). Its blocks are in use from its start until
`output_tokens * ms_per_output_token` later; with 0 it ends before the next one starts, so nothing is in use between two.
The tokens of answers take no blocks, because a trace carries no ids for them.

**The block hit rate** is hit blocks / all blocks of all prompts, partial last blocks included. Whether a partial last block
can itself be found again is `cache_partial`. On the published conversation trace (Mooncake, FAST '25; 12,031 requests,
288,500 ids) with an unlimited cache: counted and cached under its published id it gives 105,710 / 288,500 = 0.3664, the
number to compare with; counted but never cached, as vLLM does, 105,592 / 288,500 = 0.3660; full blocks alone on both sides
of the fraction, 105,592 / 276,491 = 0.3819. The first two differ by 118 prompts that were sent again as they were.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from .cache import Held, PrefixCache


class Prompt(NamedTuple):
    """One request of a trace: arrival in milliseconds, lengths in tokens, one id per block."""

    timestamp: int
    input_length: int
    output_length: int
    hash_ids: Sequence[int]


class Counts(BaseModel):
    """Everything counted since the start of the trace: small enough to be recorded after each slice of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests: int = 0
    timestamp_ms: int = 0
    blocks: int = 0
    hit_blocks: int = 0
    prompt_tokens: int = 0
    saved_tokens: int = 0
    output_tokens: int = 0
    cached_blocks: int = 0
    peak_blocks: int = 0
    evicted_blocks: int = 0
    uncached_blocks: int = 0
    delayed_requests: int = 0


def cacheable(prompt: Prompt, block_tokens: int, cache_partial: bool) -> Sequence[int]:
    """The ids of a prompt that may be cached: all, or those of its full blocks."""
    full = prompt.input_length // block_tokens
    return prompt.hash_ids if cache_partial or full == len(prompt.hash_ids) else prompt.hash_ids[:full]


def distinct_blocks(prompts: Iterable[Prompt], block_tokens: int, cache_partial: bool) -> int:
    """The working set of a trace: how many blocks an unlimited cache would end up with."""
    seen: set[int] = set()
    for prompt in prompts:
        seen.update(cacheable(prompt, block_tokens, cache_partial))
    return len(seen)


class Replay:
    """A cache being filled. Deterministic: the same prompts in the same order always give the same counts."""

    def __init__(
        self, *, capacity: int | None, block_tokens: int, cache_partial: bool = True, ms_per_output_token: float = 0.0
    ) -> None:
        self.cache = PrefixCache(capacity)
        self.counts = Counts()
        self._block_tokens = block_tokens
        self._cache_partial = cache_partial
        self._ms_per_output_token = ms_per_output_token
        self._now_ms = 0.0
        self._running: list[tuple[float, int, Held]] = []

    def serve(self, prompts: Iterable[Prompt]) -> Counts:
        """Serve the next prompts of the trace; the counts since its start."""
        was = self.counts
        requests, timestamp, blocks, hit_blocks = was.requests, was.timestamp_ms, was.blocks, was.hit_blocks
        prompt_tokens, saved_tokens, output_tokens = was.prompt_tokens, was.saved_tokens, was.output_tokens
        peak, evicted, uncached, delayed = was.peak_blocks, was.evicted_blocks, was.uncached_blocks, was.delayed_requests
        for prompt in prompts:
            ids = cacheable(prompt, self._block_tokens, self._cache_partial)
            held, waited = self._start(prompt, ids, requests)
            requests += 1
            timestamp = prompt.timestamp
            blocks += len(prompt.hash_ids)
            hit_blocks += held.hit_blocks
            prompt_tokens += prompt.input_length
            # A hit partial block holds fewer tokens than a full one.
            saved_tokens += min(held.hit_blocks * self._block_tokens, prompt.input_length)
            output_tokens += prompt.output_length
            peak = max(peak, len(self.cache))
            evicted += held.evicted_blocks
            uncached += len(ids) - len(held.ids)
            delayed += waited
        self.counts = Counts(
            requests=requests,
            timestamp_ms=timestamp,
            blocks=blocks,
            hit_blocks=hit_blocks,
            prompt_tokens=prompt_tokens,
            saved_tokens=saved_tokens,
            output_tokens=output_tokens,
            cached_blocks=len(self.cache),
            peak_blocks=peak,
            evicted_blocks=evicted,
            uncached_blocks=uncached,
            delayed_requests=delayed,
        )
        return self.counts

    def _start(self, prompt: Prompt, ids: Sequence[int], order: int) -> tuple[Held, bool]:
        """The blocks of a prompt that starts now or, where others hold too many, as soon as enough of them have ended."""
        self._now_ms = max(self._now_ms, float(prompt.timestamp))
        while self._running and self._running[0][0] <= self._now_ms:
            self._end_first()
        waited = False
        while (held := self.cache.acquire(ids)) is None:
            waited = True
            self._now_ms = max(self._now_ms, self._running[0][0])
            self._end_first()
        busy_ms = prompt.output_length * self._ms_per_output_token
        if busy_ms > 0:
            heapq.heappush(self._running, (self._now_ms + busy_ms, order, held))
        else:
            self.cache.release(held)
        return held, waited

    def _end_first(self) -> None:
        self.cache.release(heapq.heappop(self._running)[2])
