"""From samples to rows: what is paid once, what each agent adds, and the line through the cost of every set of agents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from math import sqrt
from statistics import linear_regression

from ..metric import Row
from ..samples import Sample

SHARED = "shared"


def derive(samples: Sequence[Sample]) -> list[Row]:
    """One row for each specimen, guarantee and side; `variant` is the specimen's label, `server` the variant it ran against.

    Shape: `fixed_lines` and `marginal_lines` are the least-squares line of lines against the number of agents, over all sets
    of the agents that were answered rightly; `residual_lines` its root-mean-square residual, `marginal_lines_range` the least
    and the most that one agent adds. `tokens`, `names` (distinct), `schema_fields` and `complexity` are of the shared part
    and all those agents together; `generated_lines` are in none of them. `trials` are the agents run and found right; one
    that failed is in `failed`, with the reason in `failures`, and in no count.
    """
    cells: dict[tuple[str, str, str, str], list[Sample]] = {}
    for sample in samples:
        key = (sample.cell["specimen"], sample.variant, sample.cell["guarantee"], sample.cell["side"])
        cells.setdefault(key, []).append(sample)
    return [_row(*key, some) for key, some in cells.items()]


def _row(specimen: str, server: str, guarantee: str, side: str, samples: Sequence[Sample]) -> Row:
    parts = {sample.cell["part"]: sample for sample in samples if sample.status == "ok"}
    shared = parts.pop(SHARED, None)
    failures = [sample.reason for sample in samples if sample.status == "failed" and sample.cell["part"] != SHARED]
    row: Row = {"variant": specimen, "server": server, "guarantee": guarantee, "side": side, "agents": list(parts)}
    row |= {"trials": len(parts), "failed": len(failures)}
    if failures:
        row["failures"] = failures
    if shared is None or not parts:
        reasons = dict.fromkeys(failures or (sample.reason for sample in samples if sample.reason))
        return row | {"not_testable": "; ".join(list(reasons)[:2])}
    by_agent = {agent: sample.values["lines"] for agent, sample in parts.items()}
    counted = [shared, *parts.values()]
    return (
        row
        | cost_line(shared.values["lines"], by_agent)
        | {
            "marginal_lines_by_agent": by_agent,
            "fixed_tokens": shared.values["tokens"],
            "tokens": _sum(counted, "tokens"),
            "names": len({name for sample in counted for name in sample.values["names"]}),
            "schema_fields": _sum(counted, "schema_fields"),
            "complexity": _sum(counted, "complexity"),
            "generated_lines": shared.values["generated_lines"],
        }
    )


def cost_line(shared: int, by_agent: Mapping[str, int]) -> Row:
    """cost(N) = fixed + N x marginal, by least squares over every set of the agents, the empty one included."""
    sets = [some for size in range(len(by_agent) + 1) for some in combinations(by_agent.values(), size)]
    sizes, costs = [len(some) for some in sets], [shared + sum(some) for some in sets]
    line = linear_regression(sizes, costs)
    residuals = [cost - line.intercept - line.slope * size for size, cost in zip(sizes, costs, strict=True)]
    return {
        "fixed_lines": round(line.intercept, 2),
        "marginal_lines": round(line.slope, 2),
        "marginal_lines_range": [min(by_agent.values()), max(by_agent.values())],
        "residual_lines": round(sqrt(sum(each**2 for each in residuals) / len(residuals)), 2),
    }


def _sum(samples: Iterable[Sample], name: str) -> int:
    return sum(sample.values[name] for sample in samples)
