"""Vega-Lite specifications drawn as inline SVG that serves the light and the dark page alike.

The palette's colours become CSS variables, ids become unique within the page and the same in every rendering, and each mark
gets its description as a `<title>`, which browsers show on hover.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from .palette import COLOURS

SVG = "http://www.w3.org/2000/svg"
PAINTS = ("fill", "stroke", "stop-color")
VARIABLES = {light: f"var(--c-{name}, {light})" for name, (light, _) in COLOURS.items()}


class Undrawable(Exception):
    """The specification is not one that Vega-Lite can draw; the message is its first line of why."""


def draw(spec: Mapping[str, Any], prefix: str) -> str:
    """The chart as one `<svg>` element; `prefix` keeps its ids apart from other charts' on the page.

    Raises: Undrawable.
    """
    import altair
    import vl_convert

    version = ".".join(altair.SCHEMA_VERSION.split(".")[:2])
    try:
        # No base url is allowed: a chart holds its data, and drawing one never goes to a network.
        text = vl_convert.vegalite_to_svg(dict(spec), vl_version=version, allowed_base_urls=[])
    except ValueError as error:
        raise Undrawable(str(error).strip().splitlines()[0]) from error
    return themed(text, prefix)


def themed(text: str, prefix: str) -> str:
    ElementTree.register_namespace("", SVG)
    root = ElementTree.fromstring(text)
    names: dict[str, str] = {}
    for element in root.iter():
        if identifier := element.get("id"):
            names[identifier] = f"{prefix}-{len(names)}"
            element.set("id", names[identifier])
    for element in list(root.iter()):
        for name, value in list(element.attrib.items()):
            if name in PAINTS:
                element.set(name, VARIABLES.get(value.lower(), value))
            elif "url(#" in value:
                element.set(name, re.sub(r"url\(#([^)]*)\)", lambda m: f"url(#{names.get(m[1], m[1])})", value))
        if element.get("font-family"):
            del element.attrib["font-family"]
        described = element.get("aria-label")
        if element.get("role") == "graphics-symbol" and described and element.get("aria-roledescription") != "text mark":
            title = ElementTree.Element(f"{{{SVG}}}title")
            title.text = described
            element.insert(0, title)
        for name in [name for name in element.attrib if name.startswith("aria-") or name == "role"]:
            # The figure carries one description; a screen reader gets the numbers from the table, not mark by mark.
            del element.attrib[name]
    root.set("focusable", "false")
    root.set("aria-hidden", "true")
    return ElementTree.tostring(root, encoding="unicode")
