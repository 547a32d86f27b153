from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define

T = TypeVar("T", bound="HitRatePoint")


@_attrs_define
class HitRatePoint:
    """The cache after a slice of the trace.

    Attributes:
        requests (int): requests served so far, count
        timestamp_ms (int): arrival of the last of them, milliseconds since the start of the trace
        slice_hit_rate (float): hit blocks / blocks within this slice, 0 to 1
        hit_rate (float): hit blocks / blocks since the start, 0 to 1
        saved_tokens (int): prompt tokens since the start that were not computed again
        cached_blocks (int): blocks in the cache, count
        evicted_blocks (int): evictions since the start, count
    """

    requests: int
    timestamp_ms: int
    slice_hit_rate: float
    hit_rate: float
    saved_tokens: int
    cached_blocks: int
    evicted_blocks: int

    def to_dict(self) -> dict[str, Any]:
        requests = self.requests

        timestamp_ms = self.timestamp_ms

        slice_hit_rate = self.slice_hit_rate

        hit_rate = self.hit_rate

        saved_tokens = self.saved_tokens

        cached_blocks = self.cached_blocks

        evicted_blocks = self.evicted_blocks

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "requests": requests,
                "timestamp_ms": timestamp_ms,
                "slice_hit_rate": slice_hit_rate,
                "hit_rate": hit_rate,
                "saved_tokens": saved_tokens,
                "cached_blocks": cached_blocks,
                "evicted_blocks": evicted_blocks,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        requests = d.pop("requests")

        timestamp_ms = d.pop("timestamp_ms")

        slice_hit_rate = d.pop("slice_hit_rate")

        hit_rate = d.pop("hit_rate")

        saved_tokens = d.pop("saved_tokens")

        cached_blocks = d.pop("cached_blocks")

        evicted_blocks = d.pop("evicted_blocks")

        hit_rate_point = cls(
            requests=requests,
            timestamp_ms=timestamp_ms,
            slice_hit_rate=slice_hit_rate,
            hit_rate=hit_rate,
            saved_tokens=saved_tokens,
            cached_blocks=cached_blocks,
            evicted_blocks=evicted_blocks,
        )

        return hit_rate_point
