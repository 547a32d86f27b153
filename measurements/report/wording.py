"""How a value reads: sensible digits, the unit that the key's suffix names, intervals, lists, and "–" for what is missing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

MISSING = "–"
UNITS = {"_ms": "ms", "_s": "s", "_bytes": "bytes", "_us": "µs"}
LIST_LENGTH = 6
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)

Kind = Literal["number", "interval", "list", "flag", "text", "missing"]


@dataclass(frozen=True)
class Shown:
    """A value as text. `whole` is the full text where `text` is shortened; `sort` orders a column, numbers by size."""

    text: str
    kind: Kind
    whole: str = ""
    sort: str = ""


def show(key: str, value: Any) -> Shown:
    match value:
        case None:
            return Shown(MISSING, "missing")
        case bool():
            return Shown("yes" if value else "no", "flag", sort=str(int(value)))
        case int() | float():
            return Shown(number(value), "number", sort=repr(value))
        case list() | tuple():
            return _show_list(key, cast("Sequence[Any]", value))
        case dict():
            pairs = cast("dict[str, Any]", value)
            return Shown(", ".join(f"{name} {show(name, item).text}" for name, item in pairs.items()) or MISSING, "text")
        case _:
            return Shown(str(value) or MISSING, "text" if str(value) else "missing")


def number(value: float) -> str:
    """Whole numbers in full with thousands marked; others with three significant digits (0.1 to 1 with two), no exponents."""
    if not math.isfinite(value):
        return MISSING
    return _fixed(value, 0 if isinstance(value, int) else _digits(value))


def interval(low: float, high: float) -> str:
    """Both ends with the digits of the larger one."""
    if isinstance(low, int) and isinstance(high, int):
        return f"{number(low)} – {number(high)}"
    digits = _digits(max(low, high, key=abs))
    return f"{_fixed(low, digits)} – {_fixed(high, digits)}"


def heading(key: str, title: str) -> str:
    """The column's heading with its unit, unless it says it already."""
    unit = next((unit for suffix, unit in UNITS.items() if key.endswith(suffix)), "")
    return title if not unit or unit in title.lower().replace("(", " ").replace(")", " ").split() else f"{title} ({unit})"


def moment(stamp: str | None) -> str:
    """`2026-11-23T21:30:00.000Z` as `23 November 2026, 21:30:00 UTC`, whatever the machine's language."""
    if not stamp:
        return MISSING
    when = datetime.fromisoformat(stamp)
    return f"{when.day} {MONTHS[when.month - 1]} {when.year}, {when:%H:%M:%S} UTC"


def duration(started: str, ended: str | None) -> str:
    if not ended:
        return MISSING
    seconds = (datetime.fromisoformat(ended) - datetime.fromisoformat(started)).total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def listed(names: Sequence[str], last: str = "and") -> str:
    """`a`, `b` and `c`."""
    return f" {last} ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def counted(count: int, noun: str, plural: str = "") -> str:
    """`1 trial`, `20 trials`."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def _digits(value: float) -> int:
    """Digits behind the point."""
    if not value or 0.1 <= abs(value) < 1:
        return 2
    # Rounded first: 9.996 has one digit before the point only until it is rounded to three.
    magnitude = math.floor(math.log10(float(f"{abs(value):.2e}")))
    return min(max(2 - magnitude, 0), 6)


def _fixed(value: float, digits: int) -> str:
    text = f"{value:,.{digits}f}"
    return text.replace("-", "−") if text.strip("-0.,") else text.lstrip("-")


def _show_list(key: str, items: Sequence[Any]) -> Shown:
    if key.endswith("_ci") and len(items) == 2:
        if any(not isinstance(end, int | float) for end in items):
            return Shown(MISSING, "missing")
        return Shown(interval(*items), "interval", sort=repr(items[0]))
    texts = [show("", item).text for item in items]
    if not texts:
        return Shown("none", "list")
    if len(texts) <= LIST_LENGTH:
        return Shown(" · ".join(texts), "list")
    return Shown(" · ".join(texts[:LIST_LENGTH]) + f" · … {len(texts) - LIST_LENGTH} more", "list", whole=" · ".join(texts))
