from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.dense_model import DenseModel
    from ..models.gpu import Gpu
    from ..models.moe_model import MoeModel


T = TypeVar("T", bound="EstimateRequest")


@_attrs_define
class EstimateRequest:
    """Two deployments for the same traffic: so many sequences decoded at once.

    Attributes:
        moe (MoeModel): A mixture-of-experts model and the GPUs it runs on.
        dense (DenseModel): A dense model and the GPUs it runs on.
        gpu (Gpu): One GPU, the same for both deployments.
        bytes_per_param (float | Unset): bytes of a weight, 0.01 to 16 (2 for bf16, 1 for fp8) Default: 2.0.
        concurrency (float | Unset): sequences decoded at once, count, 1 to max_concurrency: where both costs are told
            Default: 64.0.
        max_concurrency (float | Unset): the largest concurrency to look for a break-even at, count, 1 to 10^7 Default:
            65536.0.
    """

    moe: MoeModel
    dense: DenseModel
    gpu: Gpu
    bytes_per_param: float | Unset = 2.0
    concurrency: float | Unset = 64.0
    max_concurrency: float | Unset = 65536.0

    def to_dict(self) -> dict[str, Any]:
        moe = self.moe.to_dict()

        dense = self.dense.to_dict()

        gpu = self.gpu.to_dict()

        bytes_per_param = self.bytes_per_param

        concurrency = self.concurrency

        max_concurrency = self.max_concurrency

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "moe": moe,
                "dense": dense,
                "gpu": gpu,
            }
        )
        if bytes_per_param is not UNSET:
            field_dict["bytes_per_param"] = bytes_per_param
        if concurrency is not UNSET:
            field_dict["concurrency"] = concurrency
        if max_concurrency is not UNSET:
            field_dict["max_concurrency"] = max_concurrency

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.dense_model import DenseModel
        from ..models.gpu import Gpu
        from ..models.moe_model import MoeModel

        d = dict(src_dict)
        moe = MoeModel.from_dict(d.pop("moe"))

        dense = DenseModel.from_dict(d.pop("dense"))

        gpu = Gpu.from_dict(d.pop("gpu"))

        bytes_per_param = d.pop("bytes_per_param", UNSET)

        concurrency = d.pop("concurrency", UNSET)

        max_concurrency = d.pop("max_concurrency", UNSET)

        estimate_request = cls(
            moe=moe,
            dense=dense,
            gpu=gpu,
            bytes_per_param=bytes_per_param,
            concurrency=concurrency,
            max_concurrency=max_concurrency,
        )

        return estimate_request
