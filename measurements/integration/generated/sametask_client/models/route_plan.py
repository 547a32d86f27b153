from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define

if TYPE_CHECKING:
    from ..models.assignment import Assignment


T = TypeVar("T", bound="RoutePlan")


@_attrs_define
class RoutePlan:
    """The assignment of every query, and what it comes to.

    Attributes:
        assignments (list[Assignment]): one per query, in the order given
        cost (float): US dollars for all queries
        expected_quality (float): mean probability of a good answer, 0 to 1
        mean_latency_ms (float): mean time to the whole answer, milliseconds
        max_latency_ms (float): longest time to the whole answer, milliseconds
        strong_share (float): queries that go to the strong model / all queries, 0 to 1
        cost_saving (float): 1 - cost / cost of sending all to the strong model, at most 1; 0 where that is free
    """

    assignments: list[Assignment]
    cost: float
    expected_quality: float
    mean_latency_ms: float
    max_latency_ms: float
    strong_share: float
    cost_saving: float

    def to_dict(self) -> dict[str, Any]:
        assignments = []
        for assignments_item_data in self.assignments:
            assignments_item = assignments_item_data.to_dict()
            assignments.append(assignments_item)

        cost = self.cost

        expected_quality = self.expected_quality

        mean_latency_ms = self.mean_latency_ms

        max_latency_ms = self.max_latency_ms

        strong_share = self.strong_share

        cost_saving = self.cost_saving

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "assignments": assignments,
                "cost": cost,
                "expected_quality": expected_quality,
                "mean_latency_ms": mean_latency_ms,
                "max_latency_ms": max_latency_ms,
                "strong_share": strong_share,
                "cost_saving": cost_saving,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.assignment import Assignment

        d = dict(src_dict)
        assignments = []
        _assignments = d.pop("assignments")
        for assignments_item_data in _assignments:
            assignments_item = Assignment.from_dict(assignments_item_data)

            assignments.append(assignments_item)

        cost = d.pop("cost")

        expected_quality = d.pop("expected_quality")

        mean_latency_ms = d.pop("mean_latency_ms")

        max_latency_ms = d.pop("max_latency_ms")

        strong_share = d.pop("strong_share")

        cost_saving = d.pop("cost_saving")

        route_plan = cls(
            assignments=assignments,
            cost=cost,
            expected_quality=expected_quality,
            mean_latency_ms=mean_latency_ms,
            max_latency_ms=max_latency_ms,
            strong_share=strong_share,
            cost_saving=cost_saving,
        )

        return route_plan
