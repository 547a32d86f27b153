from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define

from ..types import UNSET, Unset

T = TypeVar("T", bound="CandidateModel")


@_attrs_define
class CandidateModel:
    """A model that a query can be sent to.

    Attributes:
        name (str): the model's name, 1 to 200 characters
        input_price (float): price of the prompt, US dollars per million tokens, 0 to 10^6
        output_price (float): price of the answer, US dollars per million tokens, 0 to 10^6
        easiest_quality (float): probability of a good answer at difficulty 0, 0 to 1; between the two it is linear in
            difficulty
        hardest_quality (float): probability of a good answer at difficulty 1, 0 to 1
        first_token_ms (float | Unset): time to the first token, milliseconds, 0 to 10^9 Default: 0.0.
        ms_per_output_token (float | Unset): time per token of the answer, milliseconds, 0 to 10^6 Default: 0.0.
    """

    name: str
    input_price: float
    output_price: float
    easiest_quality: float
    hardest_quality: float
    first_token_ms: float | Unset = 0.0
    ms_per_output_token: float | Unset = 0.0

    def to_dict(self) -> dict[str, Any]:
        name = self.name

        input_price = self.input_price

        output_price = self.output_price

        easiest_quality = self.easiest_quality

        hardest_quality = self.hardest_quality

        first_token_ms = self.first_token_ms

        ms_per_output_token = self.ms_per_output_token

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "name": name,
                "input_price": input_price,
                "output_price": output_price,
                "easiest_quality": easiest_quality,
                "hardest_quality": hardest_quality,
            }
        )
        if first_token_ms is not UNSET:
            field_dict["first_token_ms"] = first_token_ms
        if ms_per_output_token is not UNSET:
            field_dict["ms_per_output_token"] = ms_per_output_token

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        name = d.pop("name")

        input_price = d.pop("input_price")

        output_price = d.pop("output_price")

        easiest_quality = d.pop("easiest_quality")

        hardest_quality = d.pop("hardest_quality")

        first_token_ms = d.pop("first_token_ms", UNSET)

        ms_per_output_token = d.pop("ms_per_output_token", UNSET)

        candidate_model = cls(
            name=name,
            input_price=input_price,
            output_price=output_price,
            easiest_quality=easiest_quality,
            hardest_quality=hardest_quality,
            first_token_ms=first_token_ms,
            ms_per_output_token=ms_per_output_token,
        )

        return candidate_model
