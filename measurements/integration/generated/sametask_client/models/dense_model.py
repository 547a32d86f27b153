from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define

from ..types import UNSET, Unset

T = TypeVar("T", bound="DenseModel")


@_attrs_define
class DenseModel:
    """A dense model and the GPUs it runs on.

    Attributes:
        params (float): parameters, count, 1 to 10^15 (70e9 for Llama 3 70B)
        gpus (int): GPUs of the deployment, count, 1 to 100000
        kv_bytes_per_sequence (float | Unset): KV cache that a step reads for each sequence, bytes, 0 to 10^15 Default:
            0.0.
        step_overhead_ms (float | Unset): time of a step that neither term covers (all-reduce, launches), milliseconds,
            0 to 10^6 Default: 0.0.
    """

    params: float
    gpus: int
    kv_bytes_per_sequence: float | Unset = 0.0
    step_overhead_ms: float | Unset = 0.0

    def to_dict(self) -> dict[str, Any]:
        params = self.params

        gpus = self.gpus

        kv_bytes_per_sequence = self.kv_bytes_per_sequence

        step_overhead_ms = self.step_overhead_ms

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "params": params,
                "gpus": gpus,
            }
        )
        if kv_bytes_per_sequence is not UNSET:
            field_dict["kv_bytes_per_sequence"] = kv_bytes_per_sequence
        if step_overhead_ms is not UNSET:
            field_dict["step_overhead_ms"] = step_overhead_ms

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        params = d.pop("params")

        gpus = d.pop("gpus")

        kv_bytes_per_sequence = d.pop("kv_bytes_per_sequence", UNSET)

        step_overhead_ms = d.pop("step_overhead_ms", UNSET)

        dense_model = cls(
            params=params,
            gpus=gpus,
            kv_bytes_per_sequence=kv_bytes_per_sequence,
            step_overhead_ms=step_overhead_ms,
        )

        return dense_model
