"""The report of a made-up run, in every form: no number of it was measured, all of it exists only in this file."""

from __future__ import annotations

import html.parser
import io
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from sametask.measurements.integration.present import present as present_integration
from sametask.measurements.longhaul.present import present as present_longhaul
from sametask.measurements.metric import Chart, Mark, Metric, Row, Section, Table
from sametask.measurements.report import charts, svg, write_reports
from sametask.measurements.report import html as page
from sametask.measurements.report.inline import blocks, spans
from sametask.measurements.report.palette import COLOURS, KNOWN, colour_of
from sametask.measurements.report.terminal import summarise
from sametask.measurements.report.wording import duration, heading, number, show
from sametask.measurements.roundtrips.present import present as present_roundtrips
from sametask.measurements.run_folder import Options, RunFolder
from sametask.measurements.samples import Sample

VARIANTS = ("inproc", "rest", "mcp-http", "mcp-http-2025", "mcp-stdio", "a2a-grpc", "a2a-jsonrpc", "a2a-http", "grpc")
NO_NETWORK = "The variant has no network connection to tap."
TURNS: Mapping[str, Mapping[str, float]] = {
    "cold": {"rest": 2, "mcp-http": 4, "mcp-http-2025": 8, "a2a-grpc": 2, "a2a-jsonrpc": 3, "a2a-http": 3, "grpc": 2},
    "warm": {"rest": 1, "mcp-http": 1, "mcp-http-2025": 1, "a2a-grpc": 1, "a2a-jsonrpc": 1, "a2a-http": 1, "grpc": 1},
    "stream": {"rest": 2, "mcp-http": 4, "mcp-http-2025": 5, "a2a-grpc": 2, "a2a-jsonrpc": 3, "a2a-http": 3, "grpc": 2},
    "submit_wait": {"rest": 3, "mcp-http": 6, "mcp-http-2025": 9, "a2a-grpc": 3, "a2a-jsonrpc": 4, "a2a-http": 4, "grpc": 3},
    "cancel": {"rest": 2, "mcp-http": 2, "mcp-http-2025": 3, "a2a-grpc": 2, "a2a-jsonrpc": 2, "a2a-http": 2, "grpc": 2},
    "answer": {"rest": 3, "mcp-http": 3, "mcp-http-2025": 4, "a2a-grpc": 3, "a2a-jsonrpc": 3, "a2a-http": 3},
}
PRINTS = {
    "rest": ["POST /agents/kv_cache/plan", "application/json"],
    "mcp-http": [
        "POST /mcp server/discover",
        "POST /mcp tools/list",
        "POST /mcp tools/call",
        "MCP-Protocol-Version: 2026-07-28",
    ],
}


def _roundtrip_rows() -> list[Row]:
    rows: list[Row] = []
    for flow, turns in TURNS.items():
        for nth, variant in enumerate(VARIANTS):
            row: Row = {"variant": variant, "flow": flow, "trials": 20}
            if variant in ("inproc", "mcp-stdio"):
                rows.append({"variant": variant, "flow": flow, "trials": 0, "not_testable": NO_NETWORK})
                continue
            if variant not in turns:
                reason = "The bespoke service has no questions: it would have to invent them."
                rows.append({"variant": variant, "flow": flow, "trials": 0, "not_testable": reason})
                continue
            wire = turns[variant]
            slope = wire + 0.03 + 0.01 * nth + (1.05 if variant == "mcp-http-2025" and flow == "warm" else 0)
            rows.append(
                row
                | {
                    "connections": 1 if variant != "mcp-http-2025" else int(wire),
                    "requests": int(wire),
                    "turns_on_wire": wire,
                    "slope_round_trips": round(slope, 3),
                    "slope_ci": [round(slope - 0.06, 3), round(slope + 0.07, 3)],
                    "bytes_up": 412 + 731 * int(wire),
                    "bytes_down": 918 + 1207 * int(wire),
                    "fingerprint": PRINTS.get(variant, [f"POST /{variant}", "content-type: application/json"]),
                    "flagged": abs(slope - wire) > 0.25,
                    "points": [[delay, round(4 + nth + slope * delay, 2)] for delay in (0, 10, 20, 40)],
                }
            )
    return rows


def _integration_rows() -> list[Row]:
    costs = {
        "G1": {"rest": (6, 8), "rest-openapi": (9, 3), "mcp-http": (11, 3), "a2a-grpc": (14, 4), "grpc": (7, 5)},
        "G2": {"rest": (19, 11), "rest-openapi": (24, 6), "mcp-http": (15, 4), "a2a-grpc": (17, 4), "grpc": (10, 7)},
        "G3": {"rest": (44, 12), "rest-openapi": (47, 7), "mcp-http": (27, 5), "a2a-grpc": (31, 5)},
    }
    rows: list[Row] = []
    for guarantee, by_variant in costs.items():
        for variant, (fixed, marginal) in by_variant.items():
            rows.append(
                {
                    "variant": variant,
                    "guarantee": guarantee,
                    "side": "consumer",
                    "agents": ["kv_cache", "prompt", "router"],
                    "fixed_lines": fixed,
                    "marginal_lines": marginal,
                    "tokens": 9 * (fixed + 3 * marginal),
                    "names": 4 + fixed // 5,
                    "schema_fields": 7 if variant == "rest" else 0,
                    "complexity": fixed // 6,
                    "trials": 3,
                }
            )
    reason = "The specimen did not pass the scenario of G3."
    rows.append({"variant": "grpc", "guarantee": "G3", "side": "consumer", "agents": [], "trials": 3, "not_testable": reason})
    return rows


HARMS = ("duplicated", "lost", "hung", "failed_cleanly", "events_lost", "events_duplicated", "events_reordered")


def _cell(fault: str, point: str, variant: str = "rest", client: str = "recommended", **values: Any) -> Row:
    return {"variant": variant, "client": client, "scenario": "long_task", "fault": fault, "point": point, **values}


def _longhaul_rows() -> list[Row]:
    cut, kill = ("reset", "between_events"), ("sigkill", "after_side_effect")
    harms: dict[tuple[str, tuple[str, str]], dict[str, int]] = {
        ("mcp-http-2025", cut): {"lost": 3, "hung": 1, "events_lost": 41, "looked_finished": 2},
        ("mcp-http-2025", kill): {"lost": 12, "failed_cleanly": 8},
        ("a2a-jsonrpc", kill): {"failed_cleanly": 4},
        ("grpc", cut): {"failed_cleanly": 20},
        ("rest", kill): {"duplicated": 1, "steps_rerun": 1},
        ("a2a-http", kill): {"events_reordered": 2},
    }
    rows: list[Row] = []
    for where in (cut, kill):
        for nth, variant in enumerate(VARIANTS):
            if variant == "inproc" or (variant == "mcp-stdio" and where == cut):
                rows.append(_cell(*where, variant, trials=0, not_testable=NO_NETWORK))
                continue
            row = _cell(*where, variant, trials=20, steps_rerun=0, looked_finished=0, **dict.fromkeys(HARMS, 0))
            row |= {"events_expected": 840, "events_live": 840 if variant != "grpc" else 0}
            row |= harms.get((variant, where), {})
            row["delivered"] = 20 - row["lost"] - row["hung"] - row["failed_cleanly"] - row["duplicated"]
            if row["delivered"]:
                base = 20 * (nth + 1) if where == cut else 700 + 900 * nth
                times = [base * (1 + ((trial * 7) % 11) / 12) for trial in range(row["delivered"])]
                row["time_to_recover_ms_all"] = [round(time, 1) for time in times]
                row["time_to_recover_ms"] = sorted(row["time_to_recover_ms_all"])[len(times) // 2]
                row["time_to_know_ms_all"] = [round(time / 9, 2) for time in times]
                row["time_to_know_ms"] = sorted(row["time_to_know_ms_all"])[len(times) // 2]
                row |= {"extra_requests": 1, "extra_connections": 1, "extra_bytes": 700 + nth}
            rows.append(row)
            rows.append(row | {"client": "defaults", "delivered": 0, "lost": 20})
    return rows


async def _nothing(_: Any):
    return
    yield


def _as_rows(samples: Sequence[Sample]) -> list[Row]:
    """In this fixture a sample holds a finished row."""
    return [
        {"variant": sample.variant, **sample.cell}
        | (sample.values if sample.status == "ok" else {"trials": 0, "not_testable": sample.reason})
        for sample in samples
    ]


METRICS = {
    "round_trips": Metric("round_trips", "Round trips", 1, _nothing, _as_rows, present_roundtrips),
    "integration_code": Metric("integration_code", "Integration code", 2, _nothing, _as_rows, present_integration),
    "long_haul": Metric("long_haul", "Long haul", 3, _nothing, _as_rows, present_longhaul),
}
KEYS = {
    "round_trips": ("flow",),
    "integration_code": ("guarantee", "side"),
    "long_haul": ("client", "scenario", "fault", "point"),
}
ROWS = {"round_trips": _roundtrip_rows, "integration_code": _integration_rows, "long_haul": _longhaul_rows}


def fill(folder: RunFolder) -> None:
    for metric, rows in ROWS.items():
        for row in rows():
            cell = {key: row.pop(key) for key in KEYS[metric]}
            variant, reason = row.pop("variant"), row.pop("not_testable", "")
            status = "not_testable" if reason else "ok"
            folder.append(
                Sample(
                    metric=metric,
                    variant=variant,
                    cell=cell,
                    status=status,
                    reason=reason,
                    values={} if reason else row,
                    at=1.0,
                )
            )


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = RunFolder.create(
        tmp_path / "runs",
        "quick",
        options=Options(given={"variants": "all"}, defaulted={"trials": 20, "margin": 0.1}),
        seed=7,
        variants=VARIANTS,
        metrics=list(METRICS),
        now=datetime(2026, 11, 23, 21, 30, tzinfo=UTC),
    )
    with made.recording():
        fill(made)
    return made


class Seen(html.parser.HTMLParser):
    """What a page would fetch, and what its tables and figures carry."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.tables = self.captions = self.figures = self.ids_twice = 0
        self.alts: list[str] = []
        self.ids: list[str] = []
        self.headings_without_scope: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in ("script", "img", "iframe", "source", "video", "audio", "embed", "input", "image", "use") and "src" in given:
            self.fetched.append(given["src"])
        if tag in ("link", "image", "use"):
            self.fetched.append(given.get("href", given.get("xlink:href", "")))
        if tag == "a":
            self.links.append(given.get("href", ""))
        self.tables += tag == "table"
        self.captions += tag == "caption"
        self.figures += tag == "figure"
        if tag == "th" and "scope" not in given:
            self.headings_without_scope.append(str(given))
        if given.get("role") == "img":
            self.alts.append(given.get("aria-label", ""))
        if "id" in given:
            self.ids.append(given["id"])


def see(text: str) -> Seen:
    seen = Seen()
    seen.feed(text)
    return seen


def test_the_page_fetches_nothing_and_links_only_to_its_own_folder(folder: RunFolder) -> None:
    text = write_reports(folder, METRICS).html.read_text()
    seen = see(text)
    assert [target for target in seen.fetched if not target.startswith(("data:", "#"))] == []
    assert [target for target in re.findall(r"url\(([^)]*)\)", text) if not target.startswith("#")] == []
    assert "@import" not in text
    outside = [target for target in seen.links if not target.startswith("#")]
    assert outside
    assert all((folder.path / target).is_file() for target in outside), outside
    assert {"samples.jsonl", "report.json"} <= set(outside)


def test_every_table_has_a_caption_every_heading_a_scope_every_chart_a_description(folder: RunFolder) -> None:
    seen = see(write_reports(folder, METRICS).html.read_text())
    assert seen.tables == seen.captions >= 6
    assert seen.headings_without_scope == []
    assert seen.figures == len(seen.alts) >= 6
    assert all(len(alt) > 30 for alt in seen.alts)
    assert len(seen.ids) == len(set(seen.ids))


def test_the_same_samples_give_the_same_bytes(folder: RunFolder) -> None:
    first = write_reports(folder, METRICS)
    kept = [path.read_bytes() for path in (first.json, first.markdown, first.html)]
    again = write_reports(RunFolder.open(folder.path), METRICS)
    assert [path.read_bytes() for path in (again.json, again.markdown, again.html)] == kept
    assert sorted(path.name for path in folder.path.iterdir()) == [
        *("report.html", "report.json", "report.md", "run.json", "samples.jsonl"),
    ]


def test_the_same_reasons_stand_in_every_form(folder: RunFolder) -> None:
    reports = write_reports(folder, METRICS)
    console = Console(file=io.StringIO(), width=200)
    summarise(reports.document, console)
    terminal = console.file.getvalue()
    for text in (reports.html.read_text(), reports.markdown.read_text(), terminal):
        assert NO_NETWORK in text
        for variant in VARIANTS:
            assert variant in text
        assert "4.05" in text


def test_round_trip_sentences_say_only_what_the_rows_carry() -> None:
    def row(variant: str, turns: float, low: float, high: float) -> Row:
        return {"variant": variant, "flow": "cold", "turns_on_wire": turns, "slope_ci": [low, high], "flagged": False}

    apart = present_roundtrips([row("rest", 2, 1.9, 2.1), row("mcp-http", 4, 3.9, 4.1)])[0].text
    assert "A cold first result takes 2 round trips over `rest`; 4 over `mcp-http`." in apart
    assert "`rest` has the fewest" in apart
    touching = present_roundtrips([row("rest", 2, 1.9, 2.4), row("mcp-http", 3, 2.3, 3.1)])[0].text
    assert "fewest" not in touching
    alone = present_roundtrips([row("rest", 2, 1.9, 2.1)])[0].text
    assert "fewest" not in alone
    assert (
        "could not be measured over any variant"
        in present_roundtrips([{"variant": "x", "flow": "cold", "not_testable": "y"}])[0].text
    )


def test_a_flagged_difference_is_said_and_marked() -> None:
    rows = [{"variant": "rest", "flow": "warm", "turns_on_wire": 1, "slope_round_trips": 2.05, "flagged": True}]
    section = present_roundtrips(rows)[0]
    assert "differ by more than 0.25** for `rest` warm" in section.text
    assert section.tables[0].marks[0, "slope_round_trips"].tone == "warn"


def test_long_haul_sentences_and_tiles_follow_the_rows() -> None:
    def row(variant: str, **values: Any) -> Row:
        return _cell("reset", "between_events", variant, **values)

    clean = row("rest", trials=20, delivered=20, lost=0)
    harmed = row("mcp-http", trials=20, delivered=17, lost=3, looked_finished=2)
    failed = row("grpc", trials=20, delivered=5, failed_cleanly=15)
    absent = row("inproc", trials=0, not_testable="no connection")
    matrix, paragraphs, *_ = present_longhaul([clean, harmed, failed, absent])
    told = dict(zip(("inproc", "rest", "mcp-http", "grpc"), _by_variant(paragraphs.text), strict=True))
    assert "all 20 trials of its 1 cell with a fault delivered the result once" in told["rest"]
    assert "up to 14%" in told["rest"]
    assert "up to 14% of cases" in matrix.text
    assert "delivered 17 of 20 trials with a fault; 3 lost (3 of 20 in `reset/between_events`)" in told["mcp-http"]
    assert "looked like a finished one: 2 of 20 in `reset/between_events`" in told["mcp-http"]
    assert "15 failed cleanly" in told["grpc"]
    assert "Not testable in 1 cell: no connection." in told["inproc"]
    assert "trial" not in told["inproc"], "zero trials say nothing"
    tiles = {tile["variant"]: (tile["text"], tile["tint"]) for tile in _data(matrix.charts[0])}
    assert tiles == {"rest": ("✓ 20", "good"), "mcp-http": ("lost\n3 of 20", "bad"), "grpc": ("error\n15 of 20", "warn")}


def _by_variant(text: str) -> list[str]:
    return text.split("\n\n")


def test_missed_events_are_the_fault_s_where_the_fault_free_run_misses_none() -> None:
    def shown(usual: int) -> str:
        free = _cell("none", "none", "a2a-grpc", trials=20, delivered=20, events_lost=usual, events_expected=800)
        cut = _cell("reset", "between_events", "a2a-grpc", trials=20, delivered=20, events_lost=31, events_expected=800)
        matrix, paragraphs, *_ = present_longhaul([free, cut])
        assert f"never told 31 of 800 events; without a fault {usual} of 800" in paragraphs.text
        assert "A2A 1.0 section 3.1.6" in paragraphs.text, "the section that decides it"
        return next(tile["text"] for tile in _data(matrix.charts[0]) if tile["spot"] != "no fault")

    assert (shown(0), shown(9)) == ("✓ 20\n−31 ev", "✓ 20")


def test_cells_that_are_all_alike_are_one_line_and_no_harm_is_in_it() -> None:
    places = ("before_send", "request_sent", "before_response", "between_events", "inside_event")
    rows = [_cell(fault, place, trials=20, delivered=20) for fault in ("reset", "close") for place in places]
    rows[3] |= {"delivered": 19, "hung": 1}
    rows[4] |= {"trials": 0, "harness_errors": 20, "not_testable": "a defect"}
    nobody, not_here = ({"trials": 0, "not_testable": why} for why in ("nobody has it", "it is not here"))
    rows[5] = _cell("close", "before_send", **nobody)
    rows.append(_cell("close", "request_sent", "mcp-stdio", **not_here))
    tiles = {(tile["spot"], tile["variant"]): tile["text"] for tile in _data(present_longhaul(rows)[0].charts[0])}
    assert tiles == {
        ("reset / between_events", "rest"): "hung\n1 of 20",
        ("reset / inside_event", "rest"): "ours",
        ("close / before_send", "rest"): "n/a",
        ("7 others, all delivered", "rest"): "✓ 140",
    }
    with_pipes = [*rows, _cell("close", "inside_event", "mcp-stdio", trials=20, delivered=20)]
    shown = [(tile["spot"], tile["text"]) for tile in _data(present_longhaul(with_pipes)[0].charts[0])]
    assert ("7 others, all delivered", "✓ 20") in shown


def test_a_long_section_is_closed_in_the_page_and_only_named_in_a_terminal(folder: RunFolder) -> None:
    table = Table([("variant", "Variant"), ("x", "X")], [{"variant": "rest", "x": 4321}])
    metric = Metric(
        "long_haul", "Long haul", 1, _nothing, _as_rows, lambda rows: [Section("Long", "why", [table], folded=True)]
    )
    reports = write_reports(folder, {"long_haul": metric})
    console = Console(file=io.StringIO(), width=80)
    summarise(reports.document, console)
    text = reports.html.read_text()
    assert text.index('<details class="fold">') < text.index("4,321") < text.rindex("</details>")
    assert "4,321" in reports.markdown.read_text()
    assert "4,321" not in console.file.getvalue()
    assert "In the report also: long." in console.file.getvalue()


def test_integration_sentences_compare_one_agent_and_ten() -> None:
    rows = [
        {"variant": "rest", "guarantee": "G1", "side": "consumer", "fixed_lines": 0, "marginal_lines": 10},
        {"variant": "mcp-http", "guarantee": "G1", "side": "consumer", "fixed_lines": 20, "marginal_lines": 2},
        {"variant": "grpc", "guarantee": "G1", "side": "consumer", "not_testable": "failed its scenario"},
    ]
    text = present_integration(rows)[0].text
    assert "10 over `rest` (0 once, 10 per agent) and 22 over `mcp-http` (20 once, 2 per agent) lines" in text
    assert "For 1 agent `mcp-http` takes 2.2 times the lines of `rest`" in text
    assert "for 10 agents `rest` takes 2.5 times the lines of `mcp-http`" in text
    assert "Not counted: `grpc`." in text


def test_text_from_an_agent_cannot_become_markup(folder: RunFolder) -> None:
    evil = '<script>alert(1)</script><img src=http://x.test/a.png>"'

    def present(rows: Sequence[Row]) -> list[Section]:
        table = Table([("variant", evil)], [{"variant": evil}], evil, {(0, "variant"): Mark("bad", evil)})
        return [Section(evil, f"{evil} [x](javascript:alert(1)) `{evil}`", [table], [Chart({}, evil)])]

    metric = Metric("long_haul", evil, 1, _nothing, _as_rows, present)
    reports = write_reports(folder, {"long_haul": metric})
    text = reports.html.read_text()
    assert text.count("<script>") == 1
    assert "<img" not in text
    assert 'href="javascript' not in text
    assert "<script" not in reports.markdown.read_text().replace(f"`{evil}`", "")


def test_a_chart_that_cannot_be_drawn_is_said_in_its_place(folder: RunFolder) -> None:
    broken = Chart({"mark": "no-such-mark", "encoding": 5}, "A chart that cannot be.")
    metric = Metric("long_haul", "Long haul", 1, _nothing, _as_rows, lambda rows: [Section("Broken", "text", [], [broken])])
    text = page.render(write_reports(folder, {"long_haul": metric}).document)
    assert "This chart could not be drawn." in text


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("x", 2, "2"),
        ("x", 12345, "12,345"),
        ("x_ms", 2.04, "2.04"),
        ("x_ms", 12.345, "12.3"),
        ("x_ms", 1234.5, "1,234"),
        ("x_ms", 9.996, "10.0"),
        ("x_ms", 0.00123, "0.00123"),
        ("x", -0.5, "−0.50"),
        ("x", 0.0, "0.00"),
        ("x", float("nan"), "–"),
        ("x", None, "–"),
        ("x", True, "yes"),
        ("slope_ci", [1.9, 2.1], "1.90 – 2.10"),
        ("slope_ci", [0.984, 1.114], "0.98 – 1.11"),
        ("slope_ci", [-0.001, 0.5], "0.00 – 0.50"),
        ("slope_ci", [None, 2.1], "–"),
        ("pair", [1.9, 2.1], "1.90 · 2.10"),
        ("names", ["a", "b"], "a · b"),
        ("names", list("abcdefgh"), "a · b · c · d · e · f · … 2 more"),
    ],
)
def test_a_value_reads(key: str, value: Any, text: str) -> None:
    assert show(key, value).text == text


def test_a_heading_names_its_unit_once() -> None:
    assert heading("time_ms", "Time") == "Time (ms)"
    assert heading("time_ms", "Time, ms") == "Time, ms"
    assert heading("turns", "Turns") == "Turns"
    assert duration("2026-11-23T21:30:00.000Z", "2026-11-23T22:31:02.000Z") == "1 h 1 min"
    assert number(-7) == "-7".replace("-", "−")


def test_a_variant_keeps_its_colour_and_a_new_one_takes_a_free_shade() -> None:
    assert colour_of(["rest", "mcp-http"])["rest"] == colour_of(["rest"])["rest"]
    chosen = colour_of([*KNOWN, "a2a-quic", "corba"])
    assert chosen["corba"] == COLOURS["other-1"][0]
    assert len(set(chosen.values())) == len(chosen) - 1, "only the fourth shade of a2a repeats"
    assert len({pair[0] for pair in COLOURS.values()}) == len(COLOURS), "a light colour names one CSS variable"


def _data(chart: Chart | None) -> list[Row]:
    assert chart
    svg.draw(chart.spec, "c")
    return [row for values in chart.spec["datasets"].values() for row in values]


def test_charts_draw_what_is_there_and_nothing_else() -> None:
    rows: list[Row] = [
        {"variant": "rest", "x": 0.0, "y": 0, "many": [0.0, 500.0, None]},
        {"variant": "mcp-http", "x": None, "y": 5, "many": []},
    ]
    assert [row["variant"] for row in _data(charts.bars(rows, "y", alt_text="bars"))] == ["rest", "mcp-http"]
    assert len(_data(charts.bars(rows, "x", alt_text="bars"))) == 1
    dots = charts.dots(rows, "many", alt_text="dots")
    assert sorted(row["value"] for row in _data(dots) if "value" in row) == [0.0, 500.0], "0 is a value, None is not"
    assert not any("line_x" in row for row in _data(charts.lines_with_ci(rows, "x", "y", alt_text="one point has no slope")))
    assert charts.bars(rows, "absent", alt_text="") is None
    assert charts.dots(rows, "absent", alt_text="") is None
    assert charts.lines_with_ci(rows, "absent", "y", alt_text="") is None
    assert charts.matrix({}, alt_text="") is None


def test_a_fitted_line_has_the_slope_of_its_points() -> None:
    rows: list[Row] = [{"variant": "rest", "d": delay, "t": 3 + 2.0 * delay, "t_ci": [1, 99]} for delay in (0, 10, 20, 40)]
    data = _data(charts.lines_with_ci(rows, "d", "t", interval="t_ci", alt_text="a slope of two"))
    ends = [(row["line_x"], row["line_y"]) for row in data if "line_x" in row]
    assert ends == [(0, pytest.approx(3.0)), (40, pytest.approx(83.0))]
    assert [row["label"] for row in data if "label" in row] == ["rest"]


def test_a_drawing_reaches_for_no_address_and_has_its_own_ids() -> None:
    spec = {"data": {"url": "http://127.0.0.1:9/x.csv"}, "mark": "point", "encoding": {"x": {"field": "a"}}}
    with pytest.raises(svg.Undrawable):
        svg.draw(spec, "c")
    drawn = charts.bars([{"variant": "rest", "x": 1}], "x", alt_text="bars")
    assert drawn
    one, two = svg.draw(drawn.spec, "one"), svg.draw(drawn.spec, "two")
    ids = [set(re.findall(r'id="([^"]+)"', text)) for text in (one, two)]
    assert not ids[0] & ids[1]
    assert f"var(--c-rest-1, {COLOURS['rest-1'][0]})" in one


def test_inline_marks() -> None:
    assert spans("`a<b` **x *y*** [z](report.json)").startswith("<code>a&lt;b</code>")
    assert blocks("one\n\n- two\n- three") == "<p>one</p>\n<ul><li>two</li><li>three</li></ul>"


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def browse(url: str, profile: Path, width: int = 1280) -> tuple[str, str]:
    """The page's DOM after its script ran, and what the browser logged."""
    assert CHROMIUM, "chromium is missing; on Debian: apt-get install chromium"
    done = subprocess.run(
        [
            *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
            *("--disable-component-update", "--disable-sync", "--enable-logging=stderr", "--disable-dev-shm-usage"),
            *(f"--user-data-dir={profile}", f"--window-size={width},1200", "--dump-dom", url),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None and os.environ.get("CI") != "true", reason="no chromium here, and this is not CI")
def test_a_real_browser_shows_the_page_without_a_complaint(folder: RunFolder, tmp_path: Path) -> None:
    path = write_reports(folder, METRICS).html
    # Measured where the script of the page itself may not run: in a copy, by a script of this test.
    probe = (
        "<script>addEventListener('load',()=>{const root=document.documentElement;"
        "document.body.dataset.overflow=root.scrollWidth-root.clientWidth;"
        "const svg=document.querySelector('figure svg [fill^=var]');"
        "document.body.dataset.paint=getComputedStyle(svg).fill})</script>"
    )
    dom, complaints = browse(f"{path.as_uri()}#dark", tmp_path / "profile")
    assert complaints == ""
    assert 'data-theme="dark"' in dom, "the page's own script ran: its hash in the policy is right"
    assert 'aria-label="Switch to light colours"' in dom
    assert dom.count('class="sort"') > 20
    assert dom.count("<svg") >= 6
    for variant in VARIANTS:
        assert variant in dom
    copy = folder.path / "probed.html"
    copy.write_text(
        re.sub(r"<meta http-equiv=.Content-Security-Policy[^>]*>", "", path.read_text()).replace("</body>", probe + "</body>")
    )
    paints: list[str] = []
    for theme in ("light", "dark"):
        dom, _ = browse(f"{copy.as_uri()}#{theme}", tmp_path / "profile", width=500)
        assert re.findall(r'data-overflow="(-?\d+)"', dom) == ["0"], "a narrow page scrolls inside its tables, never as a whole"
        paints += re.findall(r'data-paint="([^"]*)"', dom)
    assert len(set(paints)) == 2, "one drawing, painted anew by the theme"


@pytest.mark.parametrize("width", [80, 100, 160])
def test_a_terminal_cuts_no_number_and_no_name(folder: RunFolder, width: int) -> None:
    console = Console(file=io.StringIO(), width=width)
    summarise(write_reports(folder, METRICS).document, console)
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    assert len(re.findall(r"mcp-http-2025 ", text)) > 6
    assert "10,574" in text if width == 160 else "In the report also:" in text
    assert "…" not in text
    rules = [line for line in text.splitlines() if "─" in line and not line.strip(" ─")]
    assert rules
    assert all(line.endswith(" ") for line in rules), "a rule that lost its last blank is a table that was cut off"
