from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define

T = TypeVar("T", bound="Gpu")


@_attrs_define
class Gpu:
    """One GPU, the same for both deployments.

    Attributes:
        memory_bandwidth_bytes_per_s (float): attained memory bandwidth, bytes per second, 1 to 10^18 (3.35e12 at most
            for an H100 SXM)
        flops_per_s (float): attained floating point operations per second, 1 to 10^21 (989e12 at most for an H100 SXM,
            bf16)
        memory_bytes (float): memory, bytes, 1 to 10^15 (80e9 for an H100)
        price_per_hour (float): price, US dollars per hour, 10^-6 to 10^6
    """

    memory_bandwidth_bytes_per_s: float
    flops_per_s: float
    memory_bytes: float
    price_per_hour: float

    def to_dict(self) -> dict[str, Any]:
        memory_bandwidth_bytes_per_s = self.memory_bandwidth_bytes_per_s

        flops_per_s = self.flops_per_s

        memory_bytes = self.memory_bytes

        price_per_hour = self.price_per_hour

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "memory_bandwidth_bytes_per_s": memory_bandwidth_bytes_per_s,
                "flops_per_s": flops_per_s,
                "memory_bytes": memory_bytes,
                "price_per_hour": price_per_hour,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        memory_bandwidth_bytes_per_s = d.pop("memory_bandwidth_bytes_per_s")

        flops_per_s = d.pop("flops_per_s")

        memory_bytes = d.pop("memory_bytes")

        price_per_hour = d.pop("price_per_hour")

        gpu = cls(
            memory_bandwidth_bytes_per_s=memory_bandwidth_bytes_per_s,
            flops_per_s=flops_per_s,
            memory_bytes=memory_bytes,
            price_per_hour=price_per_hour,
        )

        return gpu
