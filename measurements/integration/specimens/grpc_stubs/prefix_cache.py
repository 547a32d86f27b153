# pyright: standard
# The stubs that protoc writes for Python carry no types: the return annotation is where this call gets its own.
import grpc.aio

from .....proto.prefix_cache_pb2 import Plan, PlanRequest
from .....proto.prefix_cache_pb2_grpc import PrefixCacheStub


async def main(channel: grpc.aio.Channel) -> Plan:
    request = PlanRequest(layers=32, kv_heads=8, head_dim=128, memory_bytes=16 * 2**30, sequence_tokens=4096)
    return await PrefixCacheStub(channel).Plan(request)
