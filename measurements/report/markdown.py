"""report.md: the whole report as text that reads well raw and on any forge."""

from __future__ import annotations

import re

from ..metric import Section, Table
from .document import Document, shown_table

_RIGHT = ("number", "interval")


def render(document: Document) -> str:
    lines = [f"# {document.title}", "", " · ".join(f"{name}: {value}" for name, value in document.facts), ""]
    for notice in document.notices:
        lines += [
            f"> **{'Warning' if notice.tone == 'warn' else 'Error'}: {notice.title}**",
            *[f"> - {_line(line)}" for line in notice.lines],
            "",
        ]
    for part in document.parts:
        lines += [f"## {_line(part.title)}", ""]
        for section in part.sections:
            lines += _section(section, repeated=section.title == part.title)
    for title, table in (("Not measured", document.not_measured), ("Failures", document.failures)):
        if table:
            lines += [f"## {title}", "", *_table(table), ""]
    lines += ["## Where these numbers come from", ""]
    for title, pairs in document.provenance.items():
        lines += [f"**{title}**", "", *[f"- {name}: {_line(value)}" for name, value in pairs], ""]
    lines += ["Raw data: [samples.jsonl](samples.jsonl), [report.json](report.json), [run.json](run.json)", ""]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines))


def _section(section: Section, repeated: bool) -> list[str]:
    lines = [] if repeated else [f"### {_line(section.title)}", ""]
    lines += [_prose(section.text.strip()), ""]
    for chart in section.charts:
        lines += [f"*{_line(chart.alt)}* (drawn in [report.html](report.html))", ""]
    for table in section.tables:
        lines += [*_table(table), ""]
    return lines


def _table(table: Table) -> list[str]:
    shown = shown_table(table)
    lines = [f"**{_line(shown.caption)}**", ""] if shown.caption else []
    lines.append("| " + " | ".join(_cell(title) for title in shown.headings) + " |")
    lines.append("|" + "|".join("---:" if kind in _RIGHT else "---" for kind in shown.kinds) + "|")
    for row in shown.rows:
        texts = [
            _cell(cell.whole or cell.text) + (f" [{', '.join(map(str, cell.notes))}]" if cell.notes else "") for cell in row
        ]
        lines.append("| " + " | ".join(texts) + " |")
    if shown.notes:
        lines += ["", *[f"{number}. {_line(note)}" for number, note in enumerate(shown.notes, start=1)]]
    return lines


def _prose(text: str) -> str:
    """Text whose marks stay, and whose markup is shown, not obeyed."""
    return "".join(part if part.startswith("`") else part.replace("<", "&lt;") for part in re.split(r"(`[^`]+`)", text))


def _line(text: str) -> str:
    return " ".join(text.split()).replace("<", "&lt;")


def _cell(text: str) -> str:
    return _line(text).replace("\\", "\\\\").replace("|", "\\|")
