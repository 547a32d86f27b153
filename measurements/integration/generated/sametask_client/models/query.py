from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define

from ..types import UNSET, Unset

T = TypeVar("T", bound="Query")


@_attrs_define
class Query:
    """A query that is to be sent to one of two models.

    Attributes:
        id (str): names the query in the answer, 1 to 200 characters
        difficulty (float): a router's score, 0 (easiest) to 1 (hardest)
        input_tokens (int | Unset): prompt length, tokens, 0 to 10^9 Default: 500.
        output_tokens (int | Unset): expected answer length, tokens, 0 to 10^9 Default: 300.
    """

    id: str
    difficulty: float
    input_tokens: int | Unset = 500
    output_tokens: int | Unset = 300

    def to_dict(self) -> dict[str, Any]:
        id = self.id

        difficulty = self.difficulty

        input_tokens = self.input_tokens

        output_tokens = self.output_tokens

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "id": id,
                "difficulty": difficulty,
            }
        )
        if input_tokens is not UNSET:
            field_dict["input_tokens"] = input_tokens
        if output_tokens is not UNSET:
            field_dict["output_tokens"] = output_tokens

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        id = d.pop("id")

        difficulty = d.pop("difficulty")

        input_tokens = d.pop("input_tokens", UNSET)

        output_tokens = d.pop("output_tokens", UNSET)

        query = cls(
            id=id,
            difficulty=difficulty,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
        )

        return query
