from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define

from ..types import UNSET, Unset

T = TypeVar("T", bound="SyntheticQueries")


@_attrs_define
class SyntheticQueries:
    """Made-up queries: most are easy, few are hard (Beta(2, 3) difficulties). The same values give the same queries.

    Attributes:
        seed (int | Unset): seed of the random numbers, 0 to 2^53-1 Default: 0.
        query_count (int | Unset): queries, count, 1 to 1000000 Default: 1000.
    """

    seed: int | Unset = 0
    query_count: int | Unset = 1000

    def to_dict(self) -> dict[str, Any]:
        seed = self.seed

        query_count = self.query_count

        field_dict: dict[str, Any] = {}

        field_dict.update({})
        if seed is not UNSET:
            field_dict["seed"] = seed
        if query_count is not UNSET:
            field_dict["query_count"] = query_count

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        seed = d.pop("seed", UNSET)

        query_count = d.pop("query_count", UNSET)

        synthetic_queries = cls(
            seed=seed,
            query_count=query_count,
        )

        return synthetic_queries
