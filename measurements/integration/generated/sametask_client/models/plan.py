from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define

T = TypeVar("T", bound="Plan")


@_attrs_define
class Plan:
    """How much context fits.

    Attributes:
        bytes_per_token (int): cache bytes that one token takes on each GPU
        bytes_per_block (int): cache bytes that one block takes on each GPU
        blocks (int): whole blocks that fit, count; use it as capacity_blocks
        context_tokens (int): tokens that fit, all sequences together
        unused_bytes (int): bytes on each GPU too few for another block
        sequences (int | None): whole sequences of sequence_tokens that fit without sharing; null: not asked
    """

    bytes_per_token: int
    bytes_per_block: int
    blocks: int
    context_tokens: int
    unused_bytes: int
    sequences: int | None

    def to_dict(self) -> dict[str, Any]:
        bytes_per_token = self.bytes_per_token

        bytes_per_block = self.bytes_per_block

        blocks = self.blocks

        context_tokens = self.context_tokens

        unused_bytes = self.unused_bytes

        sequences: int | None
        sequences = self.sequences

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "bytes_per_token": bytes_per_token,
                "bytes_per_block": bytes_per_block,
                "blocks": blocks,
                "context_tokens": context_tokens,
                "unused_bytes": unused_bytes,
                "sequences": sequences,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        bytes_per_token = d.pop("bytes_per_token")

        bytes_per_block = d.pop("bytes_per_block")

        blocks = d.pop("blocks")

        context_tokens = d.pop("context_tokens")

        unused_bytes = d.pop("unused_bytes")

        def _parse_sequences(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        sequences = _parse_sequences(d.pop("sequences"))

        plan = cls(
            bytes_per_token=bytes_per_token,
            bytes_per_block=bytes_per_block,
            blocks=blocks,
            context_tokens=context_tokens,
            unused_bytes=unused_bytes,
            sequences=sequences,
        )

        return plan
