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
        default=[],
        description="the metrics to measure: round-trips, integration-code, long-haul, throughput; empty: the first three",
    )
    variants: list[str] = Field(
        default=[], description='the protocol variants to measure, e.g. ["rest", "mcp-http", "a2a-grpc"]; empty: all'
    )
    background: bool = Field(
        default=False,
        description="true: answer at once and go on measuring until this server ends; for whatever may take longer than the "
        "minute that many hosts wait",
    )
    seed: int = Field(default=0, ge=0, description="seeds the order of measurements and the points of the faults")


class Compared(BaseModel):
    """A run that ended by itself; or one that was begun in the background, of which only the name is known."""

    run: str = Field(description="the run's name, for read_report")
    running: bool = Field(default=False, description="true: it goes on in the background; list_reports tells how far it is")
    suite: str = ""
    variants: list[str] = []
    metrics: list[str] = []
    seed: int = 0
    took_s: float | None = None
    samples: dict[str, int] = Field(default={}, description="attempts by status: ok, failed, not_testable, harness_error")
    summary: str = Field(default="", description="the report's warnings and key numbers in sentences, as Markdown")
    report_html: str = Field(default="", description="the path of the page for a person, with charts and every table")


class Measuring(BaseModel):
    """A comparison that is going on, and how far it is."""

    run: str = Field(description="empty until its folder is made")
    done: float
    total: float
    text: str


class StopRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Comparisons:
    """One at a time: two would share the cores, and measure each other."""

    def __init__(self, runs: Path) -> None:
        self._runs = runs
        self._job: _Job | None = None

    def tools(self) -> list[ExtraTool]:
        names = ", ".join(name for name, variant in variants().items() if variant.server)
        return [
            ExtraTool(
                "run_comparison",
                "Measures protocol variants against each other on this machine and writes a report: round trips, requests and "
                "bytes of each flow (round-trips), lines of code that an integration takes (integration-code), and what is "
                "lost when connections are cut and servers killed in mid-task (long-haul). Use it when no report that "
                "list_reports names answers the question. Real servers are started on 127.0.0.1 and stopped again. One variant "
                "and one metric take about ten seconds, the whole quick suite several minutes: with `background` the answer "
                "comes at once, list_reports tells how far it is and read_report what was found. Otherwise progress is told on "
                "the way, and cancelling the call ends it and keeps what was measured. One comparison runs at a time. Returns "
                "the run's name for read_report, a summary in sentences, counts of attempts, and the path of report.html. "
                f"Variants: {names}.",
                CompareRequest,
                self._compare,
                Compared,
                title="Run a comparison",
            ),
            ExtraTool(
                "stop_comparison",
                "Ends the comparison that is being measured, in the background or for another caller. What it measured is kept "
                "and its report says that it was interrupted. Returns how far it was.",
                StopRequest,
                self._stop,
                Measuring,
                title="Stop the comparison",
                destructive=True,
            ),
        ]

    @property
    def measuring(self) -> Measuring | None:
        return self._job.told if self._job else None

    async def end(self) -> None:
        """Return once no comparison runs: one that did has said in its folder that it was interrupted."""
        if self._job:
            self._job.stop()
            await asyncio.wait([self._job.task])

    async def _compare(self, request: CompareRequest, progress: Progress) -> Compared:
        if self._job:
            raise Conflict(
                f"run_comparison: {self._job.told.run or 'another one'} is being measured; accepted: one comparison at a time, "
                "so wait for its end or call stop_comparison"
            )
        self._job = job = _Job(request, self._runs, _silent if request.background else progress)
        job.task.add_done_callback(self._ended)
        begun = asyncio.create_task(job.begun.wait())
        waited = [job.task, begun] if request.background else [job.task]
        try:
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            job.stop()
            with anyio.CancelScope(shield=True):
                await asyncio.wait([job.task])
            raise
        finally:
            begun.cancel()
        if not job.task.done():
            return Compared(run=job.told.run, running=True)
        if job.task.cancelled():
            raise SametaskError(f"run {job.told.run} was stopped; what it measured is kept")
        return job.task.result()

    async def _stop(self, request: StopRequest, progress: Progress) -> Measuring:
        if (job := self._job) is None:
            raise Conflict("stop_comparison: no comparison is being measured; run_comparison starts one")
        job.stop()
        await asyncio.wait([job.task])
        return job.told

    def _ended(self, task: asyncio.Task[Compared]) -> None:
        job, self._job = self._job, None
        if job and job.background and not task.cancelled() and (error := task.exception()) is not None:
            print(f"error: {error}", file=sys.stderr, flush=True)  # nobody waits for it; run.json says it too


class _Job:
    """One comparison, from its process's start to its end."""

    def __init__(self, request: CompareRequest, runs: Path, progress: Progress) -> None:
        self.background = request.background
        self.told = Measuring(run="", done=0, total=1, text="starting")
        self.begun = asyncio.Event()
        self._stopping = False
        self.task = asyncio.create_task(self._run(request, runs, progress))

    def stop(self) -> None:
        """Cancel, once: a second cancel would not wait for the process's own end."""
        if not self._stopping:
            self._stopping = True
            self.task.cancel()

    async def _run(self, request: CompareRequest, runs: Path, progress: Progress) -> Compared:
        async with _child() as process:
            assert process.stdin is not None
            assert process.stdout is not None
            wanted = request.model_dump() | {"out": str(runs)}
            process.stdin.write(json.dumps(wanted).encode() + b"\n")
            while line := await process.stdout.readline():
                said: dict[str, Any] = json.loads(line)
                match said:
                    case {"run": str(name)}:
                        self.told = self.told.model_copy(update={"run": name})
                        self.begun.set()
                    case {"progress": [done, total, text]}:
                        self.told = Measuring(run=self.told.run, done=done, total=total, text=text)
                        await progress(done, total, text)
                    case {"compared": compared}:
                        return Compared.model_validate(compared)
                    case {"error": error}:
                        raise SametaskError.from_json(error)
                    case _:
                        raise AssertionError(f"not said by measuring.py: {line!r}")
            code = await process.wait()
            kept = f"; what it measured is kept in run {self.told.run}" if self.told.run else ""
            raise SametaskError(f"the comparison's process ended with code {code}{kept}")


async def _silent(done: float, total: float | None = None, text: str = "", *, event: tuple[str, int] | None = None) -> None:
    pass


@contextlib.asynccontextmanager
async def comparing(runs: Path) -> AsyncGenerator[Comparisons]:
    """Leaving the block ends a comparison that is going on."""
    comparisons = Comparisons(runs)
    try:
        yield comparisons
    finally:
        with anyio.move_on_after(STOP_S, shield=True):
            await comparisons.end()


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
