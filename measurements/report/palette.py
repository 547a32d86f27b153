"""The colours of a report: one hue per protocol, apart under the common kinds of colour blindness, for light and dark.

A chart's specification holds the light colours, so that it is a plain Vega-Lite specification anywhere; in the page each
becomes a CSS variable with its dark twin (see `svg.py`). Hence no two names may share a light colour.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

INK, MUTED, GRID, SURFACE = "#1b2430", "#5b6674", "#e2e6eb", "#fffffe"

COLOURS: Mapping[str, tuple[str, str]] = {
    "ink": (INK, "#e8ecf1"),
    "muted": (MUTED, "#9aa6b4"),
    "grid": (GRID, "#2b333d"),
    "surface": (SURFACE, "#14191f"),
    "rest-1": ("#1f6fb4", "#62aef0"),
    "rest-2": ("#5f9fd3", "#a5d2f8"),
    "rest-3": ("#134a7a", "#3585cb"),
    "mcp-1": ("#d05a00", "#ff9a4d"),
    "mcp-2": ("#e8923a", "#ffc791"),
    "mcp-3": ("#8f3d00", "#d9742b"),
    "mcp-4": ("#b8743a", "#efb684"),
    "a2a-1": ("#067a57", "#3cc496"),
    "a2a-2": ("#3fa384", "#8fe0c3"),
    "a2a-3": ("#054d38", "#23946c"),
    "a2a-4": ("#7cc4ab", "#c4f0e1"),
    "grpc-1": ("#7a4bb0", "#b794e6"),
    "grpc-2": ("#a37fcb", "#d8c3f4"),
    "grpc-3": ("#4f2a7c", "#9068c8"),
    "stock-1": ("#a8326e", "#ef8fbd"),
    "stock-2": ("#cf7fa6", "#f7c3dc"),
    "stock-3": ("#6e1d46", "#c65f93"),
    "stock-4": ("#dfa9c3", "#fae0ec"),
    "stock-5": ("#8f5273", "#cf8db1"),
    "inproc-1": ("#7a828c", "#9ba4af"),
    "other-1": ("#8c6d1f", "#d1b354"),
    "other-2": ("#b59a4a", "#e6d28e"),
    "other-3": ("#5d4710", "#a98b32"),
    "good": ("#cde9df", "#154a3a"),
    "warn": ("#fbe7b9", "#574310"),
    "bad": ("#f8cdbf", "#6b2a17"),
    "doubled": ("#f0c4e4", "#5c2352"),
    "hung": ("#cdd3f0", "#2b3670"),
    "none": ("#eceff3", "#222a33"),
}
"""Name: (light, dark)."""

KNOWN = {
    "inproc": "inproc-1",
    "rest": "rest-1",
    "rest-openapi": "rest-2",
    "mcp-http": "mcp-1",
    "mcp-http-2025": "mcp-2",
    "mcp-stdio": "mcp-3",
    "mcp-stdio-2025": "mcp-4",
    "a2a-grpc": "a2a-1",
    "a2a-grpc+resume": "a2a-4",
    "a2a-jsonrpc": "a2a-2",
    "a2a-http": "a2a-3",
    "grpc": "grpc-1",
    "stock-fastapi": "stock-1",
    "stock-fastmcp": "stock-2",
    "stock-a2a-grpc": "stock-3",
    "stock-a2a-grpc-db": "stock-4",
    "stock-a2a-jsonrpc": "stock-5",
}
"""The shades of the bundled variants, the same in every report, and their order. Another takes a free shade of its family."""

FAMILIES = ("rest", "mcp", "a2a", "grpc", "inproc", "stock")


def place(variant: str) -> tuple[int, str]:
    """Sorts variants the same way in every report: the bundled ones as in `KNOWN`, others behind them by name."""
    return (list(KNOWN).index(variant) if variant in KNOWN else len(KNOWN), variant)


def family(variant: str) -> str:
    """The protocol that a variant's name starts with, or `other`."""
    first = variant.replace("_", "-").split("-")[0]
    return first if first in FAMILIES else "other"


def light(name: str) -> str:
    return COLOURS[name][0]


def colour_of(variants: Iterable[str]) -> dict[str, str]:
    """The light colour of each variant."""
    return {name: light(shade) for name, shade in shade_of(variants).items()}


def shade_of(variants: Iterable[str]) -> dict[str, str]:
    """The name in `COLOURS` of each variant's shade. Shades repeat only where a family has more variants than shades."""
    names = list(dict.fromkeys(variants))
    taken = {KNOWN[name] for name in names if name in KNOWN}
    chosen: dict[str, str] = {}
    for name in names:
        shade = KNOWN.get(name)
        if shade is None:
            shades = [shade for shade in COLOURS if shade.startswith(f"{family(name)}-")]
            shade = next((shade for shade in shades if shade not in taken), shades[-1])
            taken.add(shade)
        chosen[name] = shade
    return chosen
