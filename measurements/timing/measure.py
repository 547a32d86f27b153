"""Throughput as a metric: the blocks of `throughput.py`, a round at a time.

What they need is imported where it is used: a report is derived without it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from random import Random

from ...protocols.server_process import READY_S, STOP_S
from ...protocols.variants import variants
from ..bench import Bench, Effort
from ..metric import Block, Split
from ..samples import Sample
from .ratios import NULL_PAIR


async def measure(bench: Bench) -> AsyncGenerator[Sample]:
    """Yields a sample for each stretch of each block, round by round."""
    blocks = [block for each in _rounds(bench) for block in each]
    for done, block in enumerate(blocks, 1):
        async with aclosing(_measure_block(bench, block)) as samples:
            async for sample in samples:
                yield sample
        bench.progress(done, len(blocks), block["contender"])


def _rounds(bench: Bench) -> list[list[Block]]:
    """Every contender of the variants asked for once, and the null pair, in an order of each round's own."""
    from .throughput import CONTENDERS

    asked = {variant.name for variant in bench.variants}
    names = [name for name, contender in CONTENDERS.items() if contender.variant in asked or name in NULL_PAIR]
    rounds: list[list[Block]] = []
    for number in range(bench.effort.repeats):
        shuffled = list(names)
        Random(f"{bench.seed}/throughput/{number}").shuffle(shuffled)
        rounds.append([{"contender": name, "trial": number} for name in shuffled])
    return rounds


def _cells(block: Block) -> list[Sample]:
    from .throughput import CONTENDERS, LEVELS, blank

    return [blank(CONTENDERS[block["contender"]], level, block["trial"]) for level in LEVELS]


async def _measure_block(bench: Bench, block: Block) -> AsyncGenerator[Sample]:
    from . import throughput

    contender, left = throughput.CONTENDERS[block["contender"]], _cells(block)
    missing = variants()[contender.variant].missing or throughput.machine_lacks()
    if missing:
        for sample in left:
            yield sample.model_copy(update={"status": "not_testable", "reason": missing})
        return
    try:
        async with aclosing(throughput.block(contender, block["trial"], bench.effort.load_s)) as samples:
            async for sample in samples:
                left.pop(0)
                yield sample
    except Exception as error:
        # A wall on purpose: a server that does not come up takes no other contender with it.
        for sample in left:
            yield sample.broken(error)


def _longest_s(effort: Effort) -> float:
    return READY_S + STOP_S + 10 * effort.load_s


SPLIT = Split(_rounds, _cells, _measure_block, _longest_s)
