"""The benchmark of the first answer: its verdict follows from the samples, and a server that answers wrongly has no time."""

from __future__ import annotations

import random
import sys

import pytest
from sametask.measurements.timing import startup
from sametask.measurements.timing.startup import FIRST, HELLO, OURS, Start, ratio, table

ANSWERS = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    if "id" in asked:
        print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": RESULT}), flush=True)
"""
RIGHT = {"protocolVersion": "2025-11-25", "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}, "tools": [{}]}


def made(times: float, spread: float) -> list[Start]:
    """The hello world takes about 400 ms, and ours `times` as long."""
    draw = random.Random(1)
    return [
        Start(number, server, first, 400 * share * draw.uniform(1 - spread, 1 + spread), 500)
        for number in range(20)
        for first in FIRST
        for server, share in ((HELLO, 1), (OURS, times))
    ]


@pytest.mark.parametrize(
    ("times", "spread", "says"), [(0.4, 0.05, "yes"), (0.6, 0.05, "no"), (0.5, 0.3, "not certain"), (1.2, 0.3, "no")]
)
def test_the_bound_holds_where_the_whole_interval_is_below_it(times: float, spread: float, says: str) -> None:
    starts = made(times, spread)
    found = ratio(starts, OURS, "initialize", seed=0)
    assert found.low <= found.value <= found.high
    assert found.at_most(0.5) == says
    assert table(starts, 0).count(f"at most 0.5: {says}") >= 1


def test_the_same_samples_give_the_same_interval() -> None:
    assert ratio(made(0.4, 0.3), OURS, "tools/list", seed=3) == ratio(made(0.4, 0.3), OURS, "tools/list", seed=3)


@pytest.mark.parametrize("first", FIRST)
async def test_a_server_is_timed_only_where_it_answers_rightly(first: str) -> None:
    command = [sys.executable, "-c", f"RESULT = {RIGHT!r}{ANSWERS}"]
    start = await startup._start(command, 4, OURS, first)
    assert (start.round, start.server, start.first) == (4, OURS, first)
    assert 0 < start.first_ms <= start.tools_ms
    for name in RIGHT:
        wrong = [sys.executable, "-c", f"RESULT = {dict(RIGHT) | {name: []}!r}{ANSWERS}"]
        needed = name in (
            "tools",
            "capabilities",
            {"initialize": "protocolVersion", "server/discover": "supportedVersions"}.get(first),
        )
        if needed and not (name == "capabilities" and first == "tools/list"):
            with pytest.raises(RuntimeError, match="no right answer"):
                await startup._start(wrong, 0, OURS, first)
    with pytest.raises(RuntimeError, match="no right answer"):
        await startup._start([sys.executable, "-c", ""], 0, OURS, first)
