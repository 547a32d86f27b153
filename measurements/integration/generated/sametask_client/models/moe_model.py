from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define

from ..types import UNSET, Unset

T = TypeVar("T", bound="MoeModel")


@_attrs_define
class MoeModel:
    """A mixture-of-experts model and the GPUs it runs on.

    Attributes:
        total_params (float): all parameters, count, 1 to 10^15 (671e9 for DeepSeek-V3)
        active_params (float): parameters that compute one token, count, 1 to total_params (37e9 for DeepSeek-V3)
        experts (int): routed experts of a layer, E, count, 2 to 100000
        experts_per_token (int): experts that the router picks for a token, k, count, 1 to experts - 1
        gpus (int): GPUs of the deployment, count, 1 to 100000
        imbalance (float | Unset): load of the busiest GPU's experts / mean load, ratio, 1 (even) to 1000; every step
            waits for the busiest Default: 1.0.
        kv_bytes_per_sequence (float | Unset): KV cache that a step reads for each sequence, bytes, 0 to 10^15 Default:
            0.0.
        step_overhead_ms (float | Unset): time of a step that neither term covers (all-to-all, launches), milliseconds,
            0 to 10^6 Default: 0.0.
    """

    total_params: float
    active_params: float
    experts: int
    experts_per_token: int
    gpus: int
    imbalance: float | Unset = 1.0
    kv_bytes_per_sequence: float | Unset = 0.0
    step_overhead_ms: float | Unset = 0.0

    def to_dict(self) -> dict[str, Any]:
        total_params = self.total_params

        active_params = self.active_params

        experts = self.experts

        experts_per_token = self.experts_per_token

        gpus = self.gpus

        imbalance = self.imbalance

        kv_bytes_per_sequence = self.kv_bytes_per_sequence

        step_overhead_ms = self.step_overhead_ms

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "total_params": total_params,
                "active_params": active_params,
                "experts": experts,
                "experts_per_token": experts_per_token,
                "gpus": gpus,
            }
        )
        if imbalance is not UNSET:
            field_dict["imbalance"] = imbalance
        if kv_bytes_per_sequence is not UNSET:
            field_dict["kv_bytes_per_sequence"] = kv_bytes_per_sequence
        if step_overhead_ms is not UNSET:
            field_dict["step_overhead_ms"] = step_overhead_ms

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        total_params = d.pop("total_params")

        active_params = d.pop("active_params")

        experts = d.pop("experts")

        experts_per_token = d.pop("experts_per_token")

        gpus = d.pop("gpus")

        imbalance = d.pop("imbalance", UNSET)

        kv_bytes_per_sequence = d.pop("kv_bytes_per_sequence", UNSET)

        step_overhead_ms = d.pop("step_overhead_ms", UNSET)

        moe_model = cls(
            total_params=total_params,
            active_params=active_params,
            experts=experts,
            experts_per_token=experts_per_token,
            gpus=gpus,
            imbalance=imbalance,
            kv_bytes_per_sequence=kv_bytes_per_sequence,
            step_overhead_ms=step_overhead_ms,
        )

        return moe_model
