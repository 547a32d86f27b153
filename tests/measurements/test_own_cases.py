"""`sametask compare --agent FILE.py:agent --input @cases.json`: the comparison of somebody's own agent."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sametask.agents.errors import InvalidInput
from sametask.measurements.bench import Effort
from sametask.measurements.cases import own_cases
from sametask.measurements.report import write_reports
from sametask.measurements.run_folder import RunFolder
from sametask.measurements.suite import begin, plan, run

OWN = str(Path(__file__).with_name("asking_agent.py"))
AGENT = f"{OWN}:agent"
QUICK = {"skill": "add", "input": {"a": 1}}
LONG = {"skill": "add_slowly", "input": {"a": 1, "b": 2}}
ASKING = {"skill": "add_slowly", "input": {"a": 1, "b": 2, "ask": True}, "answer": {"sure": True}}
ALL = ("cold", "warm", "stream", "submit_wait", "cancel", "answer")


def test_the_first_case_of_each_kind_is_used(tmp_path: Path):
    file = tmp_path / "cases.json"
    file.write_text(json.dumps([LONG, QUICK, ASKING, {"skill": "add", "input": {"a": 7}}]))
    cases = own_cases(AGENT, f"@{file}")
    assert (cases.agent, cases.references) == ("asker", (AGENT,))
    assert (cases.quick, cases.short, cases.streamed) == (("add", {"a": 1}), ("add_slowly", LONG["input"]), cases.short)
    assert (cases.asking, cases.answer) == (("add_slowly", ASKING["input"]), {"sure": True})
    assert own_cases(AGENT, json.dumps(QUICK)).quick == ("add", {"a": 1})


@pytest.mark.parametrize(
    ("agent", "text", "field", "says"),
    [
        (AGENT, "", "input", 'accepted: [{"skill": NAME'),
        (AGENT, "[{", "input", "malformed JSON"),
        (AGENT, "@nowhere.json", "input", "cannot be read"),
        (AGENT, "[]", "input", "accepted: ["),
        (AGENT, "3", "input", "accepted: ["),
        (AGENT, "[3]", "input[0]", "accepted: ["),
        (AGENT, '[{"skill": "add"}]', "input[0]", "accepted: ["),
        (AGENT, '[{"skill": "add", "input": {}, "more": 1}]', "input[0]", "accepted: ["),
        (AGENT, json.dumps([QUICK, {"skill": "sub", "input": {}}]), "input[1]", "add, add_slowly"),
        (AGENT, json.dumps([{"skill": "add", "input": {"a": "x"}}]), "input[0]", "a: 'x' is not accepted"),
        (AGENT, json.dumps([{**QUICK, "answer": {}}]), "input[0].answer", "add is quick"),
        (OWN, json.dumps(QUICK), "agent", "accepted: one agent, FILE.py:NAME; there are asker, other"),
        ("", json.dumps(QUICK), "agent", "missing; cases are those of an agent of your own"),
    ],
)
def test_what_is_no_case_is_refused_by_its_place(agent: str, text: str, field: str, says: str):
    with pytest.raises(InvalidInput) as refused:
        plan(agent=agent, cases=text)
    assert refused.value.details["field"] == field
    assert says in refused.value.message
    assert "\n" not in refused.value.message


async def compared(tmp_path: Path, cases: list[dict[str, Any]], *names: str) -> RunFolder:
    wanted = plan(only=["round-trips", "integration-code"], names=names, agent=AGENT, cases=json.dumps(cases))
    wanted = replace(wanted, effort=Effort("brief", repeats=1, trials=1, delays_ms=(0.0, 10.0)))
    folder = begin(wanted, tmp_path / "runs")
    await run(wanted, folder, lambda *_: None)
    return folder


async def test_every_flow_runs_over_every_kind_of_protocol_on_a_users_own_agent(tmp_path: Path):
    folder = await compared(tmp_path, [QUICK, LONG, ASKING], "rest", "mcp-http", "a2a-jsonrpc", "grpc")
    trips = [sample for sample in folder.samples().samples if sample.metric == "round_trips"]
    for variant in ("rest", "mcp-http", "a2a-jsonrpc"):
        mine = [sample for sample in trips if sample.variant == variant and "null_pair" not in sample.cell]
        assert Counter(sample.status for sample in mine) == {"ok": 2 * len(ALL)}, [sample.reason for sample in mine]
    typed = [sample for sample in trips if sample.variant == "grpc"]
    assert {sample.status for sample in typed} == {"not_testable"}
    assert all("messages compiled from proto/" in sample.reason for sample in typed)
    code = [sample for sample in folder.samples().samples if sample.metric == "integration_code"]
    assert {sample.status for sample in code} == {"not_testable"}
    assert {sample.variant for sample in code} == {"rest", "mcp-http", "a2a-jsonrpc", "grpc"}
    assert folder.run.options.given["agent"] == AGENT
    told = write_reports(folder).markdown.read_text()
    assert "specimens that call the bundled agents" in told
    assert f"Agent: {AGENT}" in told


async def test_a_flow_without_a_case_says_so(tmp_path: Path):
    folder = await compared(tmp_path, [LONG], "rest")
    by_flow = {sample.cell["flow"]: sample for sample in folder.samples().samples if sample.metric == "round_trips"}
    assert {flow for flow, sample in by_flow.items() if sample.status == "ok"} == {"stream", "submit_wait"}
    assert by_flow["warm"].reason == "no case of the agent calls a quick skill"
    assert by_flow["cancel"].reason == by_flow["answer"].reason == "no case of the agent has an `answer` to a question"
