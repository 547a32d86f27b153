from mcp import Client

from ..handwritten.model_router import CandidateModel, Query, RoutePlan, RouteRequest
from .connection import call


async def main(client: Client) -> RoutePlan:
    request = RouteRequest(
        queries=[Query(id="easy", difficulty=0.2), Query(id="hard", difficulty=0.9, output_tokens=900)],
        weak=CandidateModel(name="small", input_price=0.15, output_price=0.6, easiest_quality=0.95, hardest_quality=0.3),
        strong=CandidateModel(name="large", input_price=3.0, output_price=15.0, easiest_quality=0.98, hardest_quality=0.85),
        threshold=0.5,
    )
    return await call(client, "model_router_route", request, RoutePlan)
