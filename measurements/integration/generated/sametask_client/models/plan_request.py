from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define

from ..models.plan_request_dtype import PlanRequestDtype
from ..types import UNSET, Unset

T = TypeVar("T", bound="PlanRequest")


@_attrs_define
class PlanRequest:
    """A transformer's shape and the memory set aside for its KV cache.

    Attributes:
        layers (int): attention layers that keep keys and values, count, 1 to 1000
        kv_heads (int): key-value heads of one layer (fewer than query heads under GQA), count, 1 to 1024
        head_dim (int): elements of one head, count, 1 to 4096
        memory_bytes (int): memory for the cache on each GPU, bytes, 1 to 2^53-1 (what is left beside weights and
            activations)
        dtype (PlanRequestDtype | Unset): type of a cached element: float32 (4 bytes), float16 or bfloat16 (2), fp8 or
            int8 (1) Default: PlanRequestDtype.BFLOAT16.
        tensor_parallel (int | Unset): GPUs that share out the KV heads of every layer, count, 1 to 1024 Default: 1.
        block_tokens (int | Unset): tokens in one cache block, 1 to 65536; vLLM's default is 16 Default: 16.
        sequence_tokens (int | None | Unset): length of one sequence, tokens, 1 to 10^9, to tell how many fit; null: not
            asked
    """

    layers: int
    kv_heads: int
    head_dim: int
    memory_bytes: int
    dtype: PlanRequestDtype | Unset = PlanRequestDtype.BFLOAT16
    tensor_parallel: int | Unset = 1
    block_tokens: int | Unset = 16
    sequence_tokens: int | None | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        layers = self.layers

        kv_heads = self.kv_heads

        head_dim = self.head_dim

        memory_bytes = self.memory_bytes

        dtype: str | Unset = UNSET
        if not isinstance(self.dtype, Unset):
            dtype = self.dtype.value

        tensor_parallel = self.tensor_parallel

        block_tokens = self.block_tokens

        sequence_tokens: int | None | Unset
        if isinstance(self.sequence_tokens, Unset):
            sequence_tokens = UNSET
        else:
            sequence_tokens = self.sequence_tokens

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "layers": layers,
                "kv_heads": kv_heads,
                "head_dim": head_dim,
                "memory_bytes": memory_bytes,
            }
        )
        if dtype is not UNSET:
            field_dict["dtype"] = dtype
        if tensor_parallel is not UNSET:
            field_dict["tensor_parallel"] = tensor_parallel
        if block_tokens is not UNSET:
            field_dict["block_tokens"] = block_tokens
        if sequence_tokens is not UNSET:
            field_dict["sequence_tokens"] = sequence_tokens

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        layers = d.pop("layers")

        kv_heads = d.pop("kv_heads")

        head_dim = d.pop("head_dim")

        memory_bytes = d.pop("memory_bytes")

        _dtype = d.pop("dtype", UNSET)
        dtype: PlanRequestDtype | Unset
        if isinstance(_dtype, Unset):
            dtype = UNSET
        else:
            dtype = PlanRequestDtype(_dtype)

        tensor_parallel = d.pop("tensor_parallel", UNSET)

        block_tokens = d.pop("block_tokens", UNSET)

        def _parse_sequence_tokens(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        sequence_tokens = _parse_sequence_tokens(d.pop("sequence_tokens", UNSET))

        plan_request = cls(
            layers=layers,
            kv_heads=kv_heads,
            head_dim=head_dim,
            memory_bytes=memory_bytes,
            dtype=dtype,
            tensor_parallel=tensor_parallel,
            block_tokens=block_tokens,
            sequence_tokens=sequence_tokens,
        )

        return plan_request
