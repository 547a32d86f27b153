from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define

from ..types import UNSET, Unset

T = TypeVar("T", bound="SyntheticTrace")


@_attrs_define
class SyntheticTrace:
    """A made-up multi-turn trace: every turn's prompt is its conversation so far. The same values give the same trace.

    Attributes:
        seed (int | Unset): seed of the random numbers, 0 to 2^53-1 Default: 0.
        request_count (int | Unset): requests in the trace, count, 1 to 200000 Default: 10000.
        mean_turns (float | Unset): mean turns of a conversation (geometric), count, 1 to 1000 Default: 4.0.
        mean_turn_tokens (int | Unset): mean length of what a user adds in a turn (exponential), tokens, 1 to 1000000
            Default: 700.
        mean_output_tokens (int | Unset): mean length of an answer (exponential), tokens, 1 to 1000000 Default: 350.
        max_context_tokens (int | Unset): longest prompt, tokens, 1 to 1000000; a conversation that would pass it ends
            Default: 131072.
        system_prompt_count (int | Unset): system prompts that conversations share, count, 1 to 10000 Default: 4.
        system_prompt_tokens (int | Unset): length of each system prompt, tokens, 0 to 1000000 Default: 1024.
        mean_interval_ms (float | Unset): mean time between two requests (Poisson arrivals), milliseconds, above 0 to
            10^9 Default: 100.0.
        open_conversations (int | Unset): conversations going on at once, count, 1 to 100000 Default: 64.
    """

    seed: int | Unset = 0
    request_count: int | Unset = 10000
    mean_turns: float | Unset = 4.0
    mean_turn_tokens: int | Unset = 700
    mean_output_tokens: int | Unset = 350
    max_context_tokens: int | Unset = 131072
    system_prompt_count: int | Unset = 4
    system_prompt_tokens: int | Unset = 1024
    mean_interval_ms: float | Unset = 100.0
    open_conversations: int | Unset = 64

    def to_dict(self) -> dict[str, Any]:
        seed = self.seed

        request_count = self.request_count

        mean_turns = self.mean_turns

        mean_turn_tokens = self.mean_turn_tokens

        mean_output_tokens = self.mean_output_tokens

        max_context_tokens = self.max_context_tokens

        system_prompt_count = self.system_prompt_count

        system_prompt_tokens = self.system_prompt_tokens

        mean_interval_ms = self.mean_interval_ms

        open_conversations = self.open_conversations

        field_dict: dict[str, Any] = {}

        field_dict.update({})
        if seed is not UNSET:
            field_dict["seed"] = seed
        if request_count is not UNSET:
            field_dict["request_count"] = request_count
        if mean_turns is not UNSET:
            field_dict["mean_turns"] = mean_turns
        if mean_turn_tokens is not UNSET:
            field_dict["mean_turn_tokens"] = mean_turn_tokens
        if mean_output_tokens is not UNSET:
            field_dict["mean_output_tokens"] = mean_output_tokens
        if max_context_tokens is not UNSET:
            field_dict["max_context_tokens"] = max_context_tokens
        if system_prompt_count is not UNSET:
            field_dict["system_prompt_count"] = system_prompt_count
        if system_prompt_tokens is not UNSET:
            field_dict["system_prompt_tokens"] = system_prompt_tokens
        if mean_interval_ms is not UNSET:
            field_dict["mean_interval_ms"] = mean_interval_ms
        if open_conversations is not UNSET:
            field_dict["open_conversations"] = open_conversations

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        seed = d.pop("seed", UNSET)

        request_count = d.pop("request_count", UNSET)

        mean_turns = d.pop("mean_turns", UNSET)

        mean_turn_tokens = d.pop("mean_turn_tokens", UNSET)

        mean_output_tokens = d.pop("mean_output_tokens", UNSET)

        max_context_tokens = d.pop("max_context_tokens", UNSET)

        system_prompt_count = d.pop("system_prompt_count", UNSET)

        system_prompt_tokens = d.pop("system_prompt_tokens", UNSET)

        mean_interval_ms = d.pop("mean_interval_ms", UNSET)

        open_conversations = d.pop("open_conversations", UNSET)

        synthetic_trace = cls(
            seed=seed,
            request_count=request_count,
            mean_turns=mean_turns,
            mean_turn_tokens=mean_turn_tokens,
            mean_output_tokens=mean_output_tokens,
            max_context_tokens=max_context_tokens,
            system_prompt_count=system_prompt_count,
            system_prompt_tokens=system_prompt_tokens,
            mean_interval_ms=mean_interval_ms,
            open_conversations=open_conversations,
        )

        return synthetic_trace
