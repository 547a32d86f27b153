from mcp import Client

from ..handwritten.moe_break_even import DenseModel, Estimate, EstimateRequest, Gpu, MoeModel
from .connection import call


async def main(client: Client) -> Estimate:
    request = EstimateRequest(
        moe=MoeModel(total_params=671e9, active_params=37e9, experts=256, experts_per_token=8, gpus=24),
        dense=DenseModel(params=70e9, gpus=4),
        gpu=Gpu(memory_bandwidth_bytes_per_s=3.35e12, flops_per_s=989e12, memory_bytes=80e9, price_per_hour=2.5),
        concurrency=256.0,
    )
    return await call(client, "moe_break_even_estimate", request, Estimate)
