"""Measures one block in a process of its own, so that what else a worker does, and on which event loop, is in no number.

The process is given the shard and the block's number as a line on stdin, and prints the samples. It ends early with its stdin.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from pathlib import Path

import anyio
from pydantic import TypeAdapter, ValidationError

from ...protocols.variants import variants
from ..bench import Bench
from ..metric import Metric, metrics
from ..samples import Sample
from .contract import Shard

COMMAND = (sys.executable, "-P", "-m", __name__)
STOP_S = 15.0
SAMPLES: TypeAdapter[list[Sample]] = TypeAdapter(list[Sample])


class BlockBroken(Exception):
    """The process that was to measure a block told nothing of it."""


async def measure_apart(command: Sequence[str], shard: Shard, number: int) -> list[Sample]:
    """The samples of that block. Raises: BlockBroken."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C on a terminal is for the worker; uvloop knows no process_group
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        with suppress(ConnectionError):  # then its exit code tells
            process.stdin.write(json.dumps({"shard": shard.model_dump(mode="json"), "number": number}).encode() + b"\n")
            await process.stdin.drain()
        text = await process.stdout.read()
        code = await process.wait()
    finally:
        with anyio.CancelScope(shield=True):
            process.stdin.close()
            with anyio.move_on_after(STOP_S):
                await process.wait()
            if process.returncode is None:
                process.kill()
                await process.wait()
    try:
        return SAMPLES.validate_json(text)
    except ValidationError:
        raise BlockBroken(f"the process that measured the block told no samples (exit code {code})") from None


async def serve_block(known: Callable[[], Mapping[str, Metric]] = metrics) -> None:
    """Be that process."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no sample
    reader = asyncio.StreamReader(limit=2**24)
    pipe = os.fdopen(os.dup(0), "rb", 0)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    try:
        asked = json.loads(await reader.readline())
        async with anyio.create_task_group() as group:

            async def measure() -> None:
                samples = await _samples(Shard.model_validate(asked["shard"]), asked["number"], known())
                with suppress(BrokenPipeError):  # the worker is gone, and so is who wanted them
                    out.write(SAMPLES.dump_json(samples, exclude_defaults=True).decode())
                    out.close()
                group.cancel_scope.cancel()

            group.start_soon(measure)
            await reader.read()
            group.cancel_scope.cancel()
    finally:
        transport.close()


async def _samples(shard: Shard, number: int, known: Mapping[str, Metric]) -> list[Sample]:
    split = known[shard.metric].split
    assert split is not None
    samples: list[Sample] = []
    with tempfile.TemporaryDirectory(prefix="sametask-shard-", ignore_cleanup_errors=True) as scratch:
        chosen = tuple(variants()[name] for name in shard.variants)
        bench = Bench(chosen, shard.effort, shard.seed, Path(scratch))
        try:
            async with aclosing(split.measure(bench, shard.blocks[number])) as measured:
                async for sample in measured:
                    samples.append(sample)
        except Exception as error:
            # A wall on purpose: what breaks in one block is told of its cells, and takes no other block with it.
            return [cell.broken(error) for cell in split.cells(shard.blocks[number])]
    return samples


if __name__ == "__main__":
    asyncio.run(serve_block())
