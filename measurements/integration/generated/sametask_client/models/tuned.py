from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define

if TYPE_CHECKING:
    from ..models.frontier_point import FrontierPoint


T = TypeVar("T", bound="Tuned")


@_attrs_define
class Tuned:
    """The cost-quality frontier and the threshold chosen on it.

    Attributes:
        frontier (list[FrontierPoint]): the points that no other beats in both cost and quality, cheapest first
        tried (int): thresholds tried, count
        chosen (FrontierPoint | None): the point that meets the constraint best; null: none meets it
        reason (str): one sentence: why this one, or why none
    """

    frontier: list[FrontierPoint]
    tried: int
    chosen: FrontierPoint | None
    reason: str

    def to_dict(self) -> dict[str, Any]:
        from ..models.frontier_point import FrontierPoint

        frontier = []
        for frontier_item_data in self.frontier:
            frontier_item = frontier_item_data.to_dict()
            frontier.append(frontier_item)

        tried = self.tried

        chosen: dict[str, Any] | None
        if isinstance(self.chosen, FrontierPoint):
            chosen = self.chosen.to_dict()
        else:
            chosen = self.chosen

        reason = self.reason

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "frontier": frontier,
                "tried": tried,
                "chosen": chosen,
                "reason": reason,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.frontier_point import FrontierPoint

        d = dict(src_dict)
        frontier = []
        _frontier = d.pop("frontier")
        for frontier_item_data in _frontier:
            frontier_item = FrontierPoint.from_dict(frontier_item_data)

            frontier.append(frontier_item)

        tried = d.pop("tried")

        def _parse_chosen(data: object) -> FrontierPoint | None:
            if data is None:
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                chosen_type_0 = FrontierPoint.from_dict(data)

                return chosen_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(FrontierPoint | None, data)

        chosen = _parse_chosen(d.pop("chosen"))

        reason = d.pop("reason")

        tuned = cls(
            frontier=frontier,
            tried=tried,
            chosen=chosen,
            reason=reason,
        )

        return tuned
