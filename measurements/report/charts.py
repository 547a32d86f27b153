"""Altair charts with our defaults: a variant keeps its colour everywhere, values stand at their marks.

Every builder takes rows (as in report.json), leaves out what is missing, and gives a `Chart` (None where nothing is left).
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, cast

import altair as alt

from ..metric import Chart, Row
from .palette import GRID, INK, MUTED, SURFACE, colour_of, light, place
from .wording import number

FONT = "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
WIDTH = 860
"""Pixels that a chart may take, labels and all."""
BAND = 22
GAP = 22
"""Pixels between panels."""
ROOM = 640
"""Pixels within which columns are as wide as their names; beyond it the names are slanted."""
TILE = 32
"""Pixels of height of a tile: two lines."""
GLYPHS = 6.6
"""Pixels per character of a label at 12 px, to reserve room for it."""


def bars(
    rows: Sequence[Row],
    x: str,
    *,
    y: str = "variant",
    color: str = "variant",
    facet: str | None = None,
    x_title: str = "",
    alt_text: str,
    point: str | None = None,
    interval: str | None = None,
    label: str | None = None,
    columns: int = 3,
) -> Chart | None:
    """Horizontal bars, the value at the end of each; `facet` gives one panel per value.

    `point` draws a second, independent number as a dot, with the pair under `interval` as its whisker; `label` is the key of a
    text that stands at the bar's end instead of the value.
    """
    kept = [row for row in rows if _is_number(row.get(x))]
    if not kept:
        return None
    order = _values(kept, y, among=rows)
    data: list[Row] = []
    for row in kept:
        line = {
            y: row[y],
            color: row[color],
            "value": row[x],
            "shown": (label and row.get(label)) or number(row[x]),
            "end": row[x],
        }
        if facet:
            line[facet] = row[facet]
        if point and _is_number(row.get(point)):
            line |= {"point": row[point], "end": max(row[x], row[point])}
            pair = row.get(interval) if interval else None
            if pair and all(_is_number(end) for end in pair):
                line |= {"low": pair[0], "high": pair[1], "end": max(line["end"], pair[1])}
        data.append(line)
    panels = min(columns, len(_values(kept, facet))) if facet else 1
    width = max((WIDTH - _label_width(order) - (panels - 1) * GAP) // panels, 90)
    # Room to the right of the longest bar for its label.
    top = max(line["end"] for line in data) * (1 + 34 / width) or 1
    scale = alt.Scale(domain=[0, top], nice=False, zero=True)
    base = alt.Chart()
    position = alt.Y(f"{y}:N", sort=order, title=None)
    layers: list[Any] = [
        base.mark_bar(height=BAND - 9, cornerRadiusEnd=2).encode(
            x=alt.X("value:Q", title=x_title or None, scale=scale), y=position, color=_colour(kept, color)
        ),
        base.mark_text(align="left", dx=6, fontSize=11).encode(
            x=alt.X("end:Q", scale=scale), y=position, text="shown:N", color=alt.value(INK)
        ),
    ]
    if point:
        if interval:
            layers.append(
                base.mark_rule(strokeWidth=1.5).encode(
                    x=alt.X("low:Q", scale=scale), x2="high:Q", y=position, color=alt.value(INK)
                )
            )
        layers.append(
            base.mark_point(filled=True, size=34, stroke=SURFACE, strokeWidth=1, opacity=1).encode(
                x=alt.X("point:Q", scale=scale), y=position, color=alt.value(INK)
            )
        )
    layer = alt.layer(*layers).properties(width=width, height=alt.Step(BAND))
    return _finish(_facet(layer, data, kept, facet, panels), data, alt_text)


def lines_with_ci(
    rows: Sequence[Row],
    x: str,
    y: str,
    *,
    color: str = "variant",
    facet: str | None = None,
    x_title: str = "",
    y_title: str = "",
    alt_text: str,
    interval: str | None = None,
    fit: bool = True,
    points: bool = True,
    columns: int = 2,
) -> Chart | None:
    """Points per variant, the least-squares line through them (or, without `fit`, from point to point), the name at its end.

    `interval` is the key of a [low, high] pair around each point.
    """
    kept = [row for row in rows if _is_number(row.get(x)) and _is_number(row.get(y))]
    if not kept:
        return None
    facets = _values(kept, facet) if facet else [None]
    panels = min(columns, len(facets))
    gutter = _label_width(_values(kept, color))
    width, height = max((WIDTH - 60 - panels * gutter - (panels - 1) * GAP) // panels, 150), 200
    ceiling = max(max([row[y], *((row.get(interval) or ()) if interval else ())]) for row in kept)
    ceiling = (ceiling or 1) * 1.04
    right = max(row[x] for row in kept) or 1
    data: list[Row] = []
    for panel in facets:
        ends: dict[str, float] = {}
        for name in _values(kept, color):
            mine = sorted(
                (row for row in kept if row[color] == name and (not facet or row[facet] == panel)), key=lambda row: row[x]
            )
            tag = {color: name} | ({facet: panel} if facet else {})
            for row in mine:
                pair = row.get(interval) if interval else None
                data.append(tag | {"x": row[x], "y": row[y]} | ({"low": pair[0], "high": pair[1]} if pair else {}))
            line = _least_squares([(row[x], row[y]) for row in mine]) if fit else [(row[x], row[y]) for row in mine]
            data += [tag | {"line_x": at, "line_y": value} for at, value in line]
            if line:
                ends[name] = line[-1][1]
        placed = _spread(ends, apart=ceiling * 13 / height, ceiling=ceiling)
        data += [
            {color: name, "label": name, "label_x": right, "label_y": at} | ({facet: panel} if facet else {})
            for name, at in placed.items()
        ]
    across = alt.Scale(domain=[0, right], nice=False)
    up = alt.Scale(domain=[0, max([ceiling, *(row["label_y"] for row in data if "label_y" in row)])], nice=False)
    base = alt.Chart()
    hue = _colour(kept, color)
    layers: list[Any] = [
        base.mark_line(strokeWidth=1.75).encode(
            x=alt.X("line_x:Q", scale=across, title=x_title or None),
            y=alt.Y("line_y:Q", scale=up, title=y_title or None),
            color=hue,
        ),
        base.mark_text(align="left", dx=7, fontSize=11, fontWeight=600).encode(
            x=alt.X("label_x:Q", scale=across), y=alt.Y("label_y:Q", scale=up), text="label:N", color=hue
        ),
    ]
    if points:
        layers.append(
            base.mark_point(filled=True, size=26, opacity=1).encode(
                x=alt.X("x:Q", scale=across), y=alt.Y("y:Q", scale=up), color=hue
            )
        )
    if interval:
        layers.append(
            base.mark_rule(strokeWidth=1).encode(
                x=alt.X("x:Q", scale=across), y=alt.Y("low:Q", scale=up), y2="high:Q", color=hue
            )
        )
    layer = alt.layer(*layers).properties(width=width, height=height)
    return _finish(_facet(layer, data, kept, facet, panels), data, alt_text)


def matrix(panels: Mapping[str, Sequence[Row]], y: str = "spot", x: str = "variant", *, alt_text: str) -> Chart | None:
    """Panels one above another, each with its name: one tile per row, in the colour that its `tint` names in the palette, with
    its `text` of one or two lines in it. The columns are the same in all panels.
    """
    every = [row for rows in panels.values() for row in rows]
    if not every:
        return None
    across = _values(every, x, among=sorted(every, key=lambda row: place(row[x])))
    longest = max(len(line) for row in every for line in row["text"].split("\n"))
    tile = max(int(longest * GLYPHS) + 6, 46)
    margin = _label_width([row[y] for row in every]) * 11 // 12
    upright = max(tile, _label_width(across))
    if roomy := margin + upright * len(across) <= ROOM:
        tile = upright
    tints = list(dict.fromkeys(row["tint"] for row in every))
    drawn: list[Any] = []
    for name, rows in panels.items():
        down = _values(rows, y)
        base = alt.Chart(alt.InlineData(values=[{key: row[key] for key in (x, y, "tint", "text")} for row in rows])).encode(
            x=alt.X(
                f"{x}:N",
                title=None,
                scale=alt.Scale(domain=across),
                axis=alt.Axis(
                    orient="top", labelAngle=0 if roomy else -40, domain=False, grid=False, labelFontSize=11, labelColor=INK
                ),
            ),
            y=alt.Y(
                f"{y}:N",
                title=None,
                scale=alt.Scale(domain=down),
                axis=alt.Axis(domain=False, labelFontSize=11, minExtent=margin, maxExtent=margin),
            ),
        )
        tiles = base.mark_rect(stroke=SURFACE, strokeWidth=2, cornerRadius=4).encode(
            color=alt.Color("tint:N", legend=None, scale=alt.Scale(domain=tints, range=[light(tint) for tint in tints]))
        )
        text = base.mark_text(
            fontSize=11,
            lineBreak="\n",
            lineHeight=12,
            baseline="middle",
            dy=alt.expr("indexof(datum.text, '\\n') < 0 ? 0 : -6"),
        ).encode(text="text:N", color=alt.value(INK))
        heading = alt.TitleParams(name, anchor="start", frame="bounds", fontSize=12.5, fontWeight=600, color=INK, offset=8)
        drawn.append(alt.layer(tiles, text).properties(width=tile * len(across), height=TILE * len(down), title=heading))
    return _finish(alt.vconcat(*drawn, spacing=GAP), None, alt_text)


def dots(
    rows: Sequence[Row],
    value: str,
    *,
    y: str = "variant",
    color: str = "variant",
    facet: str | None = None,
    x_title: str = "",
    alt_text: str,
    log: bool | None = None,
    columns: int = 2,
) -> Chart | None:
    """Every single value as a dot, and the median of each line as a tick with its number.

    `value` may hold a list per row. `log` is chosen by the data when None: where the largest is over 50 times the smallest;
    never with a 0 among them.
    """
    flat = [row | {value: item} for row in rows for item in _items(row.get(value)) if _is_number(item)]
    if not flat:
        return None
    low, high = min(row[value] for row in flat), max(row[value] for row in flat)
    # A value of 0 has no place on a log axis, and is not left out for that.
    log = low > 0 and (high / low > 50 if log is None else log)
    order = _values(flat, y, among=rows)
    panels = min(columns, len(_values(flat, facet))) if facet else 1
    width = max((WIDTH - _label_width(order) - (panels - 1) * GAP) // panels, 140)
    data: list[Row] = []
    for panel in _values(flat, facet) if facet else [None]:
        for name in order:
            mine = [row for row in flat if row[y] == name and (not facet or row[facet] == panel)]
            tag = {y: name} | ({facet: panel} if facet else {})
            for index, row in enumerate(sorted(mine, key=lambda row: row[value])):
                # The golden ratio, not chance: neighbours in value stay apart, and the picture stays the same.
                data.append(tag | {color: row[color], "value": row[value], "offset": index * 0.618 % 1})
            if mine:
                middle = statistics.median(row[value] for row in mine)
                data.append(tag | {color: mine[0][color], "median": middle, "shown": number(middle), "offset": 0.5})
    if log:
        scale = alt.Scale(type="log", domain=[low / 1.15, high * 1.3], nice=False)
        axis = alt.Axis(values=_decades(low, high), format="~s" if high >= 10000 else ",~g", grid=True)
    else:
        scale, axis = alt.Scale(domain=[0, high * 1.12 or 1], nice=False), alt.Axis(grid=True)
    base = alt.Chart()
    position = alt.Y(f"{y}:N", sort=order, title=None)
    # The upper two fifths of a line are for the median's label.
    offset = alt.YOffset("offset:Q", scale=alt.Scale(domain=[-1.0, 1.2], nice=False, zero=False))
    layers: list[Any] = [
        base.mark_circle(size=26, opacity=0.45).encode(
            x=alt.X("value:Q", title=x_title or None, scale=scale, axis=axis),
            y=position,
            yOffset=offset,
            color=_colour(flat, color),
        ),
        base.mark_tick(thickness=2.5, size=BAND - 2).encode(
            x=alt.X("median:Q", scale=scale), y=position, yOffset=offset, color=alt.value(INK)
        ),
        base.mark_text(align="center", dy=-BAND + 4, fontSize=11, fontWeight=600).encode(
            x=alt.X("median:Q", scale=scale), y=position, yOffset=offset, text="shown:N", color=alt.value(INK)
        ),
    ]
    layer = alt.layer(*layers).properties(width=width, height=alt.Step(BAND + 14))
    return _finish(_facet(layer, data, flat, facet, panels), data, alt_text)


def _finish(chart: Any, data: Sequence[Row] | None, alt_text: str) -> Chart:
    # Labels are measured with this machine's fonts and shown with the reader's: some slack keeps them from being cut.
    padding = {"left": 16, "right": 16, "top": 4, "bottom": 4}
    held = {} if data is None else {"data": alt.InlineData(values=list(data))}
    styled = chart.properties(**held, background="transparent", padding=padding).configure(**_config())
    return Chart(cast("dict[str, Any]", styled.to_dict()), alt_text)


def _facet(layer: Any, data: Sequence[Row], rows: Sequence[Row], facet: str | None, panels: int) -> Any:
    if not facet:
        return layer
    header = alt.Header(title=None, labelFontSize=12, labelFontWeight=600, labelAnchor="start", labelColor=INK, labelPadding=6)
    field = alt.Facet(f"{facet}:N", sort=_values(rows, facet), title=None, header=header)
    spaced = layer.facet(facet=field, columns=panels, data=alt.InlineData(values=list(data)))
    return spaced.properties(spacing={"row": GAP, "column": GAP})


def _config() -> dict[str, Any]:
    text = {"labelColor": INK, "labelFont": FONT, "titleColor": MUTED, "titleFont": FONT}
    return {
        "font": FONT,
        "view": {"stroke": None},
        "axis": text | {"labelFontSize": 12, "titleFontSize": 11, "titleFontWeight": "normal", "labelLimit": 260},
        "axisX": {
            "grid": True,
            "gridColor": GRID,
            "domain": False,
            "ticks": False,
            "tickCount": 5,
            "labelColor": MUTED,
            "labelFontSize": 11,
            "labelPadding": 5,
            "titlePadding": 8,
        },
        "axisY": {"grid": False, "domainColor": GRID, "ticks": False, "labelPadding": 7, "tickCount": 5},
        "text": {"font": FONT},
    }


def _colour(rows: Sequence[Row], key: str) -> alt.Color:
    chosen = colour_of(_values(rows, key))
    return alt.Color(f"{key}:N", legend=None, scale=alt.Scale(domain=list(chosen), range=list(chosen.values())))


def _values(rows: Sequence[Row], key: str, among: Sequence[Row] | None = None) -> list[str]:
    """The values of `key` in these rows, in the order in which they first appear `among` all rows."""
    present = {row[key] for row in rows}
    return [value for value in dict.fromkeys(row[key] for row in among or rows) if value in present]


def _label_width(labels: Sequence[str]) -> int:
    return int(max((len(str(label)) for label in labels), default=0) * GLYPHS) + 10


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _items(value: object) -> Sequence[Any]:
    return cast("Sequence[Any]", value) if isinstance(value, list | tuple) else [value]


def _least_squares(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The two ends of the fitted line; nothing where the points do not give one."""
    if len({x for x, _ in points}) < 2:
        return []
    slope, intercept = statistics.linear_regression([x for x, _ in points], [y for _, y in points])
    ends = (min(x for x, _ in points), max(x for x, _ in points))
    return [(x, intercept + slope * x) for x in ends]


def _spread(ends: Mapping[str, float], apart: float, ceiling: float) -> dict[str, float]:
    """Label positions near the lines' ends, at least `apart`, pushed back down where they would leave the chart."""
    order = sorted(ends, key=lambda name: ends[name])
    placed: list[float] = []
    for name in order:
        placed.append(max(ends[name], placed[-1] + apart) if placed else ends[name])
    limit = ceiling
    for index in reversed(range(len(placed))):
        placed[index] = min(placed[index], limit)
        limit = placed[index] - apart
    return dict(zip(order, placed, strict=True))


def _decades(low: float, high: float) -> list[float]:
    steps = [base * 10**power for power in range(-4, 9) for base in (1, 3)]
    return [step for step in steps if low / 1.15 <= step <= high * 1.3]
