from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define

T = TypeVar("T", bound="TraceRequest")


@_attrs_define
class TraceRequest:
    """One request of a trace, in the published JSON-lines form.

    Attributes:
        timestamp (int): arrival since the start of the trace, milliseconds, 0 or more
        input_length (int): prompt length, tokens, 1 to 2^40
        output_length (int): answer length, tokens, 0 to 2^40
        hash_ids (list[int]): one id (0 to 2^53-1) per block of the prompt, ceil(input_length / block_tokens) of them;
            equal ids mean an equal prefix up to and including that block; the last block may be partial
    """

    timestamp: int
    input_length: int
    output_length: int
    hash_ids: list[int]

    def to_dict(self) -> dict[str, Any]:
        timestamp = self.timestamp

        input_length = self.input_length

        output_length = self.output_length

        hash_ids = self.hash_ids

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "timestamp": timestamp,
                "input_length": input_length,
                "output_length": output_length,
                "hash_ids": hash_ids,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        timestamp = d.pop("timestamp")

        input_length = d.pop("input_length")

        output_length = d.pop("output_length")

        hash_ids = cast(list[int], d.pop("hash_ids"))

        trace_request = cls(
            timestamp=timestamp,
            input_length=input_length,
            output_length=output_length,
            hash_ids=hash_ids,
        )

        return trace_request
