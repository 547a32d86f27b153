"""What the prefix cache agent is asked and what it answers; field names of a trace are those of the published JSON lines."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from ...events import MAX_INTEGER, Frozen, Given

TRACE_BLOCK_TOKENS = 512
"""The block size of the traces published with Mooncake (FAST '25)."""

BlockId = Annotated[int, Field(ge=0, le=MAX_INTEGER)]


class PlanRequest(Given):
    """A transformer's shape and the memory set aside for its KV cache."""

    layers: int = Field(ge=1, le=1000, description="attention layers that keep keys and values, count, 1 to 1000")
    kv_heads: int = Field(
        ge=1, le=1024, description="key-value heads of one layer (fewer than query heads under GQA), count, 1 to 1024"
    )
    head_dim: int = Field(ge=1, le=4096, description="elements of one head, count, 1 to 4096")
    dtype: Literal["float32", "float16", "bfloat16", "fp8", "int8"] = Field(
        default="bfloat16", description="type of a cached element: float32 (4 bytes), float16 or bfloat16 (2), fp8 or int8 (1)"
    )
    tensor_parallel: int = Field(
        default=1, ge=1, le=1024, description="GPUs that share out the KV heads of every layer, count, 1 to 1024"
    )
    block_tokens: int = Field(
        default=16, ge=1, le=65_536, description="tokens in one cache block, 1 to 65536; vLLM's default is 16"
    )
    memory_bytes: int = Field(
        ge=1,
        le=MAX_INTEGER,
        description="memory for the cache on each GPU, bytes, 1 to 2^53-1 (what is left beside weights and activations)",
    )
    sequence_tokens: int | None = Field(
        default=None,
        ge=1,
        le=10**9,
        description="length of one sequence, tokens, 1 to 10^9, to tell how many fit; null: not asked",
    )


class Plan(Frozen):
    """How much context fits."""

    bytes_per_token: int = Field(ge=1, description="cache bytes that one token takes on each GPU")
    bytes_per_block: int = Field(ge=1, description="cache bytes that one block takes on each GPU")
    blocks: int = Field(ge=0, description="whole blocks that fit, count; use it as capacity_blocks")
    context_tokens: int = Field(ge=0, description="tokens that fit, all sequences together")
    unused_bytes: int = Field(ge=0, description="bytes on each GPU too few for another block")
    sequences: int | None = Field(
        ge=0, description="whole sequences of sequence_tokens that fit without sharing; null: not asked"
    )


class TraceRequest(Given):
    """One request of a trace, in the published JSON-lines form."""

    timestamp: int = Field(ge=0, le=MAX_INTEGER, description="arrival since the start of the trace, milliseconds, 0 or more")
    input_length: int = Field(ge=1, le=2**40, description="prompt length, tokens, 1 to 2^40")
    output_length: int = Field(ge=0, le=2**40, description="answer length, tokens, 0 to 2^40")
    hash_ids: list[BlockId] = Field(
        description="one id (0 to 2^53-1) per block of the prompt, ceil(input_length / block_tokens) of them; equal ids mean "
        "an equal prefix up to and including that block; the last block may be partial"
    )


class SyntheticTrace(Given):
    """A made-up multi-turn trace: every turn's prompt is its conversation so far. The same values give the same trace."""

    seed: int = Field(default=0, ge=0, le=MAX_INTEGER, description="seed of the random numbers, 0 to 2^53-1")
    request_count: int = Field(default=10_000, ge=1, le=200_000, description="requests in the trace, count, 1 to 200000")
    mean_turns: float = Field(
        default=4.0, ge=1, le=1000, description="mean turns of a conversation (geometric), count, 1 to 1000"
    )
    mean_turn_tokens: int = Field(
        default=700,
        ge=1,
        le=1_000_000,
        description="mean length of what a user adds in a turn (exponential), tokens, 1 to 1000000",
    )
    mean_output_tokens: int = Field(
        default=350, ge=1, le=1_000_000, description="mean length of an answer (exponential), tokens, 1 to 1000000"
    )
    max_context_tokens: int = Field(
        default=131_072,
        ge=1,
        le=1_000_000,
        description="longest prompt, tokens, 1 to 1000000; a conversation that would pass it ends",
    )
    system_prompt_count: int = Field(
        default=4, ge=1, le=10_000, description="system prompts that conversations share, count, 1 to 10000"
    )
    system_prompt_tokens: int = Field(
        default=1024, ge=0, le=1_000_000, description="length of each system prompt, tokens, 0 to 1000000"
    )
    mean_interval_ms: float = Field(
        default=100.0,
        gt=0,
        le=1e9,
        description="mean time between two requests (Poisson arrivals), milliseconds, above 0 to 10^9",
    )
    open_conversations: int = Field(
        default=64, ge=1, le=100_000, description="conversations going on at once, count, 1 to 100000"
    )


class SimulateRequest(Given):
    """A trace, given in `requests` or made from `synthetic` (exactly one of them), and the cache to replay it through."""

    requests: list[TraceRequest] = Field(
        default=[],
        max_length=2_000_000,
        description="the trace in order of arrival, up to 2000000 requests; empty where synthetic is given",
    )
    synthetic: SyntheticTrace | None = Field(default=None, description="a trace to be made up; null where requests are given")
    block_tokens: int = Field(
        default=TRACE_BLOCK_TOKENS, ge=1, le=65_536, description="tokens in one block, 1 to 65536; published traces use 512"
    )
    capacity_blocks: int | None = Field(
        default=None, ge=1, le=MAX_INTEGER, description="blocks the cache holds, count, 1 to 2^53-1; null: unlimited"
    )
    partial_blocks: Literal["cached", "never_cached"] = Field(
        default="cached",
        description="what becomes of a prompt's partial last block: cached under its published id, as Mooncake's hit rate "
        "counts it, or never_cached, as vLLM does; it counts as a block of the prompt either way",
    )
    ms_per_output_token: float = Field(
        default=0.0,
        ge=0,
        le=1e6,
        description="time a request takes for one token of its answer, milliseconds, 0 to 10^6; its blocks stay in use "
        "that long; 0: one request at a time",
    )
    slice_requests: int = Field(
        default=1000,
        ge=1,
        le=1_000_000,
        description="requests between two points, recorded steps and progress events, count, 1 to 1000000",
    )
    confirm: bool = Field(
        default=False,
        description="true: ask before simulating where the distinct blocks exceed capacity_blocks; false: evict unasked",
    )

    @model_validator(mode="after")
    def _one_consistent_trace(self) -> Self:
        if self.requests and self.synthetic is not None:
            raise _complaint(("synthetic",), "given", "requests or synthetic is given, not both")
        if not self.requests and self.synthetic is None:
            raise _complaint(("requests",), "empty", "give at least one request, or synthetic")
        size, before = self.block_tokens, 0
        for index, request in enumerate(self.requests):
            ids = request.hash_ids
            if (needed := -(-request.input_length // size)) != len(ids):
                accepted = f"{needed} ids, ceil(input_length {request.input_length} / block_tokens {size}), and not {len(ids)}"
                raise _complaint(("requests", index, "hash_ids"), ids, accepted)
            if len(set(ids)) != len(ids):
                accepted = "ids that differ within a prompt, since each stands for the whole prefix up to its block"
                raise _complaint(("requests", index, "hash_ids"), ids, accepted)
            if request.timestamp < before:
                raise _complaint(
                    ("requests", index, "timestamp"), request.timestamp, f"{before} or later: requests are in order of arrival"
                )
            before = request.timestamp
        return self


class Capacity(Given):
    """The answer to the question of a too small cache."""

    choice: Literal["evict", "grow"] = Field(
        description="evict: keep capacity_blocks and evict; grow: give the cache as many blocks as the trace has distinct ones"
    )


class HitRatePoint(Frozen):
    """The cache after a slice of the trace."""

    requests: int = Field(ge=0, description="requests served so far, count")
    timestamp_ms: int = Field(ge=0, description="arrival of the last of them, milliseconds since the start of the trace")
    slice_hit_rate: float = Field(ge=0, le=1, description="hit blocks / blocks within this slice, 0 to 1")
    hit_rate: float = Field(ge=0, le=1, description="hit blocks / blocks since the start, 0 to 1")
    saved_tokens: int = Field(ge=0, description="prompt tokens since the start that were not computed again")
    cached_blocks: int = Field(ge=0, description="blocks in the cache, count")
    evicted_blocks: int = Field(ge=0, description="evictions since the start, count")


class CacheReport(Frozen):
    """What the cache did for the whole trace."""

    requests: int = Field(ge=0, description="requests served, count")
    blocks: int = Field(ge=0, description="blocks of all prompts, count, each prompt's partial last block included")
    hit_blocks: int = Field(ge=0, description="blocks found in the cache, up to each prompt's first missing block, count")
    missed_blocks: int = Field(ge=0, description="blocks not found, count; hit_blocks + missed_blocks = blocks")
    block_hit_rate: float = Field(ge=0, le=1, description="hit_blocks / blocks, 0 to 1")
    prompt_tokens: int = Field(ge=0, description="tokens of all prompts")
    saved_tokens: int = Field(ge=0, description="prompt tokens found in the cache, so not computed again")
    token_hit_rate: float = Field(ge=0, le=1, description="saved_tokens / prompt_tokens, 0 to 1")
    output_tokens: int = Field(ge=0, description="tokens of all answers; they are not cached, as a trace has no ids for them")
    distinct_blocks: int = Field(ge=0, description="distinct blocks that may be cached, count: the working set of the trace")
    capacity_blocks: int | None = Field(
        ge=1, description="blocks the cache held at most, count, after an answer `grow`; null: unlimited"
    )
    peak_blocks: int = Field(ge=0, description="most blocks that were in the cache at once, count")
    evicted_blocks: int = Field(ge=0, description="evictions, count")
    uncached_blocks: int = Field(
        ge=0, description="blocks for which no room could be made, count: prompts longer than the cache"
    )
    delayed_requests: int = Field(ge=0, description="requests that waited for blocks in use by others, count")
    points: list[HitRatePoint] = Field(description="the hit rate over time, one point per slice")


def _complaint(loc: tuple[str | int, ...], value: object, accepted: str) -> ValidationError:
    """A validation error that names the field it is about; one raised by hand would name only the whole request."""
    error = PydanticCustomError("trace", "{accepted}", {"accepted": accepted})
    details: list[Any] = [InitErrorDetails(type=error, loc=loc, input=value)]
    return ValidationError.from_exception_data("SimulateRequest", details)
