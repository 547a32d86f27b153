"""The tool `run_comparison`: a comparison in a process of its own, which ends when its request does."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, Literal

import anyio
from pydantic import BaseModel, ConfigDict, Field

from ...agents.errors import Conflict, SametaskError
from ...protocols.mcp.extras import ExtraTool, Progress
from ...protocols.variants import variants

STOP_S = 20.0
"""How long a comparison that is to end may take to stop its servers and say so in run.json."""
LINE_BYTES = 2**24


class CompareRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    suite: Literal["quick", "full"] = Field(
        default="quick", description="quick: few trials, minutes at most; full: many trials, much longer"
    )
    only: list[str] = Field(
        default=[], description="the metrics to measure, of round-trips, integration-code and long-haul; empty: all"
    )
    variants: list[str] = Field(
        default=[], description='the protocol variants to measure, e.g. ["rest", "mcp-http", "a2a-grpc"]; empty: all'
    )
    seed: int = Field(default=0, ge=0, description="seeds the order of measurements and the points of the faults")


class Compared(BaseModel):
    """A run that ended by itself. `samples` counts attempts by status; `summary` is Markdown."""

    run: str = Field(description="the run's name, for read_report")
    suite: str
    variants: list[str]
    metrics: list[str]
    seed: int
    took_s: float
    samples: dict[str, int] = Field(description="attempts by status: ok, failed, not_testable, harness_error")
    summary: str = Field(description="the report's warnings and key numbers in sentences, as Markdown")
    report_html: str = Field(description="the path of the page for a person, with charts and every table")


class Comparisons:
    """One at a time: two would share the cores, and measure each other."""

    def __init__(self, runs: Path) -> None:
        self._runs = runs
        self._running = ""
        self._idle = asyncio.Event()
        self._idle.set()

    def tool(self) -> ExtraTool:
        names = ", ".join(name for name, variant in variants().items() if variant.server)
        return ExtraTool(
            "run_comparison",
            "Measures protocol variants against each other on this machine and writes a report: round trips, requests and "
            "bytes of each flow (round-trips), lines of code that an integration takes (integration-code), and what is lost "
            "when connections are cut and servers killed in mid-task (long-haul). Use it when no report that list_reports "
            "names answers the question. Real servers are started on 127.0.0.1 and stopped again. One variant and one metric "
            "take about ten seconds, the whole quick suite a few minutes; progress is told on the way, and cancelling the "
            "call ends it and keeps what was measured. One comparison runs at a time. Returns the run's name for read_report, "
            f"a summary in sentences, counts of attempts, and the path of report.html. Variants: {names}.",
            CompareRequest,
            self._compare,
            Compared,
            title="Run a comparison",
        )

    async def idle(self) -> None:
        """Return once no comparison runs."""
        await self._idle.wait()

    async def _compare(self, request: CompareRequest, progress: Progress) -> Compared:
        if self._running:
            raise Conflict(f"run_comparison: {self._running} is being measured; accepted: one comparison at a time")
        self._running = "another comparison"
        self._idle.clear()
        try:
            async with _child() as process:
                return await self._follow(process, request, progress)
        finally:
            self._running = ""
            self._idle.set()

    async def _follow(self, process: asyncio.subprocess.Process, request: CompareRequest, progress: Progress) -> Compared:
        assert process.stdin is not None
        assert process.stdout is not None
        wanted = request.model_dump() | {"out": str(self._runs)}
        process.stdin.write(json.dumps(wanted).encode() + b"\n")
        while line := await process.stdout.readline():
            said: dict[str, Any] = json.loads(line)
            match said:
                case {"run": str(name)}:
                    self._running = f"run {name}"
                case {"progress": [done, total, text]}:
                    await progress(done, total, text)
                case {"compared": compared}:
                    return Compared.model_validate(compared)
                case {"error": error}:
                    raise SametaskError.from_json(error)
                case _:
                    raise AssertionError(f"not said by measuring.py: {line!r}")
        code = await process.wait()
        kept = f"; what it measured is kept in {self._running}" if self._running.startswith("run ") else ""
        raise SametaskError(f"the comparison's process ended with code {code}{kept}")


@contextlib.asynccontextmanager
async def comparing(runs: Path) -> AsyncGenerator[Comparisons]:
    """Leaving the block waits until a comparison whose request was cancelled has said in its folder that it was interrupted."""
    comparisons = Comparisons(runs)
    try:
        yield comparisons
    finally:
        with anyio.move_on_after(STOP_S, shield=True):
            await comparisons.idle()


@contextlib.asynccontextmanager
async def _child() -> AsyncGenerator[asyncio.subprocess.Process]:
    """The process that measures. It ends when its stdin closes, so it never outlives this one, whatever kills us."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # the host's working directory does not come before the installed packages
        "-m",
        f"{__package__}.measuring",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LINE_BYTES,
        # A host may kill our process group: then this one still has to write down how its run ended.
        process_group=0,
    )
    assert process.stdin is not None
    try:
        yield process
    finally:
        process.stdin.close()
        with anyio.CancelScope(shield=True):
            with anyio.move_on_after(STOP_S):
                await process.communicate()
            if process.returncode is None:
                process.kill()
                await process.communicate()
