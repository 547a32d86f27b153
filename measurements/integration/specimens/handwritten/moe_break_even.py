from typing import Literal

from pydantic import BaseModel

Winner = Literal["moe", "dense", "tie"]


class MoeModel(BaseModel):
    total_params: float
    active_params: float
    experts: int
    experts_per_token: int
    imbalance: float = 1.0
    gpus: int
    kv_bytes_per_sequence: float = 0.0
    step_overhead_ms: float = 0.0


class DenseModel(BaseModel):
    params: float
    gpus: int
    kv_bytes_per_sequence: float = 0.0
    step_overhead_ms: float = 0.0


class Gpu(BaseModel):
    memory_bandwidth_bytes_per_s: float
    flops_per_s: float
    memory_bytes: float
    price_per_hour: float


class EstimateRequest(BaseModel):
    moe: MoeModel
    dense: DenseModel
    gpu: Gpu
    bytes_per_param: float = 2.0
    concurrency: float = 64.0
    max_concurrency: float = 65536.0


class Terms(BaseModel):
    memory_ms: float
    compute_ms: float
    overhead_ms: float
    step_ms: float
    bound: Literal["memory", "compute"]
    weight_bytes: float
    flops: float
    arithmetic_intensity: float
    tokens_per_s: float
    tokens_per_dollar: float
    cost_per_million_tokens: float


class Crossing(BaseModel):
    concurrency: float
    cost_per_million_tokens: float
    tokens_per_s: float
    cheaper_above: Winner


class Estimate(BaseModel):
    cheaper: Winner
    cost_ratio: float
    moe: Terms
    dense: Terms
    expected_experts: float
    active_fraction: float
    imbalance_penalty_ms: float
    ridge_flops_per_byte: float
    break_even_concurrency: float | None
    cheaper_below: Winner
    cheaper_above: Winner
    crossings: list[Crossing]
    reason: str
