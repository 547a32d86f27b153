from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define

from ..models.estimate_cheaper import EstimateCheaper
from ..models.estimate_cheaper_above import EstimateCheaperAbove
from ..models.estimate_cheaper_below import EstimateCheaperBelow

if TYPE_CHECKING:
    from ..models.crossing import Crossing
    from ..models.terms import Terms


T = TypeVar("T", bound="Estimate")


@_attrs_define
class Estimate:
    """Which deployment is the cheaper at the given traffic, and where that changes.

    Attributes:
        cheaper (EstimateCheaper): which is the cheaper at `concurrency`; tie: equal to 9 digits
        cost_ratio (float): cost of the mixture of experts / cost of the dense model at `concurrency`, ratio
        moe (Terms): The terms that decide one deployment's cost at `concurrency`.
        dense (Terms): The terms that decide one deployment's cost at `concurrency`.
        expected_experts (float): distinct experts of a layer that a step is expected to touch, count, of `experts`
        active_fraction (float): active_params / total_params, 0 to 1
        imbalance_penalty_ms (float): time of a step that the imbalance costs, milliseconds
        ridge_flops_per_byte (float): arithmetic intensity above which the GPU is bound by compute, operations per byte
        break_even_concurrency (float | None): the last concurrency up to max_concurrency at which the costs cross,
            count; null: they do not
        cheaper_below (EstimateCheaperBelow): the cheaper one just below the break-even, or everywhere where there is
            none
        cheaper_above (EstimateCheaperAbove): the cheaper one from the break-even up to max_concurrency, or everywhere
            where there is none
        crossings (list[Crossing]): every crossing from 1 to max_concurrency, in order
        reason (str): one sentence: what decides it, or why there is no break-even
    """

    cheaper: EstimateCheaper
    cost_ratio: float
    moe: Terms
    dense: Terms
    expected_experts: float
    active_fraction: float
    imbalance_penalty_ms: float
    ridge_flops_per_byte: float
    break_even_concurrency: float | None
    cheaper_below: EstimateCheaperBelow
    cheaper_above: EstimateCheaperAbove
    crossings: list[Crossing]
    reason: str

    def to_dict(self) -> dict[str, Any]:
        cheaper = self.cheaper.value

        cost_ratio = self.cost_ratio

        moe = self.moe.to_dict()

        dense = self.dense.to_dict()

        expected_experts = self.expected_experts

        active_fraction = self.active_fraction

        imbalance_penalty_ms = self.imbalance_penalty_ms

        ridge_flops_per_byte = self.ridge_flops_per_byte

        break_even_concurrency: float | None
        break_even_concurrency = self.break_even_concurrency

        cheaper_below = self.cheaper_below.value

        cheaper_above = self.cheaper_above.value

        crossings = []
        for crossings_item_data in self.crossings:
            crossings_item = crossings_item_data.to_dict()
            crossings.append(crossings_item)

        reason = self.reason

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "cheaper": cheaper,
                "cost_ratio": cost_ratio,
                "moe": moe,
                "dense": dense,
                "expected_experts": expected_experts,
                "active_fraction": active_fraction,
                "imbalance_penalty_ms": imbalance_penalty_ms,
                "ridge_flops_per_byte": ridge_flops_per_byte,
                "break_even_concurrency": break_even_concurrency,
                "cheaper_below": cheaper_below,
                "cheaper_above": cheaper_above,
                "crossings": crossings,
                "reason": reason,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.crossing import Crossing
        from ..models.terms import Terms

        d = dict(src_dict)
        cheaper = EstimateCheaper(d.pop("cheaper"))

        cost_ratio = d.pop("cost_ratio")

        moe = Terms.from_dict(d.pop("moe"))

        dense = Terms.from_dict(d.pop("dense"))

        expected_experts = d.pop("expected_experts")

        active_fraction = d.pop("active_fraction")

        imbalance_penalty_ms = d.pop("imbalance_penalty_ms")

        ridge_flops_per_byte = d.pop("ridge_flops_per_byte")

        def _parse_break_even_concurrency(data: object) -> float | None:
            if data is None:
                return data
            return cast(float | None, data)

        break_even_concurrency = _parse_break_even_concurrency(
            d.pop("break_even_concurrency")
        )

        cheaper_below = EstimateCheaperBelow(d.pop("cheaper_below"))

        cheaper_above = EstimateCheaperAbove(d.pop("cheaper_above"))

        crossings = []
        _crossings = d.pop("crossings")
        for crossings_item_data in _crossings:
            crossings_item = Crossing.from_dict(crossings_item_data)

            crossings.append(crossings_item)

        reason = d.pop("reason")

        estimate = cls(
            cheaper=cheaper,
            cost_ratio=cost_ratio,
            moe=moe,
            dense=dense,
            expected_experts=expected_experts,
            active_fraction=active_fraction,
            imbalance_penalty_ms=imbalance_penalty_ms,
            ridge_flops_per_byte=ridge_flops_per_byte,
            break_even_concurrency=break_even_concurrency,
            cheaper_below=cheaper_below,
            cheaper_above=cheaper_above,
            crossings=crossings,
            reason=reason,
        )

        return estimate
