from ...generated.sametask_client import Client
from ...generated.sametask_client.api.prefix_cache import prefix_cache_plan
from ...generated.sametask_client.models import Plan, PlanRequest
from .connection import accept


async def main(client: Client) -> Plan:
    request = PlanRequest(layers=32, kv_heads=8, head_dim=128, memory_bytes=16 * 2**30, sequence_tokens=4096)
    return accept(await prefix_cache_plan.asyncio(client=client, body=request))
