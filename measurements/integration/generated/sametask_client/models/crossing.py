from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define

from ..models.crossing_cheaper_above import CrossingCheaperAbove

T = TypeVar("T", bound="Crossing")


@_attrs_define
class Crossing:
    """A concurrency at which the two cost curves cross.

    Attributes:
        concurrency (float): sequences decoded at once, count
        cost_per_million_tokens (float): what both cost there, US dollars per million tokens
        tokens_per_s (float): what the mixture of experts decodes there, tokens per second
        cheaper_above (CrossingCheaperAbove): which is the cheaper just above it
    """

    concurrency: float
    cost_per_million_tokens: float
    tokens_per_s: float
    cheaper_above: CrossingCheaperAbove

    def to_dict(self) -> dict[str, Any]:
        concurrency = self.concurrency

        cost_per_million_tokens = self.cost_per_million_tokens

        tokens_per_s = self.tokens_per_s

        cheaper_above = self.cheaper_above.value

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "concurrency": concurrency,
                "cost_per_million_tokens": cost_per_million_tokens,
                "tokens_per_s": tokens_per_s,
                "cheaper_above": cheaper_above,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        concurrency = d.pop("concurrency")

        cost_per_million_tokens = d.pop("cost_per_million_tokens")

        tokens_per_s = d.pop("tokens_per_s")

        cheaper_above = CrossingCheaperAbove(d.pop("cheaper_above"))

        crossing = cls(
            concurrency=concurrency,
            cost_per_million_tokens=cost_per_million_tokens,
            tokens_per_s=tokens_per_s,
            cheaper_above=cheaper_above,
        )

        return crossing
