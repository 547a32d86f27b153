from typing import Literal

from pydantic import BaseModel


class PlanRequest(BaseModel):
    layers: int
    kv_heads: int
    head_dim: int
    dtype: Literal["float32", "float16", "bfloat16", "fp8", "int8"] = "bfloat16"
    tensor_parallel: int = 1
    block_tokens: int = 16
    memory_bytes: int
    sequence_tokens: int | None = None


class Plan(BaseModel):
    bytes_per_token: int
    bytes_per_block: int
    blocks: int
    context_tokens: int
    unused_bytes: int
    sequences: int | None
