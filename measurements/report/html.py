"""report.html: one file that needs no network, in light and dark, on screen and on paper."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib import resources
from typing import Any

from ..metric import Chart
from . import svg
from .document import Document, shown_table
from .inline import blocks, spans
from .palette import COLOURS


def render(document: Document) -> str:
    """The page. Raises nothing for a chart that cannot be drawn: the page says so in its place, the numbers stand beside it."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    assert __package__ is not None
    files = resources.files(__package__)
    style = _variables() + files.joinpath("page.css").read_text(encoding="utf-8")
    script = files.joinpath("page.js").read_text(encoding="utf-8").strip()
    environment = Environment(
        loader=PackageLoader(__package__, "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    drawn = 0

    def draw(chart: Chart) -> dict[str, Any]:
        nonlocal drawn
        drawn += 1
        try:
            return {"svg": Markup(svg.draw(chart.spec, f"chart{drawn}")), "alt": chart.alt, "error": ""}
        except svg.Undrawable as error:
            return {"svg": "", "alt": chart.alt, "error": str(error)}

    page = environment.get_template("page.html.j2").render(
        document=document,
        style=Markup(style),
        script=Markup(script),
        # Only this script may run, and nothing may be fetched, whatever text an agent got into the report.
        script_hash="sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        draw=draw,
        table=shown_table,
        blocks=blocks,
        spans=spans,
        slug=_slug,
    )
    # The template's own blank lines go; the script stays as it was hashed.
    before, code, after = page.partition(script)
    return re.sub(r"\n\s*\n+", "\n", before) + code + re.sub(r"\n\s*\n+", "\n", after).rstrip() + "\n"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _variables() -> str:
    light = "".join(f"--c-{name}:{pair[0]};" for name, pair in COLOURS.items())
    dark = "".join(f"--c-{name}:{pair[1]};" for name, pair in COLOURS.items())
    return (
        f":root{{color-scheme:light;{light}}}\n"
        f"@media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}\n"
        f":root[data-theme=dark]{{color-scheme:dark;{dark}}}\n"
        # Paper is white: a dark page is printed light.
        f"@media print{{:root,:root[data-theme=dark],:root:not([data-theme=light]){{color-scheme:light;{light}}}}}\n"
    )
