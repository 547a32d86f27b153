"""A report in a few sentences: what a model needs to answer, and to know what to read next."""

from __future__ import annotations

from ...measurements.report.document import Document


def summary(document: Document) -> str:
    """Shape: Markdown. The facts, the warnings and every metric's sentences; tables and charts are the report's own."""
    lines = [" · ".join(f"{name}: {value}" for name, value in document.facts)]
    for notice in document.notices:
        lines.append(f"**{'Warning' if notice.tone == 'warn' else 'Error'}: {notice.title}** {' '.join(notice.lines)}".strip())
    for part in document.parts:
        lines.append(f"## {part.title}")
        for section in part.sections:
            if section.title != part.title:
                lines.append(f"### {section.title}")
            lines.append(section.text.strip())
    for title, table in (("not measured", document.not_measured), ("failed", document.failures)):
        if table:
            lines.append(f"{len(table.rows)} reasons why something {title}: read_report tells them.")
    return "\n\n".join(lines)
