"""The runs on disk as tools and resources: which there are, and what their reports say."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ...agents.errors import InvalidInput, NotFound, SametaskError
from ...protocols.mcp.extras import ExtraResource, ExtraTool, Progress
from .comparing import Measuring

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
FILES = {"markdown": "report.md", "json": "report.json"}
SUMMARY = "summary"


class ListRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    limit: int = Field(default=20, ge=1, le=1000, description="how many runs to list, the newest first")


class ListedRun(BaseModel):
    run: str = Field(description="the run's name, for read_report")
    started: str = Field(description="ISO 8601, UTC")
    ended: str | None
    end_reason: str | None = Field(description="completed, interrupted or failed; null while it runs, or after it was killed")
    suite: str
    variants: list[str]
    metrics: list[str]
    samples: dict[str, int] = Field(description="attempts by status, once the run has ended")
    report_html: str | None = Field(description="the path of the page for a person; null until a report was derived")


class UnreadableRun(BaseModel):
    run: str
    reason: str


class RunList(BaseModel):
    folder: str
    total: int = Field(description="how many runs the folder holds")
    measuring: Measuring | None = Field(description="the comparison that this server is measuring now")
    runs: list[ListedRun]
    unreadable: list[UnreadableRun]


class ReadRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    run: str = Field(default="", description="a run's name, from list_reports; empty: the newest run")
    format: Literal["markdown", "json"] = Field(
        default="markdown", description="markdown: sentences and tables with units; json: every row, as data"
    )
    section: str = Field(
        default="",
        description="one part only: summary, a metric (round-trips, integration-code, long-haul, throughput), not-measured, "
        "failures; with "
        "json a key of the report; empty: all",
    )


class Reports:
    """Reads the runs below one folder, and nothing outside it."""

    def __init__(self, runs: Path, measuring: Callable[[], Measuring | None]) -> None:
        self._runs, self._measuring = runs, measuring
        self._deriving = asyncio.Lock()

    def tools(self) -> list[ExtraTool]:
        return [
            ExtraTool(
                "list_reports",
                "Lists the comparison runs on this machine, the newest first: name, start and end (UTC), how each ended, "
                "suite, variants and metrics, counts of attempts, and how far the one is that is being measured. Use it first "
                "whenever the question is about protocols: a run may answer it already.",
                ListRequest,
                self._list,
                RunList,
                title="List comparison reports",
                read_only=True,
            ),
            ExtraTool(
                "read_report",
                "Reads the report of a comparison run, by default of the newest: what was measured with units, intervals and "
                "numbers of trials, what was not measured and why, failures, and the machine and versions. Returns text: "
                "Markdown, or JSON with every row. A whole report is long; name a section where one metric is enough. It can "
                "be read while the run is going on.",
                ReadRequest,
                self._read,
                title="Read a comparison report",
                read_only=True,
            ),
        ]

    def resources(self) -> list[ExtraResource]:
        async def listed(_: Mapping[str, str]) -> str:
            return (await asyncio.to_thread(self._listing, 1000)).model_dump_json()

        async def markdown(values: Mapping[str, str]) -> str:
            return await self._text(values["run"], "markdown")

        async def as_json(values: Mapping[str, str]) -> str:
            return await self._text(values["run"], "json")

        of = "The report of one comparison run"
        return [
            ExtraResource("sametask://runs", "runs", "The comparison runs, the newest first", listed, title="Comparison runs"),
            ExtraResource("sametask://runs/{run}/report.md", "report", f"{of}, to read", markdown, "text/markdown"),
            ExtraResource("sametask://runs/{run}/report.json", "report-data", f"{of}, as data", as_json),
        ]

    async def _list(self, request: ListRequest, progress: Progress) -> RunList:
        return await asyncio.to_thread(self._listing, request.limit)

    def _listing(self, limit: int) -> RunList:
        from ...measurements.run_folder import RUN_JSON, RunFolder

        listed: list[ListedRun] = []
        unreadable: list[UnreadableRun] = []
        for path in sorted(path.parent for path in self._runs.glob(f"*/{RUN_JSON}")):
            try:
                run = RunFolder.open(path).run
            except SametaskError as error:
                unreadable.append(UnreadableRun(run=path.name, reason=error.message))
                continue
            page = path / "report.html"
            listed.append(
                ListedRun(
                    run=path.name,
                    started=run.started,
                    ended=run.ended,
                    end_reason=run.end_reason,
                    suite=run.suite,
                    variants=run.variants,
                    metrics=[name.replace("_", "-") for name in run.metrics],
                    samples=run.counts,
                    report_html=str(page) if page.is_file() else None,
                )
            )
        listed.sort(key=lambda run: run.started, reverse=True)
        return RunList(
            folder=str(self._runs),
            total=len(listed),
            measuring=self._measuring(),
            runs=listed[:limit],
            unreadable=unreadable,
        )

    async def _read(self, request: ReadRequest, progress: Progress) -> str:
        text = await self._text(request.run or await self._newest(), request.format)
        if request.format == "json":
            return _json_section(json.loads(text), request.section)
        return _markdown_section(text, request.section) if request.section else text

    async def _newest(self) -> str:
        listing = await asyncio.to_thread(self._listing, 1)
        if not listing.runs:
            raise NotFound(f"run: there is none in {self._runs} yet; run_comparison makes one", field="run", value="")
        return listing.runs[0].run

    async def _text(self, run: str, form: str) -> str:
        from ...measurements.run_folder import RunFolder

        path = self._runs / run
        if not NAME.fullmatch(run) or not (path / "run.json").is_file():
            shown = repr(run if len(run) <= 80 else run[:77] + "...")
            raise NotFound(f"run: {shown} is not known; accepted: a name that list_reports gives", field="run", value=run[:80])
        async with self._deriving:
            folder = await asyncio.to_thread(RunFolder.open, path)
            if _stale(path):
                from ...measurements.report.writing import write_reports

                await asyncio.to_thread(write_reports, folder)
            return await asyncio.to_thread((path / FILES[form]).read_text, encoding="utf-8")


def _stale(path: Path) -> bool:
    """Whether a report is missing, or older than what it is derived from: the run is going on, or was interrupted."""
    try:
        derived = min((path / name).stat().st_mtime_ns for name in (*FILES.values(), "report.html"))
        return derived < max((path / name).stat().st_mtime_ns for name in ("run.json", "samples.jsonl"))
    except OSError:
        return True


def _json_section(report: dict[str, Any], section: str) -> str:
    """Compact: the indentation of the file is for people."""
    if not section:
        return json.dumps(report, ensure_ascii=False)
    name = section.strip().lower().replace("-", "_")
    if name not in report:
        raise InvalidInput("section", section, "accepted in the json of this run: one of: " + ", ".join(report))
    return json.dumps(report[name], ensure_ascii=False)


def _markdown_section(text: str, section: str) -> str:
    from ...measurements.metric import metrics

    head, *parts = re.split(r"^## ", text, flags=re.MULTILINE)
    found = {SUMMARY: head}
    names = {_slug(metric.title): name.replace("_", "-") for name, metric in metrics().items()}
    for part in parts:
        title = _slug(part.partition("\n")[0])
        found[names.get(title, title)] = "## " + part
    wanted = _slug(section)
    wanted = names.get(wanted, wanted)
    if wanted not in found:
        raise InvalidInput("section", section, "accepted in the markdown of this run: one of: " + ", ".join(found))
    return found[wanted].strip() + "\n"


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
