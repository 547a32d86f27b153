"""`sametask mcp` as the process that a host starts: the official client in both revisions, and its raw lines."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, MCPError, StdioServerParameters
from sametask.measurements.run_folder import RunFolder
from sametask.measurements.samples import Sample
from sametask.protocols.client import ClientSettings
from sametask.protocols.mcp.tasks_client import TasksClient
from sametask.protocols.mcp.wire import CreateTaskResult

COMMAND = [sys.executable, "-P", "-m", "sametask.console.main", "mcp"]
MODES = ["legacy", "2026-07-28"]
META: dict[str, Any] = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "progressToken": "p",
}
PLAN = {"layers": 32, "kv_heads": 8, "head_dim": 128, "memory_bytes": 16_000_000_000}
TRACE = {"synthetic": {"request_count": 40}, "slice_requests": 20}
COMPARE = {"only": ["round-trips"], "variants": ["rest"]}
COUNTED: dict[str, Any] = {
    "turns_count": 1,
    "requests_count": 1,
    "connections_count": 0,
    "up_bytes": 10,
    "down_bytes": 20,
    "fingerprint": ["POST /made/up"],
    "undecodable": [],
}
OURS = {"run_comparison", "stop_comparison", "list_reports", "read_report"}
PLAIN = {"task_submit", "task_status", "task_result", "task_answer", "task_cancel"}

NOISY = '''
import os
print("printed on import")
os.write(1, b"written on import\\n")
from pydantic import BaseModel
from sametask.agents import Agent

agent = Agent("noisy", description="Prints", version="1")

class Text(BaseModel):
    text: str = ""

@agent.skill
async def say(request: Text) -> Text:
    """Prints, and says it back."""
    print("printed by the skill", end="")
    os.write(1, b"written by the skill\\n")
    return request
'''


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def arguments(tmp_path: Path, runs: Path) -> list[str]:
    return ["--engine", f"sqlite:///{tmp_path / 'tasks.db'}", "--runs", str(runs)]


@pytest.fixture
def made(runs: Path) -> str:
    """A run with a few samples made by hand. Shape: its name."""
    folder = RunFolder.create(runs, "quick", seed=3, variants=["rest", "mcp-http"], metrics=["round_trips"])
    with folder.recording():
        for delay in (0.0, 10.0, 20.0, 40.0):
            values = COUNTED | {"elapsed_ms": 2 + delay}
            cell = {"flow": "warm", "delay_ms": delay}
            folder.append(Sample(metric="round_trips", variant="rest", cell=cell, values=values))
        folder.append(
            Sample(metric="round_trips", variant="mcp-http", cell={"flow": "warm"}, status="failed", reason="made up")
        )
    return folder.run.name


@asynccontextmanager
async def connected(arguments: list[str], mode: str, **options: Any) -> AsyncGenerator[Client]:
    parameters = StdioServerParameters(command=COMMAND[0], args=[*COMMAND[1:], *arguments])
    async with asyncio.timeout(60), Client(parameters, mode=mode, **options) as client:
        yield client


class Raw:
    """The server's process, with the lines that it writes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    def send(self, method: str, request_id: int | None = None, **params: Any) -> None:
        said = {"jsonrpc": "2.0", "method": method, "params": {**params, "_meta": META}}
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(said if request_id is None else said | {"id": request_id}).encode() + b"\n")

    def call(self, tool: str, arguments: dict[str, Any], request_id: int = 1) -> None:
        self.send("tools/call", request_id, name=tool, arguments=arguments)

    async def hears(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first message that is wanted; every line must be one of the protocol."""
        assert self.process.stdout is not None
        while True:
            said = json.loads(await self.process.stdout.readline())
            assert said["jsonrpc"] == "2.0"
            if wanted(said):
                return said

    async def answer(self, request_id: int = 1) -> dict[str, Any]:
        return (await self.hears(lambda said: said.get("id") == request_id))["result"]

    async def ends(self) -> tuple[list[dict[str, Any]], str]:
        """What it still said until its end, on stdout and on stderr."""
        out, err = await self.process.communicate()
        assert self.process.returncode == 0, err.decode()
        assert b"Traceback" not in err
        return [json.loads(line) for line in out.splitlines()], err.decode()


@asynccontextmanager
async def started(arguments: list[str], env: dict[str, str] | None = None, cwd: str = "/") -> AsyncGenerator[Raw]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *arguments, stdin=pipe, stdout=pipe, stderr=pipe, cwd=cwd, env=env, limit=2**22
    )
    try:
        async with asyncio.timeout(60):
            yield Raw(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


def end_reason(runs: Path) -> str | None:
    (path,) = runs.glob("*/run.json")
    return json.loads(path.read_text())["end_reason"]


def text(result: Any) -> str:
    return result.content[0].text


@pytest.mark.parametrize("mode", MODES)
async def test_skills_and_reports_are_tools_that_say_what_they_are(arguments: list[str], mode: str) -> None:
    async with connected(arguments, mode) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert {*OURS, *PLAIN, "prefix_cache_plan", "prefix_cache_simulate"} <= set(tools)
        assert all(tool.description for tool in tools.values())
        hints = {name: tools[name].annotations for name in OURS}
        assert {name for name, hint in hints.items() if hint and hint.read_only_hint} == {"list_reports", "read_report"}
        assert {name for name, hint in hints.items() if hint and hint.destructive_hint} == {"stop_comparison"}
        if mode == "legacy":
            assert "list_reports" in (client.instructions or "")
        planned = await client.call_tool("prefix_cache_plan", PLAN)
        assert planned.structured_content is not None
        assert planned.structured_content["blocks"] == 7629


async def test_what_can_be_measured_is_what_the_tool_says(arguments: list[str]) -> None:
    from sametask.measurements.bench import SUITES
    from sametask.measurements.metric import metrics
    from sametask.protocols.variants import variants

    async with connected(arguments, "2026-07-28") as client:
        (tool,) = [tool for tool in (await client.list_tools()).tools if tool.name == "run_comparison"]
    properties = tool.input_schema["properties"]
    assert properties["suite"]["enum"] == list(SUITES)
    for metric in metrics():
        assert metric.replace("_", "-") in properties["only"]["description"]
    listed = str(tool.description).partition("Variants: ")[2].rstrip(".").split(", ")
    assert listed == [name for name, variant in variants().items() if variant.server]


async def test_a_long_skill_is_a_task_where_the_client_knows_tasks(arguments: list[str]) -> None:
    async with connected(arguments, "2026-07-28", extensions=[TasksClient(ClientSettings())]) as client:
        made = await client.session.call_tool("prefix_cache_simulate", TRACE, allow_claimed=True)
        assert isinstance(made, CreateTaskResult)
        finished = await client.call_tool("task_result", {"task_id": made.task_id})
        awaited = await client.call_tool("prefix_cache_simulate", TRACE)
        assert finished.structured_content is not None
        assert finished.structured_content["state"] == "completed"
        assert finished.structured_content["result"] == awaited.structured_content


@pytest.mark.parametrize("mode", MODES)
async def test_a_long_skill_goes_by_plain_tools_where_the_client_knows_none(arguments: list[str], mode: str) -> None:
    asking = TRACE | {"capacity_blocks": 1, "confirm": True}
    async with connected(arguments, mode) as client:
        made = await client.call_tool("task_submit", {"agent": "prefix_cache", "skill": "simulate", "input": asking})
        assert made.structured_content is not None
        task = {"task_id": made.structured_content["id"]}
        asked = (await client.call_tool("task_result", task)).structured_content or {}
        assert asked["state"] == "input_required"
        answer = {"request_id": asked["question"]["request_id"], "answer": {"choice": "evict"}}
        await client.call_tool("task_answer", task | answer)
        ended = (await client.call_tool("task_result", task)).structured_content or {}
        assert ended["state"] == "completed"
        assert (await client.call_tool("task_status", task)).structured_content == ended
        again = await client.call_tool("task_cancel", task)
        assert again.is_error
        assert "already completed" in text(again)


@pytest.mark.parametrize("mode", MODES)
async def test_a_folder_without_runs_has_no_reports(arguments: list[str], runs: Path, mode: str) -> None:
    async with connected(arguments, mode) as client:
        listed = (await client.call_tool("list_reports", {})).structured_content
        assert listed == {"folder": str(runs), "total": 0, "measuring": None, "runs": [], "unreadable": []}
        assert json.loads((await client.read_resource("sametask://runs")).contents[0].text) == listed
        read = await client.call_tool("read_report", {})
        assert read.is_error
        assert "run_comparison makes one" in text(read)
        stopped = await client.call_tool("stop_comparison", {})
        assert stopped.is_error
        assert "no comparison is being measured" in text(stopped)


@pytest.mark.parametrize("mode", MODES)
async def test_a_run_is_listed_and_its_report_derived_and_read(arguments: list[str], runs: Path, made: str, mode: str) -> None:
    damaged = runs / "20200101T000000Z-quick-nogit"
    damaged.mkdir()
    (damaged / "run.json").write_text("{")
    async with connected(arguments, mode) as client:
        listed = (await client.call_tool("list_reports", {"limit": 1})).structured_content or {}
        (run,) = listed["runs"]
        assert (run["run"], run["suite"], run["end_reason"]) == (made, "quick", "completed")
        assert (run["variants"], run["metrics"]) == (["rest", "mcp-http"], ["round-trips"])
        assert (run["samples"], run["report_html"]) == ({"ok": 4, "failed": 1}, None)
        assert [found["run"] for found in listed["unreadable"]] == [damaged.name]

        whole = text(await client.call_tool("read_report", {}))
        assert whole == (runs / made / "report.md").read_text()
        section = text(await client.call_tool("read_report", {"run": made, "section": "round-trips"}))
        assert section.startswith("## Round trips")
        assert section.strip() in whole
        assert "made up" in text(await client.call_tool("read_report", {"section": "Failures"}))
        assert "round trips" not in text(await client.call_tool("read_report", {"section": "summary"})).lower()
        data = json.loads(text(await client.call_tool("read_report", {"format": "json"})))
        assert data["run"]["name"] == made
        rows = text(await client.call_tool("read_report", {"format": "json", "section": "round-trips"}))
        assert json.loads(rows) == data["round_trips"]

        templates = [found.uri_template for found in (await client.list_resource_templates()).resource_templates]
        assert {"sametask://runs/{run}/report.md", "sametask://runs/{run}/report.json"} <= set(templates)
        assert "sametask://runs" in [found.uri for found in (await client.list_resources()).resources]
        markdown = (await client.read_resource(f"sametask://runs/{made}/report.md")).contents[0]
        assert (markdown.text, markdown.mime_type) == (whole, "text/markdown")
        assert json.loads((await client.read_resource(f"sametask://runs/{made}/report.json")).contents[0].text) == data


async def test_a_report_is_derived_again_once_its_run_went_on(arguments: list[str], runs: Path) -> None:
    going_on = RunFolder.create(runs, "quick", variants=["rest"], metrics=["round_trips"])
    async with connected(arguments, "2026-07-28") as client:
        assert "This run has no sample" in text(await client.call_tool("read_report", {}))
        going_on.append(
            Sample(metric="round_trips", variant="rest", cell={"flow": "warm"}, status="failed", reason="now there")
        )
        assert "now there" in text(await client.call_tool("read_report", {}))


async def test_no_run_outside_the_folder_is_read(arguments: list[str], made: str, tmp_path: Path) -> None:
    outside = tmp_path / "x"
    outside.mkdir()
    (outside / "run.json").write_text("{}")
    async with connected(arguments, "2026-07-28") as client:
        for name in ("../x", "..%2Fx", "..", ".", "/etc", "x/../../x", "a\0b", "x" * 300):
            refused = await client.call_tool("read_report", {"run": name})
            assert refused.is_error, name
            assert text(refused).endswith("accepted: a name that list_reports gives")
            assert "\n" not in text(refused)
            with pytest.raises(MCPError, match="is not known; accepted") as error:
                await client.read_resource(f"sametask://runs/{name}/report.md".replace("\0", "%00"))
            assert error.value.error.code == -32602


BAD = [
    ("run_comparison", {"suite": "huge"}, "suite: 'huge' is not accepted"),
    ("run_comparison", {"variants": ["soap"]}, "variants: 'soap' is not accepted; accepted: one or more of: "),
    ("run_comparison", {"only": ["speed"]}, "only: 'speed' is not accepted; accepted: one or more of: "),
    ("run_comparison", {"variant": ["rest"]}, "variant: "),
    ("run_comparison", {"seed": -1}, "seed: -1 is not accepted"),
    ("list_reports", {"limit": 0}, "limit: 0 is not accepted"),
    ("read_report", {"format": "pdf"}, "format: 'pdf' is not accepted"),
    ("read_report", {"section": "speed"}, "section: 'speed' is not accepted; accepted in the markdown of this run: "),
    ("read_report", {"format": "json", "section": "speed"}, "section: 'speed' is not accepted; accepted in the json"),
    ("prefix_cache_plan", {}, "layers: "),
]


async def test_bad_input_is_one_line_that_says_what_is_accepted(arguments: list[str], runs: Path, made: str) -> None:
    async with connected(arguments, "2026-07-28") as client:
        for tool, wrong, says in BAD:
            refused = await client.call_tool(tool, wrong)
            assert refused.is_error, (tool, wrong)
            assert text(refused).startswith(says)
            assert "\n" not in text(refused)
    assert end_reason(runs) == "completed"  # of the one that was there: bad input makes no run


@pytest.mark.parametrize("mode", MODES)
async def test_a_comparison_is_measured_with_progress_and_reported(arguments: list[str], runs: Path, mode: str) -> None:
    told: list[tuple[float, float | None, str | None]] = []

    async def hear(done: float, total: float | None, said: str | None) -> None:
        told.append((done, total, said))

    # The floor has no wire, so it takes no time: what is measured is not the matter here.
    wanted = COMPARE | {"variants": ["rest" if mode == "legacy" else "inproc"], "seed": 5}
    async with connected(arguments, mode) as client:
        result = await client.call_tool("run_comparison", wanted, progress_callback=hear)
        assert not result.is_error, text(result)
        compared = result.structured_content or {}
        assert not compared["running"]
        assert (compared["suite"], compared["metrics"], compared["seed"]) == ("quick", ["round-trips"], 5)
        assert "## Round trips" in compared["summary"]
        assert compared["report_html"] == str(runs / compared["run"] / "report.html")
        assert told == sorted(told, key=lambda one: one[0])
        assert told[-1] == (1, 1, "writing the report")
        if mode == "legacy":
            assert len(told) > 5
            assert compared["samples"]["ok"] > 0
        read = await client.call_tool("read_report", {"run": compared["run"], "section": "round-trips"})
        assert not read.is_error
    assert end_reason(runs) == "completed"


async def test_a_comparison_in_the_background_answers_at_once_and_can_be_stopped(arguments: list[str], runs: Path) -> None:
    async with connected(arguments, "legacy") as client:
        begun = (await client.call_tool("run_comparison", COMPARE | {"background": True})).structured_content or {}
        assert begun["running"]
        listed = (await client.call_tool("list_reports", {})).structured_content or {}
        assert listed["measuring"]["run"] == listed["runs"][0]["run"] == begun["run"]
        second = await client.call_tool("run_comparison", COMPARE)
        assert second.is_error
        assert begun["run"] in text(second)
        assert "one comparison at a time" in text(second)
        stopped = (await client.call_tool("stop_comparison", {})).structured_content or {}
        assert stopped["run"] == begun["run"]
        assert end_reason(runs) == "interrupted"
        assert "This run was interrupted" in text(await client.call_tool("read_report", {}))
        third = await client.call_tool("run_comparison", {"variants": ["inproc"], "only": ["round-trips"]})
        assert not third.is_error, text(third)


async def _compares(raw: Raw) -> None:
    raw.call("run_comparison", COMPARE)
    await raw.hears(lambda said: said.get("method") == "notifications/progress" and said["params"]["progress"] > 0)


async def test_cancelling_the_request_ends_the_comparison(arguments: list[str], runs: Path) -> None:
    async with started(arguments) as raw:
        await _compares(raw)
        raw.send("notifications/cancelled", requestId=1)
        # Another one is accepted once the cancelled one has ended; until then it is told to wait.
        for request_id in itertools.count(2):
            raw.call("run_comparison", {"variants": ["soap"]}, request_id)
            if "soap" in (await raw.answer(request_id))["content"][0]["text"]:
                break
        assert end_reason(runs) == "interrupted"
        assert raw.process.stdin is not None
        raw.process.stdin.close()
        await raw.ends()


@pytest.mark.parametrize("how", ["stdin closed", "SIGTERM"])
async def test_a_client_that_leaves_ends_the_comparison(arguments: list[str], runs: Path, how: str) -> None:
    async with started(arguments) as raw:
        await _compares(raw)
        assert raw.process.stdin is not None
        if how == "SIGTERM":
            raw.process.send_signal(signal.SIGTERM)
        else:
            raw.process.stdin.close()
        await raw.ends()
        assert end_reason(runs) == "interrupted"


async def test_stdout_holds_only_protocol_whatever_prints(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "noisy.py").write_text(NOISY)
    async with started([str(tmp_path / "noisy.py"), *arguments]) as raw:
        raw.call("noisy_say", {"text": "hello"})
        assert (await raw.answer())["structuredContent"] == {"text": "hello"}
        raw.call("run_comparison", {"variants": ["inproc"], "only": ["round-trips"]}, 2)
        assert not (await raw.answer(2))["isError"]
        assert raw.process.stdin is not None
        raw.process.stdin.close()
        left, err = await raw.ends()
        assert left == []
        for printed in ("printed on import", "written on import", "printed by the skill", "written by the skill"):
            assert printed in err


async def test_a_host_that_starts_it_in_the_root_folder_needs_no_option(tmp_path: Path) -> None:
    env = {**os.environ, "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    async with started([], env) as raw:
        raw.call("list_reports", {})
        assert (await raw.answer())["structuredContent"]["folder"] == str(tmp_path / "state" / "sametask" / "runs")
        assert (tmp_path / "state" / "sametask" / "tasks.db").is_file()
        raw.process.send_signal(signal.SIGTERM)
        assert (await raw.ends())[0] == []


async def test_what_was_typed_wrong_is_one_line_on_stderr() -> None:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*COMMAND, "--engine", "redis://x", stdin=pipe, stdout=pipe, stderr=pipe)
    async with asyncio.timeout(30):
        out, err = await process.communicate()
    assert (process.returncode, out) == (2, b"")
    assert err.decode().startswith("error: engine: 'redis://x' is not accepted")
    assert err.count(b"\n") == 1


async def test_over_http_both_revisions_are_served(arguments: list[str], made: str) -> None:
    async with started(["--http", "--port", "0", *arguments]) as raw:
        assert raw.process.stderr is not None
        url = (await raw.process.stderr.readline()).decode().split()[0]
        for mode in MODES:
            async with Client(url, mode=mode) as client:
                listed = (await client.call_tool("list_reports", {})).structured_content or {}
                assert [run["run"] for run in listed["runs"]] == [made]
                assert (await client.call_tool("prefix_cache_plan", PLAN)).is_error is False
        raw.process.send_signal(signal.SIGTERM)
        left, _ = await raw.ends()
        assert left == []
