from ...generated.sametask_client import Client
from ...generated.sametask_client.api.model_router import model_router_route
from ...generated.sametask_client.models import CandidateModel, Query, RoutePlan, RouteRequest
from .connection import accept


async def main(client: Client) -> RoutePlan:
    request = RouteRequest(
        queries=[Query(id="easy", difficulty=0.2), Query(id="hard", difficulty=0.9, output_tokens=900)],
        weak=CandidateModel(name="small", input_price=0.15, output_price=0.6, easiest_quality=0.95, hardest_quality=0.3),
        strong=CandidateModel(name="large", input_price=3.0, output_price=15.0, easiest_quality=0.98, hardest_quality=0.85),
        threshold=0.5,
    )
    return accept(await model_router_route.asyncio(client=client, body=request))
