from mcp import Client

from ..handwritten.prefix_cache import Plan, PlanRequest
from .connection import call


async def main(client: Client) -> Plan:
    request = PlanRequest(layers=32, kv_heads=8, head_dim=128, memory_bytes=16 * 2**30, sequence_tokens=4096)
    return await call(client, "prefix_cache_plan", request, Plan)
