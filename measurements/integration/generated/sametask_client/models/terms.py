from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define

from ..models.terms_bound import TermsBound

T = TypeVar("T", bound="Terms")


@_attrs_define
class Terms:
    """The terms that decide one deployment's cost at `concurrency`.

    Attributes:
        memory_ms (float): time to read what a step reads (weights and KV cache), milliseconds
        compute_ms (float): time to compute what a step computes, milliseconds
        overhead_ms (float): the step's fixed overhead, milliseconds
        step_ms (float): time of a decode step: the greater of memory and compute, and the overhead, milliseconds
        bound (TermsBound): memory or compute: which of the two terms is the greater
        weight_bytes (float): weights that a step reads, bytes
        flops (float): operations of a step, count, imbalance included
        arithmetic_intensity (float): operations per byte read, the roofline's horizontal axis
        tokens_per_s (float): tokens decoded per second by the deployment
        tokens_per_dollar (float): tokens decoded per US dollar: tokens per second per dollar per second
        cost_per_million_tokens (float): US dollars per million tokens
    """

    memory_ms: float
    compute_ms: float
    overhead_ms: float
    step_ms: float
    bound: TermsBound
    weight_bytes: float
    flops: float
    arithmetic_intensity: float
    tokens_per_s: float
    tokens_per_dollar: float
    cost_per_million_tokens: float

    def to_dict(self) -> dict[str, Any]:
        memory_ms = self.memory_ms

        compute_ms = self.compute_ms

        overhead_ms = self.overhead_ms

        step_ms = self.step_ms

        bound = self.bound.value

        weight_bytes = self.weight_bytes

        flops = self.flops

        arithmetic_intensity = self.arithmetic_intensity

        tokens_per_s = self.tokens_per_s

        tokens_per_dollar = self.tokens_per_dollar

        cost_per_million_tokens = self.cost_per_million_tokens

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "memory_ms": memory_ms,
                "compute_ms": compute_ms,
                "overhead_ms": overhead_ms,
                "step_ms": step_ms,
                "bound": bound,
                "weight_bytes": weight_bytes,
                "flops": flops,
                "arithmetic_intensity": arithmetic_intensity,
                "tokens_per_s": tokens_per_s,
                "tokens_per_dollar": tokens_per_dollar,
                "cost_per_million_tokens": cost_per_million_tokens,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        memory_ms = d.pop("memory_ms")

        compute_ms = d.pop("compute_ms")

        overhead_ms = d.pop("overhead_ms")

        step_ms = d.pop("step_ms")

        bound = TermsBound(d.pop("bound"))

        weight_bytes = d.pop("weight_bytes")

        flops = d.pop("flops")

        arithmetic_intensity = d.pop("arithmetic_intensity")

        tokens_per_s = d.pop("tokens_per_s")

        tokens_per_dollar = d.pop("tokens_per_dollar")

        cost_per_million_tokens = d.pop("cost_per_million_tokens")

        terms = cls(
            memory_ms=memory_ms,
            compute_ms=compute_ms,
            overhead_ms=overhead_ms,
            step_ms=step_ms,
            bound=bound,
            weight_bytes=weight_bytes,
            flops=flops,
            arithmetic_intensity=arithmetic_intensity,
            tokens_per_s=tokens_per_s,
            tokens_per_dollar=tokens_per_dollar,
            cost_per_million_tokens=cost_per_million_tokens,
        )

        return terms
