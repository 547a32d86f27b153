"""Round trips over real servers and real taps: each flow costs what it must, and a chattier or a false client is found out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sametask.agents.errors import ConnectionLost
from sametask.measurements.bench import TEAM, Bench, Effort, Station
from sametask.measurements.cases import BUNDLED
from sametask.measurements.roundtrips.derive import derive
from sametask.measurements.roundtrips.flows import FLOWS
from sametask.measurements.roundtrips.measure import measure, run_flow
from sametask.measurements.samples import Sample
from sametask.protocols.client import AgentClient, ClientSettings
from sametask.protocols.variants import variants

BY_NAME = {flow.name: flow for flow in FLOWS}
SKILL = "/agents/prefix_cache/skills"
SERVICE = "/sametask.prefix_cache.v1.PrefixCache"
JSON = "application/json -> application/json"
CARD = "GET /.well-known/agent-card.json -> application/json a2a-version=1.0"


def mcp(method: str, answer: str = "application/json") -> str:
    return f"POST /mcp application/json -> {answer} mcp-protocol-version=2026-07-28 mcp-method={method} jsonrpc={method}"


def a2a_grpc(method: str) -> str:
    return f"grpc /lf.a2a.v1.A2AService/{method} a2a-version=1.0"


def a2a_jsonrpc(method: str, answer: str = "application/json") -> str:
    return f"POST /a2a application/json -> {answer} a2a-version=1.0 jsonrpc={method}"


def a2a_http(path: str, answer: str = "application/a2a+json") -> str:
    return f"POST /a2a/v1{path} application/json -> {answer} a2a-version=1.0"


A2A_HTTP_GET = "GET /a2a/v1/tasks/{id}?historyLength -> application/a2a+json a2a-version=1.0"


EXPECTED: dict[str, dict[str, tuple[int, int, list[str]]]] = {
    "rest": {
        "cold": (3, 1, ["GET /agents -> application/json", f"POST {SKILL}/plan {JSON}"]),
        "warm": (1, 0, [f"POST {SKILL}/plan {JSON}"]),
        "stream": (1, 0, [f"POST {SKILL}/simulate application/json -> text/event-stream"]),
        "submit_wait": (2, 0, [f"POST {SKILL}/simulate {JSON}", "GET /tasks/{id} -> application/json"]),
        "cancel": (1, 0, ["POST /tasks/{id}/cancel -> application/json"]),
        "answer": (2, 0, [f"PUT /tasks/{{id}}/answers/q1 {JSON}", "GET /tasks/{id} -> application/json"]),
    },
    "grpc": {
        "cold": (
            4,  # the handshake, the list of services, their files on the same call, the call
            1,
            [
                "grpc /grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                f"grpc {SERVICE}/Plan",
            ],
        ),
        "warm": (1, 0, [f"grpc {SERVICE}/Plan"]),
        "stream": (1, 0, [f"grpc {SERVICE}/Simulate"]),
        "submit_wait": (2, 0, [f"grpc {SERVICE}/StartSimulate", "grpc /sametask.tasks.v1.Tasks/Wait"]),
        "cancel": (1, 0, ["grpc /sametask.tasks.v1.Tasks/Cancel"]),
        "answer": (2, 0, ["grpc /sametask.tasks.v1.Tasks/Answer", "grpc /sametask.tasks.v1.Tasks/Wait"]),
    },
    "mcp-http": {
        "cold": (3, 1, [mcp("tools/list"), mcp("tools/call")]),
        "warm": (1, 0, [mcp("tools/call")]),
        "stream": (2, 0, [mcp("tools/call"), mcp("subscriptions/listen", "text/event-stream")]),
        "submit_wait": (2, 0, [mcp("tools/call"), mcp("tasks/get")]),
        "cancel": (1, 0, [mcp("tasks/cancel")]),
        "answer": (2, 0, [mcp("tasks/update"), mcp("tasks/get")]),
    },
    "a2a-grpc": {
        "cold": (4, 2, [CARD, a2a_grpc("SendMessage")]),  # two handshakes: the card is on the HTTP listener
        "warm": (1, 0, [a2a_grpc("SendMessage")]),
        "stream": (1, 0, [a2a_grpc("SendStreamingMessage")]),
        "submit_wait": (2, 0, [a2a_grpc("SendMessage"), a2a_grpc("GetTask")]),
        "cancel": (1, 0, [a2a_grpc("CancelTask")]),
        "answer": (2, 0, [a2a_grpc("SendMessage"), a2a_grpc("GetTask")]),
    },
    "a2a-jsonrpc": {
        "cold": (3, 1, [CARD, a2a_jsonrpc("SendMessage")]),
        "warm": (1, 0, [a2a_jsonrpc("SendMessage")]),
        "stream": (1, 0, [a2a_jsonrpc("SendStreamingMessage", "text/event-stream")]),
        "submit_wait": (2, 0, [a2a_jsonrpc("SendMessage"), a2a_jsonrpc("GetTask")]),
        "cancel": (1, 0, [a2a_jsonrpc("CancelTask")]),
        "answer": (2, 0, [a2a_jsonrpc("SendMessage"), a2a_jsonrpc("GetTask")]),
    },
    "a2a-http": {
        "cold": (3, 1, [CARD, a2a_http("/message:send")]),
        "warm": (1, 0, [a2a_http("/message:send")]),
        "stream": (1, 0, [a2a_http("/message:stream", "text/event-stream")]),
        "submit_wait": (2, 0, [a2a_http("/message:send"), A2A_HTTP_GET]),
        "cancel": (1, 0, [a2a_http("/tasks/{id}:cancel")]),
        "answer": (2, 0, [a2a_http("/message:send"), A2A_HTTP_GET]),
    },
}  # fmt: skip


@asynccontextmanager
async def at_work(folder: Path, name: str, kind: type[Station] = Station) -> AsyncGenerator[tuple[Station, AgentClient]]:
    station = kind(variants()[name], f"sqlite:///{folder}/tasks.db", TEAM, ClientSettings())
    async with station, Station.open(station) as warm:
        await warm.discover()
        yield station, warm


class Wrapped:
    """A client with something wrong about it."""

    def __init__(self, client: AgentClient) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


class Chatty(Wrapped):
    async def call(self, agent: str, skill: str, request: Mapping[str, Any]) -> Any:
        await self._client.discover()
        return await self._client.call(agent, skill, request)


class ChattyStation(Station):
    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Any]:
        async with super().open() as client:
            yield Chatty(client)


class Bypassing(Station):
    """Its clients go round the taps."""

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Any]:
        direct = self.variant.address({name: str(tap.target) for name, tap in self.taps.items()})
        async with self.variant.connect()(direct) as client:
            yield client


STOCK_TURNS = {
    "stock-fastapi": {"cold": 3, "warm": 1, "stream": 2, "submit_wait": 2, "cancel": 1, "answer": 2},
    "stock-fastmcp": {"cold": 3, "warm": 1, "stream": 1},
}


@pytest.mark.parametrize("name", STOCK_TURNS)
async def test_a_stock_row_is_counted_without_the_question_whether_its_task_has_ended(tmp_path: Path, name: str):
    async with at_work(tmp_path, name) as (station, warm):
        await warm.call(BUNDLED.agent, *BUNDLED.quick)
        samples = {flow.name: await run_flow(station, warm, flow, 20.0, 0) for flow in FLOWS}
        assert all(tap.delay_ms == 0.0 for tap in station.taps.values())
    turns = {flow: sample.values["turns_count"] for flow, sample in samples.items() if sample.status == "ok"}
    assert turns == STOCK_TURNS[name]
    others = [sample for sample in samples.values() if sample.status != "ok"]
    assert {sample.status for sample in others} <= {"not_testable"}
    assert all("no id" in sample.reason for sample in others)
    for sample in samples.values():
        assert all(station.variant.speaks(line) for line in sample.values.get("fingerprint", []))


async def test_what_cannot_be_measured_here_says_why_in_every_flow(tmp_path: Path):
    absent = replace(variants()["stock-fastmcp"], needs=("no_such_library",))
    bench = Bench((absent,), Effort("one", repeats=1, trials=1), seed=0, scratch=tmp_path)
    async with aclosing(measure(bench)) as measured:
        samples = [sample async for sample in measured]
    assert {(sample.cell["flow"], sample.status, sample.reason) for sample in samples} == {
        (flow, "not_testable", absent.missing) for flow in BY_NAME
    }


@pytest.mark.parametrize("name", ["rest", "a2a-jsonrpc", "a2a-http"])
async def test_a_cancel_finds_its_connection_open_every_time(tmp_path: Path, name: str):
    """The wait before it is a stream, whose connection may end with it: that is not the cancel's to pay for."""
    async with at_work(tmp_path, name) as (station, warm):
        samples = [await run_flow(station, warm, BY_NAME["cancel"], 0.0, trial) for trial in range(8)]
    assert [sample.reason for sample in samples if sample.status != "ok"] == []
    assert [(s.values["connections_count"], s.values["turns_count"]) for s in samples] == [(0, 1)] * 8


@pytest.mark.parametrize("name", EXPECTED)
async def test_every_flow_costs_what_it_must_with_and_without_a_delay(tmp_path: Path, name: str):
    async with at_work(tmp_path, name) as (station, warm):
        samples = [await run_flow(station, warm, flow, delay, 0) for delay in (0.0, 20.0) for flow in FLOWS]
    assert {sample.cell["flow"] for sample in samples} == EXPECTED[name].keys()
    for sample in samples:
        turns, connections, lines = EXPECTED[name][sample.cell["flow"]]
        assert (sample.status, sample.reason) == ("ok", "")
        assert sample.values["fingerprint"] == lines
        assert sample.values["requests_count"] == len(lines)
        assert sample.values["connections_count"] == connections
        assert not sample.values["undecodable"]
        if sample.cell["delay_ms"]:
            # Without a delay two things at the same time cannot be told apart; see wire/exchanges.py.
            assert sample.values["turns_count"] == turns
    rows = derive(samples)
    assert not [row["not_testable"] for row in rows if "not_testable" in row]
    assert {row["flow"]: row["turns_on_wire"] for row in rows} == {
        flow: turns for flow, (turns, _, _) in EXPECTED[name].items()
    }


@pytest.mark.parametrize("name", ["rest", "grpc"])  # the others' clients keep what they discovered: they ask once
async def test_a_request_more_in_each_call_is_counted_as_one_and_its_turns_too(tmp_path: Path, name: str):
    async with at_work(tmp_path, name, ChattyStation) as (station, warm):
        chatty: Any = Chatty(warm)
        plain, talkative, honest = [
            await run_flow(station, client, BY_NAME["warm"], 20.0, 0) for client in (warm, chatty, warm)
        ]
        cold = await run_flow(station, warm, BY_NAME["cold"], 20.0, 0)
    discovery = EXPECTED[name]["cold"][2][0]
    turns_of_discovery = EXPECTED[name]["cold"][0] - 2  # without the handshake and the call
    assert talkative.values["requests_count"] == plain.values["requests_count"] + 1
    assert talkative.values["turns_count"] == plain.values["turns_count"] + turns_of_discovery
    assert talkative.values["fingerprint"] == [discovery, *plain.values["fingerprint"]]
    assert talkative.values["up_bytes"] > plain.values["up_bytes"]
    assert honest.values["requests_count"] == plain.values["requests_count"], "the next flow pays nothing for it"
    assert cold.values["requests_count"] == len(EXPECTED[name]["cold"][2]) + 1
    assert cold.values["turns_count"] == EXPECTED[name]["cold"][0] + turns_of_discovery


async def test_a_label_that_is_not_what_the_wire_carries_gives_no_number(tmp_path: Path):
    async with at_work(tmp_path, "rest") as (station, warm):
        station.variant = replace(station.variant, name="grpc")
        [row] = derive([await run_flow(station, warm, BY_NAME["warm"], 0.0, 0)])
    assert row["variant"] == "grpc"
    assert row["not_testable"] == f"this is not grpc: the wire carried 'POST {SKILL}/plan {JSON}'"
    assert "turns_on_wire" not in row


async def test_a_client_that_goes_round_the_taps_was_not_measured(tmp_path: Path):
    async with at_work(tmp_path, "rest", Bypassing) as (station, warm):
        sample = await run_flow(station, warm, BY_NAME["cold"], 0.0, 0)
    [row] = derive([sample])
    assert (sample.status, sample.values["turns_count"]) == ("ok", 0)
    assert "nothing passed the taps" in row["not_testable"]


class Uncancelling(Wrapped):
    async def cancel(self, task_id: str) -> None:
        return


class Silent(Wrapped):
    async def call(self, agent: str, skill: str, request: Mapping[str, Any]) -> Any:
        await asyncio.Event().wait()


class Truncating(Wrapped):
    async def stream(self, agent: str, skill: str, request: Mapping[str, Any]) -> AsyncGenerator[Any]:
        async for event in self._client.stream(agent, skill, request):
            if not event.final:
                yield event


class Defective(Wrapped):
    async def call(self, agent: str, skill: str, request: Mapping[str, Any]) -> Any:
        raise KeyError("a defect of ours")


async def test_a_flow_that_did_not_do_its_work_has_no_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async with at_work(tmp_path, "rest") as (station, warm):

        async def ran(flow: str, client: Any) -> Sample:
            return await run_flow(station, client, BY_NAME[flow], 0.0, 0)

        uncancelled = await ran("cancel", Uncancelling(warm))
        truncated = await ran("stream", Truncating(warm))
        defect = await ran("warm", Defective(warm))
        with monkeypatch.context() as patch:
            patch.setitem(run_flow.__globals__, "FLOW_TIMEOUT_S", 0.05)
            silent = await ran("warm", Silent(warm))
        healthy = await ran("warm", warm)
        await station.kill()
        dead = await ran("warm", warm)
    assert (uncancelled.status, uncancelled.reason) == ("failed", "FlowFailed: the task is input_required, not canceled")
    assert (truncated.status, truncated.reason.split(":")[0]) == ("failed", "FlowFailed")
    assert (silent.status, silent.reason.split(":")[0]) == ("failed", "TimeoutError")
    assert (dead.status, dead.reason.split(":")[0]) == ("failed", ConnectionLost.__name__)
    assert (defect.status, defect.reason) == ("harness_error", "KeyError: 'a defect of ours'")
    assert healthy.status == "ok", "what failed before leaves no delay and no counts behind"
    assert not any(sample.values for sample in (uncancelled, truncated, silent, dead, defect))


async def test_a_suite_measures_every_flow_at_every_delay_once_a_block_and_says_why_a_variant_has_no_wire(tmp_path: Path):
    known = variants()
    told: list[tuple[float, float]] = []
    bench = Bench(
        (known["inproc"], known["rest"]),
        Effort("two", repeats=2, trials=0, delays_ms=(0.0, 2.0)),
        seed=1,
        scratch=tmp_path,
        progress=lambda done, total, text: told.append((done, total)),
    )
    async with aclosing(measure(bench)) as measured:
        samples = [sample async for sample in measured]
    twins = [s for s in samples if s.cell.get("null_pair")]
    assert sorted((s.variant, s.cell["flow"], s.cell["delay_ms"], s.trial) for s in twins) == sorted(
        ("rest", flow, delay, repeat) for flow in BY_NAME for delay in (0.0, 2.0) for repeat in (0, 1)
    ), "the first variant that listens is measured a second time, as the null pair"
    rows = derive(samples)
    assert all(
        row["null_pair"]["turns_on_wire"] == row["turns_on_wire"] and row["null_pair"]["trials"] == row["trials"] == 4
        for row in rows
        if row["variant"] == "rest"
    )
    cells = [(s.variant, s.cell["flow"], s.cell.get("delay_ms"), s.trial) for s in samples if s not in twins]
    assert len(cells) == len(set(cells))
    assert set(cells) == {("inproc", flow, None, 0) for flow in BY_NAME} | {
        ("rest", flow, delay, repeat) for flow in BY_NAME for delay in (0.0, 2.0) for repeat in (0, 1)
    }
    assert {(s.variant, s.status) for s in samples} == {("inproc", "not_testable"), ("rest", "ok")}
    assert [repeat for _, _, delay, repeat in cells if delay is not None] == [0] * 12 + [1] * 12, "block by block"
    assert [s.trial for s in twins] == [0] * 12 + [1] * 12
    assert told[-1][0] == told[-1][1]


async def test_a_server_that_does_not_come_up_takes_no_other_variant_with_it(tmp_path: Path):
    missing = replace(variants()["rest"], name="rest-missing")
    bench = Bench((missing, variants()["mcp-stdio"]), Effort("one", repeats=1, trials=0, delays_ms=(0.0,)), 0, tmp_path)
    async with aclosing(measure(bench)) as measured:
        samples = [sample async for sample in measured]
    broken = [sample for sample in samples if sample.variant == "rest-missing"]
    assert {sample.status for sample in broken} == {"harness_error"}
    assert len(broken) == 2 * len(FLOWS), "itself and its null pair"
    assert all("rest-missing" in sample.reason for sample in broken)
    assert {(s.variant, s.status) for s in samples if s not in broken} == {("mcp-stdio", "ok")}
    row = next(row for row in derive(samples) if row["variant"] == "rest-missing")
    assert (row["trials"], row["harness_errors"]) == (0, 1)
    assert "rest-missing" in row["not_testable"]
