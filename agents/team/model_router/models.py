"""What the model router agent is asked and what it answers. Money is in US dollars."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from ...events import MAX_INTEGER, Frozen, Given

Policy = Literal["predictive", "cascade"]
_POLICY = (
    "predictive: one model is called, chosen beforehand (RouteLLM); cascade: the weak model is called first, and the strong "
    "one after it from the threshold on (FrugalGPT)"
)


class Query(Given):
    """A query that is to be sent to one of two models."""

    id: str = Field(min_length=1, max_length=200, description="names the query in the answer, 1 to 200 characters")
    difficulty: float = Field(ge=0, le=1, description="a router's score, 0 (easiest) to 1 (hardest)")
    input_tokens: int = Field(default=500, ge=0, le=10**9, description="prompt length, tokens, 0 to 10^9")
    output_tokens: int = Field(default=300, ge=0, le=10**9, description="expected answer length, tokens, 0 to 10^9")


class CandidateModel(Given):
    """A model that a query can be sent to."""

    name: str = Field(min_length=1, max_length=200, description="the model's name, 1 to 200 characters")
    input_price: float = Field(ge=0, le=1e6, description="price of the prompt, US dollars per million tokens, 0 to 10^6")
    output_price: float = Field(ge=0, le=1e6, description="price of the answer, US dollars per million tokens, 0 to 10^6")
    easiest_quality: float = Field(
        ge=0,
        le=1,
        description="probability of a good answer at difficulty 0, 0 to 1; between the two it is linear in difficulty",
    )
    hardest_quality: float = Field(ge=0, le=1, description="probability of a good answer at difficulty 1, 0 to 1")
    first_token_ms: float = Field(default=0.0, ge=0, le=1e9, description="time to the first token, milliseconds, 0 to 10^9")
    ms_per_output_token: float = Field(
        default=0.0, ge=0, le=1e6, description="time per token of the answer, milliseconds, 0 to 10^6"
    )


class RouteRequest(Given):
    """Queries, two models and the difficulty from which the strong one is used."""

    queries: list[Query] = Field(
        min_length=1, max_length=1_000_000, description="the queries, 1 to 1000000, each with its own id"
    )
    weak: CandidateModel = Field(description="the cheaper model")
    strong: CandidateModel = Field(description="the better model")
    threshold: float = Field(
        ge=0, le=2, description="queries of this difficulty or more go to the strong model, 0 (all) to 2 (any above 1: none)"
    )
    policy: Policy = Field(default="predictive", description=_POLICY)

    @model_validator(mode="after")
    def _distinct_ids(self) -> Self:
        _require_distinct(self.queries)
        return self


class Assignment(Frozen):
    """Where one query goes."""

    query_id: str = Field(description="the query's id")
    model: str = Field(description="the name of the model whose answer is used")
    cost: float = Field(ge=0, description="US dollars, of both calls where a cascade makes two")
    expected_quality: float = Field(ge=0, le=1, description="probability of a good answer, 0 to 1")
    latency_ms: float = Field(ge=0, description="time to the whole answer, milliseconds")


class RoutePlan(Frozen):
    """The assignment of every query, and what it comes to."""

    assignments: list[Assignment] = Field(description="one per query, in the order given")
    cost: float = Field(ge=0, description="US dollars for all queries")
    expected_quality: float = Field(ge=0, le=1, description="mean probability of a good answer, 0 to 1")
    mean_latency_ms: float = Field(ge=0, description="mean time to the whole answer, milliseconds")
    max_latency_ms: float = Field(ge=0, description="longest time to the whole answer, milliseconds")
    strong_share: float = Field(ge=0, le=1, description="queries that go to the strong model / all queries, 0 to 1")
    cost_saving: float = Field(
        le=1, description="1 - cost / cost of sending all to the strong model, at most 1; 0 where that is free"
    )


class SyntheticQueries(Given):
    """Made-up queries: most are easy, few are hard (Beta(2, 3) difficulties). The same values give the same queries."""

    seed: int = Field(default=0, ge=0, le=MAX_INTEGER, description="seed of the random numbers, 0 to 2^53-1")
    query_count: int = Field(default=1000, ge=1, le=1_000_000, description="queries, count, 1 to 1000000")


class TuneRequest(Given):
    """Queries (given, or made from `synthetic`: exactly one of them), two models, and the one constraint to meet."""

    queries: list[Query] = Field(
        default=[], max_length=1_000_000, description="a sample of real queries, up to 1000000; empty where synthetic is given"
    )
    synthetic: SyntheticQueries | None = Field(default=None, description="queries to be made up; null where queries are given")
    weak: CandidateModel = Field(description="the cheaper model")
    strong: CandidateModel = Field(description="the better model")
    policy: Policy = Field(default="predictive", description=_POLICY)
    thresholds: int = Field(
        default=21, ge=2, le=10_000, description="thresholds to try, evenly from none to all strong, count, 2 to 10000"
    )
    min_quality: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="choose the cheapest with at least this mean quality, 0 to 1; null: by max_cost",
    )
    max_cost: float | None = Field(
        default=None,
        ge=0,
        le=1e12,
        description="choose the best that costs at most this for all queries, US dollars, 0 to 10^12; null: by min_quality",
    )

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if self.queries and self.synthetic is not None:
            raise _complaint(("synthetic",), "given", "queries or synthetic is given, not both")
        if not self.queries and self.synthetic is None:
            raise _complaint(("queries",), "empty", "give at least one query, or synthetic")
        if self.min_quality is not None and self.max_cost is not None:
            raise _complaint(("max_cost",), self.max_cost, "min_quality or max_cost is given, not both")
        if self.min_quality is None and self.max_cost is None:
            raise _complaint(("min_quality",), None, "give min_quality or max_cost")
        _require_distinct(self.queries)
        return self


class FrontierPoint(Frozen):
    """What one threshold comes to."""

    threshold: float = Field(ge=0, description="queries of this difficulty or more go to the strong model; above 1: none")
    cost: float = Field(ge=0, description="US dollars for all queries")
    quality: float = Field(ge=0, le=1, description="mean probability of a good answer, 0 to 1")
    mean_latency_ms: float = Field(ge=0, description="mean time to the whole answer, milliseconds")
    strong_share: float = Field(ge=0, le=1, description="queries that go to the strong model / all queries, 0 to 1")


class Tuned(Frozen):
    """The cost-quality frontier and the threshold chosen on it."""

    frontier: list[FrontierPoint] = Field(description="the points that no other beats in both cost and quality, cheapest first")
    tried: int = Field(ge=0, description="thresholds tried, count")
    chosen: FrontierPoint | None = Field(description="the point that meets the constraint best; null: none meets it")
    reason: str = Field(description="one sentence: why this one, or why none")


def _require_distinct(queries: list[Query]) -> None:
    seen: set[str] = set()
    for index, query in enumerate(queries):
        if query.id in seen:
            raise _complaint(("queries", index, "id"), query.id, "an id that no other query has")
        seen.add(query.id)


def _complaint(loc: tuple[str | int, ...], value: object, accepted: str) -> ValidationError:
    """A validation error that names the field it is about; one raised by hand would name only the whole request."""
    error = PydanticCustomError("queries", "{accepted}", {"accepted": accepted})
    details: list[Any] = [InitErrorDetails(type=error, loc=loc, input=value)]
    return ValidationError.from_exception_data("RouteRequest", details)
