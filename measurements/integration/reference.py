"""The calls that every specimen makes, and their right answers, from the skills called directly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

CALLS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "prefix_cache": (
        "plan",
        {"layers": 32, "kv_heads": 8, "head_dim": 128, "memory_bytes": 16 * 2**30, "sequence_tokens": 4096},
    ),
    "moe_break_even": (
        "estimate",
        {
            "moe": {"total_params": 671e9, "active_params": 37e9, "experts": 256, "experts_per_token": 8, "gpus": 24},
            "dense": {"params": 70e9, "gpus": 4},
            "gpu": {
                "memory_bandwidth_bytes_per_s": 3.35e12,
                "flops_per_s": 989e12,
                "memory_bytes": 80e9,
                "price_per_hour": 2.5,
            },
            "concurrency": 256.0,
        },
    ),
    "model_router": (
        "route",
        {
            "queries": [{"id": "easy", "difficulty": 0.2}, {"id": "hard", "difficulty": 0.9, "output_tokens": 900}],
            "weak": {
                "name": "small",
                "input_price": 0.15,
                "output_price": 0.6,
                "easiest_quality": 0.95,
                "hardest_quality": 0.3,
            },
            "strong": {
                "name": "large",
                "input_price": 3.0,
                "output_price": 15.0,
                "easiest_quality": 0.98,
                "hardest_quality": 0.85,
            },
            "threshold": 0.5,
        },
    ),
}
"""Agent: (skill, input). The specimens hold the same values, as typed ones."""


async def answers() -> dict[str, Any]:
    """The answer of each agent to its call, as JSON values."""
    from ...agents.team import team

    roster = team()
    found: dict[str, Any] = {}
    for agent, (name, request) in CALLS.items():
        skill = roster.skill(agent, name)
        found[agent] = json.loads(json.dumps(await skill(skill.parse(request))))
    return found


def difference(wanted: Any, got: Any, path: str = "answer") -> str:
    """Where `got` differs from `wanted`, in words, or "". Numbers are equal by value: 3 is 3.0, and no number is a bool."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        one, other = cast("dict[str, Any]", wanted), cast("dict[str, Any]", got)
        for name in [*one, *(name for name in other if name not in one)]:
            if name not in one or name not in other:
                return f"{path}.{name} is {'not asked for' if name not in one else 'missing'}"
            if found := difference(one[name], other[name], f"{path}.{name}"):
                return found
        return ""
    if isinstance(wanted, list) and isinstance(got, list):
        ours, theirs = cast("list[Any]", wanted), cast("list[Any]", got)
        if len(ours) != len(theirs):
            return f"{path} has {len(theirs)} items instead of {len(ours)}"
        pairs = enumerate(zip(ours, theirs, strict=True))
        return next((found for index, pair in pairs if (found := difference(*pair, f"{path}[{index}]"))), "")
    if isinstance(wanted, bool) is isinstance(got, bool) and wanted == got:
        return ""
    return f"{path} is {got!r} instead of {wanted!r}"
