"""What the mixture-of-experts agent is asked and what it answers."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from ...events import Frozen, Given


class MoeModel(Given):
    """A mixture-of-experts model and the GPUs it runs on."""

    total_params: float = Field(ge=1, le=1e15, description="all parameters, count, 1 to 10^15 (671e9 for DeepSeek-V3)")
    active_params: float = Field(
        ge=1, le=1e15, description="parameters that compute one token, count, 1 to total_params (37e9 for DeepSeek-V3)"
    )
    experts: int = Field(ge=2, le=100_000, description="routed experts of a layer, E, count, 2 to 100000")
    experts_per_token: int = Field(
        ge=1, le=100_000, description="experts that the router picks for a token, k, count, 1 to experts - 1"
    )
    imbalance: float = Field(
        default=1.0,
        ge=1,
        le=1000,
        description="load of the busiest GPU's experts / mean load, ratio, 1 (even) to 1000; every step waits for the busiest",
    )
    gpus: int = Field(ge=1, le=100_000, description="GPUs of the deployment, count, 1 to 100000")
    kv_bytes_per_sequence: float = Field(
        default=0.0, ge=0, le=1e15, description="KV cache that a step reads for each sequence, bytes, 0 to 10^15"
    )
    step_overhead_ms: float = Field(
        default=0.0,
        ge=0,
        le=1e6,
        description="time of a step that neither term covers (all-to-all, launches), milliseconds, 0 to 10^6",
    )


class DenseModel(Given):
    """A dense model and the GPUs it runs on."""

    params: float = Field(ge=1, le=1e15, description="parameters, count, 1 to 10^15 (70e9 for Llama 3 70B)")
    gpus: int = Field(ge=1, le=100_000, description="GPUs of the deployment, count, 1 to 100000")
    kv_bytes_per_sequence: float = Field(
        default=0.0, ge=0, le=1e15, description="KV cache that a step reads for each sequence, bytes, 0 to 10^15"
    )
    step_overhead_ms: float = Field(
        default=0.0,
        ge=0,
        le=1e6,
        description="time of a step that neither term covers (all-reduce, launches), milliseconds, 0 to 10^6",
    )


class Gpu(Given):
    """One GPU, the same for both deployments."""

    memory_bandwidth_bytes_per_s: float = Field(
        ge=1,
        le=1e18,
        description="attained memory bandwidth, bytes per second, 1 to 10^18 (3.35e12 at most for an H100 SXM)",
    )
    flops_per_s: float = Field(
        ge=1,
        le=1e21,
        description="attained floating point operations per second, 1 to 10^21 (989e12 at most for an H100 SXM, bf16)",
    )
    memory_bytes: float = Field(ge=1, le=1e15, description="memory, bytes, 1 to 10^15 (80e9 for an H100)")
    price_per_hour: float = Field(ge=1e-6, le=1e6, description="price, US dollars per hour, 10^-6 to 10^6")


class EstimateRequest(Given):
    """Two deployments for the same traffic: so many sequences decoded at once."""

    moe: MoeModel = Field(description="the mixture-of-experts deployment")
    dense: DenseModel = Field(description="the dense deployment")
    gpu: Gpu = Field(description="the GPU of both")
    bytes_per_param: float = Field(
        default=2.0, ge=0.01, le=16, description="bytes of a weight, 0.01 to 16 (2 for bf16, 1 for fp8)"
    )
    concurrency: float = Field(
        default=64.0,
        ge=1,
        le=1e7,
        description="sequences decoded at once, count, 1 to max_concurrency: where both costs are told",
    )
    max_concurrency: float = Field(
        default=65_536.0, ge=1, le=1e7, description="the largest concurrency to look for a break-even at, count, 1 to 10^7"
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        moe, total = self.moe, self.moe.total_params
        if moe.experts_per_token >= moe.experts:
            raise _complaint(
                ("moe", "experts_per_token"), moe.experts_per_token, f"1 to experts - 1, which is {moe.experts - 1}"
            )
        if not moe.experts_per_token / moe.experts * total <= moe.active_params < total:
            accepted = f"at least total_params * experts_per_token / experts = {total * moe.experts_per_token / moe.experts:g}"
            raise _complaint(("moe", "active_params"), moe.active_params, f"{accepted}, and below total_params = {total:g}")
        for name, params, gpus in (("moe", total, moe.gpus), ("dense", self.dense.params, self.dense.gpus)):
            if params * self.bytes_per_param > gpus * self.gpu.memory_bytes:
                raise _complaint(
                    (name, "gpus"), gpus, f"as many GPUs as hold {params * self.bytes_per_param:g} bytes of weights"
                )
        if self.concurrency > self.max_concurrency:
            raise _complaint(("concurrency",), self.concurrency, f"1 to max_concurrency, which is {self.max_concurrency:g}")
        return self


Bound = Literal["memory", "compute"]
Winner = Literal["moe", "dense", "tie"]


class Terms(Frozen):
    """The terms that decide one deployment's cost at `concurrency`."""

    memory_ms: float = Field(ge=0, description="time to read what a step reads (weights and KV cache), milliseconds")
    compute_ms: float = Field(ge=0, description="time to compute what a step computes, milliseconds")
    overhead_ms: float = Field(ge=0, description="the step's fixed overhead, milliseconds")
    step_ms: float = Field(
        gt=0, description="time of a decode step: the greater of memory and compute, and the overhead, milliseconds"
    )
    bound: Bound = Field(description="memory or compute: which of the two terms is the greater")
    weight_bytes: float = Field(ge=0, description="weights that a step reads, bytes")
    flops: float = Field(ge=0, description="operations of a step, count, imbalance included")
    arithmetic_intensity: float = Field(ge=0, description="operations per byte read, the roofline's horizontal axis")
    tokens_per_s: float = Field(gt=0, description="tokens decoded per second by the deployment")
    tokens_per_dollar: float = Field(gt=0, description="tokens decoded per US dollar: tokens per second per dollar per second")
    cost_per_million_tokens: float = Field(gt=0, description="US dollars per million tokens")


class Crossing(Frozen):
    """A concurrency at which the two cost curves cross."""

    concurrency: float = Field(ge=1, description="sequences decoded at once, count")
    cost_per_million_tokens: float = Field(gt=0, description="what both cost there, US dollars per million tokens")
    tokens_per_s: float = Field(gt=0, description="what the mixture of experts decodes there, tokens per second")
    cheaper_above: Winner = Field(description="which is the cheaper just above it")


class Estimate(Frozen):
    """Which deployment is the cheaper at the given traffic, and where that changes."""

    cheaper: Winner = Field(description="which is the cheaper at `concurrency`; tie: equal to 9 digits")
    cost_ratio: float = Field(
        gt=0, description="cost of the mixture of experts / cost of the dense model at `concurrency`, ratio"
    )
    moe: Terms = Field(description="the mixture of experts at `concurrency`")
    dense: Terms = Field(description="the dense model at `concurrency`")
    expected_experts: float = Field(
        ge=0, description="distinct experts of a layer that a step is expected to touch, count, of `experts`"
    )
    active_fraction: float = Field(ge=0, le=1, description="active_params / total_params, 0 to 1")
    imbalance_penalty_ms: float = Field(ge=0, description="time of a step that the imbalance costs, milliseconds")
    ridge_flops_per_byte: float = Field(
        gt=0, description="arithmetic intensity above which the GPU is bound by compute, operations per byte"
    )
    break_even_concurrency: float | None = Field(
        ge=1, description="the last concurrency up to max_concurrency at which the costs cross, count; null: they do not"
    )
    cheaper_below: Winner = Field(description="the cheaper one just below the break-even, or everywhere where there is none")
    cheaper_above: Winner = Field(
        description="the cheaper one from the break-even up to max_concurrency, or everywhere where there is none"
    )
    crossings: list[Crossing] = Field(description="every crossing from 1 to max_concurrency, in order")
    reason: str = Field(description="one sentence: what decides it, or why there is no break-even")


def _complaint(loc: tuple[str, ...], value: object, accepted: str) -> ValidationError:
    """A validation error that names the field it is about; one raised by hand would name only the whole request."""
    error = PydanticCustomError("deployment", "{accepted}", {"accepted": accepted})
    details: list[Any] = [InitErrorDetails(type=error, loc=loc, input=value)]
    return ValidationError.from_exception_data("EstimateRequest", details)
