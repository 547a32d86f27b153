"""The process behind `run_comparison`.

One line of JSON on stdin says what to measure, and that stdin closes ends it. What it tells is on stdout, a line of JSON each:
`{"run": NAME}`, `{"progress": [done, total, text]}` and at the end `{"compared": {...}}` or `{"error": {...}}`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from ...agents.errors import SametaskError
from ..stdout import claimed_stdout

TELL_EVERY_S = 0.2
INTERRUPTED = 130

Tell = Callable[[Mapping[str, Any]], None]


async def main() -> int:
    """Shape: the exit code, INTERRUPTED where the run was ended from outside."""
    with claimed_stdout() as out:

        def tell(said: Mapping[str, Any]) -> None:
            # Nobody may listen any more; that stdin closes as well is what ends the run.
            with contextlib.suppress(BrokenPipeError):
                print(json.dumps(said), file=out, flush=True)

        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(os.dup(0), "rb", 0))
        wanted: dict[str, Any] = json.loads(await reader.readline())
        measuring = asyncio.create_task(_measure(wanted, tell))
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, measuring.cancel)
        watching = asyncio.create_task(_closed(reader))
        watching.add_done_callback(lambda _: measuring.cancel())
        try:
            await asyncio.wait([measuring])
        finally:
            watching.cancel()
            transport.close()
        if measuring.cancelled():
            return INTERRUPTED
        if (error := measuring.exception()) is not None:
            told = error if isinstance(error, SametaskError) else SametaskError(f"{type(error).__name__}: {error}")
            tell({"error": told.to_json()})
            return 1
    return 0


async def _closed(reader: asyncio.StreamReader) -> None:
    while await reader.read(2**16):
        pass


async def _measure(wanted: Mapping[str, Any], tell: Tell) -> None:
    from ...measurements import suite
    from .summary import summary

    plan = suite.plan(wanted["suite"], wanted["only"], wanted["variants"], wanted["seed"])
    folder = suite.begin(plan, wanted["out"])
    tell({"run": folder.run.name})
    try:
        await suite.run(plan, folder, _Told([metric.title for metric in plan.metrics], tell).progress)
    except SametaskError:
        raise
    except Exception as error:
        # A wall on purpose: run.json holds this failure already; whoever asked is told where to look.
        raise SametaskError(
            f"the comparison failed: {type(error).__name__}: {error}; run {folder.run.name} keeps what was measured"
        ) from error
    from ...measurements.report.writing import write_reports

    tell({"progress": [len(plan.metrics), len(plan.metrics), "writing the report"]})
    reports = write_reports(folder)
    run = folder.run
    assert run.ended is not None
    took = datetime.fromisoformat(run.ended) - datetime.fromisoformat(run.started)
    compared = {
        "run": run.name,
        "suite": run.suite,
        "variants": run.variants,
        "metrics": [name.replace("_", "-") for name in run.metrics],
        "seed": plan.seed,
        "took_s": took.total_seconds(),
        "samples": run.counts,
        "summary": summary(reports.document),
        "report_html": str(reports.html.resolve()),
    }
    tell({"compared": compared})


class _Told:
    """Progress over all metrics as one number that only grows, as MCP wants: each metric is one unit of it."""

    def __init__(self, titles: list[str], tell: Tell) -> None:
        self._titles, self._tell = titles, tell
        self._done, self._at = -1.0, 0.0
        self._title = ""

    def progress(self, title: str, done: float, total: float, text: str) -> None:
        now = time.monotonic()
        overall = self._titles.index(title) + (min(done / total, 1.0) if total else 0.0)
        if overall <= self._done or (title == self._title and now - self._at < TELL_EVERY_S):
            return
        self._done, self._at = overall, now
        self._title = title
        self._tell({"progress": [round(overall, 4), len(self._titles), f"{title}: {text}"]})


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
