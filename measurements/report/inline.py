"""The inline Markdown of a section's text (`code`, **strong**, *stress*, [links](…), "- " lists) as safe HTML or plain text."""

from __future__ import annotations

import re
from html import escape

_MARKS = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*|\*([^*\s][^*]*)\*|\[([^\]]+)\]\(([^)\s]+)\)")


def spans(text: str) -> str:
    """One run of text as HTML. A link goes to http(s), a fragment or a relative path; any other scheme stays text."""
    out: list[str] = []
    at = 0
    for found in _MARKS.finditer(text):
        out.append(escape(text[at : found.start()]))
        code, strong, stress, label, target = found.groups()
        if code is not None:
            out.append(f"<code>{escape(code)}</code>")
        elif strong is not None:
            out.append(f"<strong>{spans(strong)}</strong>")
        elif stress is not None:
            out.append(f"<em>{spans(stress)}</em>")
        elif re.match(r"https?://|#|[\w./-]+$", target):
            out.append(f'<a href="{escape(target)}">{spans(label)}</a>')
        else:
            out.append(escape(found.group()))
        at = found.end()
    return "".join([*out, escape(text[at:])])


def blocks(text: str) -> str:
    """Paragraphs and lists as HTML; a blank line parts paragraphs."""
    out: list[str] = []
    for block in re.split(r"\n\s*\n", text.strip()):
        lines = [line.strip() for line in block.splitlines() if line.strip()]
        lead = [line for line in lines if not line.startswith("- ")]
        items = [line[2:] for line in lines if line.startswith("- ")]
        if lead:
            out.append(f"<p>{spans(' '.join(lead))}</p>")
        if items:
            out.append("<ul>" + "".join(f"<li>{spans(item)}</li>" for item in items) + "</ul>")
    return "\n".join(out)


def plain(text: str) -> str:
    """The text without its marks."""
    return _MARKS.sub(lambda found: next(group for group in found.groups() if group is not None), text)
