from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define

from ..models.tune_request_policy import TuneRequestPolicy
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.candidate_model import CandidateModel
    from ..models.query import Query
    from ..models.synthetic_queries import SyntheticQueries


T = TypeVar("T", bound="TuneRequest")


@_attrs_define
class TuneRequest:
    """Queries (given, or made from `synthetic`: exactly one of them), two models, and the one constraint to meet.

    Attributes:
        weak (CandidateModel): A model that a query can be sent to.
        strong (CandidateModel): A model that a query can be sent to.
        queries (list[Query] | Unset): a sample of real queries, up to 1000000; empty where synthetic is given
        synthetic (None | SyntheticQueries | Unset): queries to be made up; null where queries are given
        policy (TuneRequestPolicy | Unset): predictive: one model is called, chosen beforehand (RouteLLM); cascade: the
            weak model is called first, and the strong one after it from the threshold on (FrugalGPT) Default:
            TuneRequestPolicy.PREDICTIVE.
        thresholds (int | Unset): thresholds to try, evenly from none to all strong, count, 2 to 10000 Default: 21.
        min_quality (float | None | Unset): choose the cheapest with at least this mean quality, 0 to 1; null: by
            max_cost
        max_cost (float | None | Unset): choose the best that costs at most this for all queries, US dollars, 0 to
            10^12; null: by min_quality
    """

    weak: CandidateModel
    strong: CandidateModel
    queries: list[Query] | Unset = UNSET
    synthetic: None | SyntheticQueries | Unset = UNSET
    policy: TuneRequestPolicy | Unset = TuneRequestPolicy.PREDICTIVE
    thresholds: int | Unset = 21
    min_quality: float | None | Unset = UNSET
    max_cost: float | None | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        from ..models.synthetic_queries import SyntheticQueries

        weak = self.weak.to_dict()

        strong = self.strong.to_dict()

        queries: list[dict[str, Any]] | Unset = UNSET
        if not isinstance(self.queries, Unset):
            queries = []
            for queries_item_data in self.queries:
                queries_item = queries_item_data.to_dict()
                queries.append(queries_item)

        synthetic: dict[str, Any] | None | Unset
        if isinstance(self.synthetic, Unset):
            synthetic = UNSET
        elif isinstance(self.synthetic, SyntheticQueries):
            synthetic = self.synthetic.to_dict()
        else:
            synthetic = self.synthetic

        policy: str | Unset = UNSET
        if not isinstance(self.policy, Unset):
            policy = self.policy.value

        thresholds = self.thresholds

        min_quality: float | None | Unset
        if isinstance(self.min_quality, Unset):
            min_quality = UNSET
        else:
            min_quality = self.min_quality

        max_cost: float | None | Unset
        if isinstance(self.max_cost, Unset):
            max_cost = UNSET
        else:
            max_cost = self.max_cost

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "weak": weak,
                "strong": strong,
            }
        )
        if queries is not UNSET:
            field_dict["queries"] = queries
        if synthetic is not UNSET:
            field_dict["synthetic"] = synthetic
        if policy is not UNSET:
            field_dict["policy"] = policy
        if thresholds is not UNSET:
            field_dict["thresholds"] = thresholds
        if min_quality is not UNSET:
            field_dict["min_quality"] = min_quality
        if max_cost is not UNSET:
            field_dict["max_cost"] = max_cost

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.candidate_model import CandidateModel
        from ..models.query import Query
        from ..models.synthetic_queries import SyntheticQueries

        d = dict(src_dict)
        weak = CandidateModel.from_dict(d.pop("weak"))

        strong = CandidateModel.from_dict(d.pop("strong"))

        _queries = d.pop("queries", UNSET)
        queries: list[Query] | Unset = UNSET
        if _queries is not UNSET:
            queries = []
            for queries_item_data in _queries:
                queries_item = Query.from_dict(queries_item_data)

                queries.append(queries_item)

        def _parse_synthetic(data: object) -> None | SyntheticQueries | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                synthetic_type_0 = SyntheticQueries.from_dict(data)

                return synthetic_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | SyntheticQueries | Unset, data)

        synthetic = _parse_synthetic(d.pop("synthetic", UNSET))

        _policy = d.pop("policy", UNSET)
        policy: TuneRequestPolicy | Unset
        if isinstance(_policy, Unset):
            policy = UNSET
        else:
            policy = TuneRequestPolicy(_policy)

        thresholds = d.pop("thresholds", UNSET)

        def _parse_min_quality(data: object) -> float | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(float | None | Unset, data)

        min_quality = _parse_min_quality(d.pop("min_quality", UNSET))

        def _parse_max_cost(data: object) -> float | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(float | None | Unset, data)

        max_cost = _parse_max_cost(d.pop("max_cost", UNSET))

        tune_request = cls(
            weak=weak,
            strong=strong,
            queries=queries,
            synthetic=synthetic,
            policy=policy,
            thresholds=thresholds,
            min_quality=min_quality,
            max_cost=max_cost,
        )

        return tune_request
