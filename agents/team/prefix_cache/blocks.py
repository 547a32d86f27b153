"""How many blocks of a KV cache fit into memory.

A token's keys and values take `2 * layers * kv_heads * head_dim * element_bytes` bytes (the factor 2: one key, one value).
Under tensor parallelism each GPU holds `kv_heads / tensor_parallel` heads, or one where there are more GPUs than heads,
since a head is then replicated.

Source: Kwon et al., "Efficient Memory Management for Large Language Model Serving with PagedAttention" (SOSP 2023),
section 3; vLLM, `ModelConfig.get_num_kv_heads` for the replication. Models that cache a compressed latent instead of heads
(multi-head latent attention) do not follow this formula.
"""

from __future__ import annotations

ELEMENT_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "fp8": 1, "int8": 1}


def heads_per_gpu(kv_heads: int, tensor_parallel: int) -> int | None:
    """Heads that each GPU holds; None where the heads cannot be shared out evenly."""
    if kv_heads >= tensor_parallel:
        return kv_heads // tensor_parallel if kv_heads % tensor_parallel == 0 else None
    return 1 if tensor_parallel % kv_heads == 0 else None


def bytes_per_token(layers: int, heads: int, head_dim: int, element_bytes: int) -> int:
    """Bytes on each GPU for one token's keys and values in `heads` heads of every layer."""
    return 2 * layers * heads * head_dim * element_bytes
