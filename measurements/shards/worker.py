"""A process that takes shards, for `sametask compare --shard-workers N`; elsewhere `sametask worker` does the same.

The engine's URL comes on stdin, not on the command line, where everybody could read its password. The process ends with stdin.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator

import anyio

from ...agents.contract import Roster
from ...agents.errors import SametaskError, Unavailable
from ...agents.runtime import open_engine

READY_S = 30.0
STOP_S = 15.0


@contextlib.asynccontextmanager
async def local_workers(url: str, count: int) -> AsyncGenerator[list[int]]:
    """Start `count` of them on this machine, and yield their process ids once each serves; leaving the block stops them.

    Raises: the error that a worker printed, or Unavailable.
    """
    async with contextlib.AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(_worker(url)) for _ in range(count)]
        try:
            yield [worker.pid for worker in workers]
        finally:
            for worker in workers:  # they stop side by side, each with what it measures
                assert worker.stdin is not None
                worker.stdin.close()


@contextlib.asynccontextmanager
async def _worker(url: str) -> AsyncGenerator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", __name__),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        process_group=0,  # Ctrl-C on a terminal is for the coordinator, which tells its workers
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(url.encode() + b"\n")
        try:
            async with asyncio.timeout(READY_S):
                line = await process.stdout.readline()
        except TimeoutError:
            raise Unavailable(f"a worker (process {process.pid}) did not say that it serves within {READY_S:g} s") from None
        said = json.loads(line or b"{}")
        if "error" in said:
            raise SametaskError.from_json(said["error"])
        if "ready" not in said:
            raise Unavailable(f"a worker ended before it served (exit code {await process.wait()})")
        yield process
    finally:
        with anyio.CancelScope(shield=True):
            process.stdin.close()
            try:
                async with asyncio.timeout(STOP_S):
                    await process.stdout.read()
            except TimeoutError:
                process.kill()
            await process.wait()
            with contextlib.suppress(ConnectionError):
                await process.stdin.wait_closed()


async def _serve() -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        from .agent import agent

        url = (await reader.readline()).decode().strip()
        async with open_engine(url, Roster([agent])):
            print(json.dumps({"ready": os.getpid()}), flush=True)
            waiting = [asyncio.create_task(stop.wait()), asyncio.create_task(reader.read())]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for each in waiting:
                each.cancel()
    except SametaskError as error:
        print(json.dumps({"error": error.to_json()}), flush=True)
    finally:
        transport.close()


if __name__ == "__main__":
    asyncio.run(_serve())
