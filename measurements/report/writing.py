"""All reports of a run, derived again from its raw samples."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..metric import Metric, metrics
from ..run_folder import RunFolder
from . import html, markdown
from .derive import derive
from .document import Document, compose

REPORT_JSON, REPORT_MD, REPORT_HTML = "report.json", "report.md", "report.html"


@dataclass(frozen=True)
class Reports:
    """What was written, and the same as data: `report` is report.json, `document` what the terminal prints."""

    json: Path
    markdown: Path
    html: Path
    report: Mapping[str, Any]
    document: Document


def write_reports(folder: RunFolder, known: Mapping[str, Metric] | None = None) -> Reports:
    """Writes report.json, report.md and report.html into the run's folder; the same samples give the same bytes.

    Raises: InvalidInput when the samples are damaged or the folder cannot be written.
    """
    known = metrics() if known is None else known
    report = derive(folder.run, folder.samples(), known)
    document = compose(report, known)
    text = json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return Reports(
        json=folder.write(REPORT_JSON, text),
        markdown=folder.write(REPORT_MD, markdown.render(document)),
        html=folder.write(REPORT_HTML, html.render(document)),
        report=report,
        document=document,
    )
