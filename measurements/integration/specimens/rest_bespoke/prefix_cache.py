import httpx

from ..handwritten.prefix_cache import Plan, PlanRequest
from .connection import call


async def main(client: httpx.AsyncClient) -> Plan:
    request = PlanRequest(layers=32, kv_heads=8, head_dim=128, memory_bytes=16 * 2**30, sequence_tokens=4096)
    return await call(client, "/agents/prefix_cache/skills/plan", request, Plan)
