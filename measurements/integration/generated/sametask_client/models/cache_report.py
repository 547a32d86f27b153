from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define

if TYPE_CHECKING:
    from ..models.hit_rate_point import HitRatePoint


T = TypeVar("T", bound="CacheReport")


@_attrs_define
class CacheReport:
    """What the cache did for the whole trace.

    Attributes:
        requests (int): requests served, count
        blocks (int): blocks of all prompts, count, each prompt's partial last block included
        hit_blocks (int): blocks found in the cache, up to each prompt's first missing block, count
        missed_blocks (int): blocks not found, count; hit_blocks + missed_blocks = blocks
        block_hit_rate (float): hit_blocks / blocks, 0 to 1
        prompt_tokens (int): tokens of all prompts
        saved_tokens (int): prompt tokens found in the cache, so not computed again
        token_hit_rate (float): saved_tokens / prompt_tokens, 0 to 1
        output_tokens (int): tokens of all answers; they are not cached, as a trace has no ids for them
        distinct_blocks (int): distinct blocks that may be cached, count: the working set of the trace
        capacity_blocks (int | None): blocks the cache held at most, count, after an answer `grow`; null: unlimited
        peak_blocks (int): most blocks that were in the cache at once, count
        evicted_blocks (int): evictions, count
        uncached_blocks (int): blocks for which no room could be made, count: prompts longer than the cache
        delayed_requests (int): requests that waited for blocks in use by others, count
        points (list[HitRatePoint]): the hit rate over time, one point per slice
    """

    requests: int
    blocks: int
    hit_blocks: int
    missed_blocks: int
    block_hit_rate: float
    prompt_tokens: int
    saved_tokens: int
    token_hit_rate: float
    output_tokens: int
    distinct_blocks: int
    capacity_blocks: int | None
    peak_blocks: int
    evicted_blocks: int
    uncached_blocks: int
    delayed_requests: int
    points: list[HitRatePoint]

    def to_dict(self) -> dict[str, Any]:
        requests = self.requests

        blocks = self.blocks

        hit_blocks = self.hit_blocks

        missed_blocks = self.missed_blocks

        block_hit_rate = self.block_hit_rate

        prompt_tokens = self.prompt_tokens

        saved_tokens = self.saved_tokens

        token_hit_rate = self.token_hit_rate

        output_tokens = self.output_tokens

        distinct_blocks = self.distinct_blocks

        capacity_blocks: int | None
        capacity_blocks = self.capacity_blocks

        peak_blocks = self.peak_blocks

        evicted_blocks = self.evicted_blocks

        uncached_blocks = self.uncached_blocks

        delayed_requests = self.delayed_requests

        points = []
        for points_item_data in self.points:
            points_item = points_item_data.to_dict()
            points.append(points_item)

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "requests": requests,
                "blocks": blocks,
                "hit_blocks": hit_blocks,
                "missed_blocks": missed_blocks,
                "block_hit_rate": block_hit_rate,
                "prompt_tokens": prompt_tokens,
                "saved_tokens": saved_tokens,
                "token_hit_rate": token_hit_rate,
                "output_tokens": output_tokens,
                "distinct_blocks": distinct_blocks,
                "capacity_blocks": capacity_blocks,
                "peak_blocks": peak_blocks,
                "evicted_blocks": evicted_blocks,
                "uncached_blocks": uncached_blocks,
                "delayed_requests": delayed_requests,
                "points": points,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.hit_rate_point import HitRatePoint

        d = dict(src_dict)
        requests = d.pop("requests")

        blocks = d.pop("blocks")

        hit_blocks = d.pop("hit_blocks")

        missed_blocks = d.pop("missed_blocks")

        block_hit_rate = d.pop("block_hit_rate")

        prompt_tokens = d.pop("prompt_tokens")

        saved_tokens = d.pop("saved_tokens")

        token_hit_rate = d.pop("token_hit_rate")

        output_tokens = d.pop("output_tokens")

        distinct_blocks = d.pop("distinct_blocks")

        def _parse_capacity_blocks(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        capacity_blocks = _parse_capacity_blocks(d.pop("capacity_blocks"))

        peak_blocks = d.pop("peak_blocks")

        evicted_blocks = d.pop("evicted_blocks")

        uncached_blocks = d.pop("uncached_blocks")

        delayed_requests = d.pop("delayed_requests")

        points = []
        _points = d.pop("points")
        for points_item_data in _points:
            points_item = HitRatePoint.from_dict(points_item_data)

            points.append(points_item)

        cache_report = cls(
            requests=requests,
            blocks=blocks,
            hit_blocks=hit_blocks,
            missed_blocks=missed_blocks,
            block_hit_rate=block_hit_rate,
            prompt_tokens=prompt_tokens,
            saved_tokens=saved_tokens,
            token_hit_rate=token_hit_rate,
            output_tokens=output_tokens,
            distinct_blocks=distinct_blocks,
            capacity_blocks=capacity_blocks,
            peak_blocks=peak_blocks,
            evicted_blocks=evicted_blocks,
            uncached_blocks=uncached_blocks,
            delayed_requests=delayed_requests,
            points=points,
        )

        return cache_report
