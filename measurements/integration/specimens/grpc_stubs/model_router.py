# pyright: standard
# The stubs that protoc writes for Python carry no types: the return annotation is where this call gets its own.
import grpc.aio

from .....proto.model_router_pb2 import CandidateModel, Query, RoutePlan, RouteRequest
from .....proto.model_router_pb2_grpc import ModelRouterStub


async def main(channel: grpc.aio.Channel) -> RoutePlan:
    request = RouteRequest(
        queries=[Query(id="easy", difficulty=0.2), Query(id="hard", difficulty=0.9, output_tokens=900)],
        weak=CandidateModel(name="small", input_price=0.15, output_price=0.6, easiest_quality=0.95, hardest_quality=0.3),
        strong=CandidateModel(name="large", input_price=3.0, output_price=15.0, easiest_quality=0.98, hardest_quality=0.85),
        threshold=0.5,
    )
    return await ModelRouterStub(channel).Route(request)
