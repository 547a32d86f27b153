from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define

from ..models.route_request_policy import RouteRequestPolicy
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.candidate_model import CandidateModel
    from ..models.query import Query


T = TypeVar("T", bound="RouteRequest")


@_attrs_define
class RouteRequest:
    """Queries, two models and the difficulty from which the strong one is used.

    Attributes:
        queries (list[Query]): the queries, 1 to 1000000, each with its own id
        weak (CandidateModel): A model that a query can be sent to.
        strong (CandidateModel): A model that a query can be sent to.
        threshold (float): queries of this difficulty or more go to the strong model, 0 (all) to 2 (any above 1: none)
        policy (RouteRequestPolicy | Unset): predictive: one model is called, chosen beforehand (RouteLLM); cascade: the
            weak model is called first, and the strong one after it from the threshold on (FrugalGPT) Default:
            RouteRequestPolicy.PREDICTIVE.
    """

    queries: list[Query]
    weak: CandidateModel
    strong: CandidateModel
    threshold: float
    policy: RouteRequestPolicy | Unset = RouteRequestPolicy.PREDICTIVE

    def to_dict(self) -> dict[str, Any]:
        queries = []
        for queries_item_data in self.queries:
            queries_item = queries_item_data.to_dict()
            queries.append(queries_item)

        weak = self.weak.to_dict()

        strong = self.strong.to_dict()

        threshold = self.threshold

        policy: str | Unset = UNSET
        if not isinstance(self.policy, Unset):
            policy = self.policy.value

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "queries": queries,
                "weak": weak,
                "strong": strong,
                "threshold": threshold,
            }
        )
        if policy is not UNSET:
            field_dict["policy"] = policy

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.candidate_model import CandidateModel
        from ..models.query import Query

        d = dict(src_dict)
        queries = []
        _queries = d.pop("queries")
        for queries_item_data in _queries:
            queries_item = Query.from_dict(queries_item_data)

            queries.append(queries_item)

        weak = CandidateModel.from_dict(d.pop("weak"))

        strong = CandidateModel.from_dict(d.pop("strong"))

        threshold = d.pop("threshold")

        _policy = d.pop("policy", UNSET)
        policy: RouteRequestPolicy | Unset
        if isinstance(_policy, Unset):
            policy = UNSET
        else:
            policy = RouteRequestPolicy(_policy)

        route_request = cls(
            queries=queries,
            weak=weak,
            strong=strong,
            threshold=threshold,
            policy=policy,
        )

        return route_request
