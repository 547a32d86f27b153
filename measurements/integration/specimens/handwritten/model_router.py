from typing import Literal

from pydantic import BaseModel


class Query(BaseModel):
    id: str
    difficulty: float
    input_tokens: int = 500
    output_tokens: int = 300


class CandidateModel(BaseModel):
    name: str
    input_price: float
    output_price: float
    easiest_quality: float
    hardest_quality: float
    first_token_ms: float = 0.0
    ms_per_output_token: float = 0.0


class RouteRequest(BaseModel):
    queries: list[Query]
    weak: CandidateModel
    strong: CandidateModel
    threshold: float
    policy: Literal["predictive", "cascade"] = "predictive"


class Assignment(BaseModel):
    query_id: str
    model: str
    cost: float
    expected_quality: float
    latency_ms: float


class RoutePlan(BaseModel):
    assignments: list[Assignment]
    cost: float
    expected_quality: float
    mean_latency_ms: float
    max_latency_ms: float
    strong_share: float
    cost_saving: float
