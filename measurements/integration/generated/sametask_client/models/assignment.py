from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define

T = TypeVar("T", bound="Assignment")


@_attrs_define
class Assignment:
    """Where one query goes.

    Attributes:
        query_id (str): the query's id
        model (str): the name of the model whose answer is used
        cost (float): US dollars, of both calls where a cascade makes two
        expected_quality (float): probability of a good answer, 0 to 1
        latency_ms (float): time to the whole answer, milliseconds
    """

    query_id: str
    model: str
    cost: float
    expected_quality: float
    latency_ms: float

    def to_dict(self) -> dict[str, Any]:
        query_id = self.query_id

        model = self.model

        cost = self.cost

        expected_quality = self.expected_quality

        latency_ms = self.latency_ms

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "query_id": query_id,
                "model": model,
                "cost": cost,
                "expected_quality": expected_quality,
                "latency_ms": latency_ms,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        query_id = d.pop("query_id")

        model = d.pop("model")

        cost = d.pop("cost")

        expected_quality = d.pop("expected_quality")

        latency_ms = d.pop("latency_ms")

        assignment = cls(
            query_id=query_id,
            model=model,
            cost=cost,
            expected_quality=expected_quality,
            latency_ms=latency_ms,
        )

        return assignment
