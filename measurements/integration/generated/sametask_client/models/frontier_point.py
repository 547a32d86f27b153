from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define

T = TypeVar("T", bound="FrontierPoint")


@_attrs_define
class FrontierPoint:
    """What one threshold comes to.

    Attributes:
        threshold (float): queries of this difficulty or more go to the strong model; above 1: none
        cost (float): US dollars for all queries
        quality (float): mean probability of a good answer, 0 to 1
        mean_latency_ms (float): mean time to the whole answer, milliseconds
        strong_share (float): queries that go to the strong model / all queries, 0 to 1
    """

    threshold: float
    cost: float
    quality: float
    mean_latency_ms: float
    strong_share: float

    def to_dict(self) -> dict[str, Any]:
        threshold = self.threshold

        cost = self.cost

        quality = self.quality

        mean_latency_ms = self.mean_latency_ms

        strong_share = self.strong_share

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "threshold": threshold,
                "cost": cost,
                "quality": quality,
                "mean_latency_ms": mean_latency_ms,
                "strong_share": strong_share,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        threshold = d.pop("threshold")

        cost = d.pop("cost")

        quality = d.pop("quality")

        mean_latency_ms = d.pop("mean_latency_ms")

        strong_share = d.pop("strong_share")

        frontier_point = cls(
            threshold=threshold,
            cost=cost,
            quality=quality,
            mean_latency_ms=mean_latency_ms,
            strong_share=strong_share,
        )

        return frontier_point
