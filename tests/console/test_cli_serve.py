"""`sametask serve` with real processes: addresses, draining, tasks that outlive it, and nothing left behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from sametask.agents.events import TaskState
from sametask.protocols.variants import variants

WAITER = str(Path(__file__).with_name("waiter.py"))
LISTENING = [variant.name for variant in variants().values() if variant.listeners and not variant.stock_of]


async def ready(serving) -> dict[str, Any]:
    return json.loads(await serving.process.stdout.readline())["ready"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_with_streams_open_and_the_tasks_go_on_after_a_restart(start, tmp_path: Path, number: int):
    """Over every variant at once: each has a task in the middle of its work, and a client in the middle of its stream."""
    gate = tmp_path / "gate"
    engine = f"sqlite:///{tmp_path}/tasks.db"
    agents = (WAITER, "sametask.agents.team.prefix_cache:agent")
    serve = ("serve", *agents, "--protocol", ",".join(LISTENING), "--port", "0", "--engine", engine, "--json")
    serving = await start(*serve)
    ends = await ready(serving)
    asking = {"synthetic": {"request_count": 300}, "confirm": True, "capacity_blocks": 10}
    tasks: dict[str, str] = {}
    streams: list[asyncio.Task[str]] = []

    async def follow(name: str, begun: asyncio.Event) -> str:
        async with variants()[name].connect()(ends[name]["url"]) as client:
            try:
                if name == "grpc":  # it has no messages for the waiter: its task waits for an answer, and its reader for that
                    task = await client.submit("prefix_cache", "simulate", asking)
                    tasks[name] = (await client.wait(task.id)).id
                    begun.set()
                    return "waits"
                async for event in client.stream("waiter", "wait", {"path": str(gate)}):
                    if event.body.type == "snapshot":
                        tasks[name] = event.body.task.id
                        begun.set()
            except Exception as error:
                return type(error).__name__
        return "finished"

    begun = [asyncio.Event() for _ in LISTENING]
    streams = [asyncio.create_task(follow(name, event)) for name, event in zip(LISTENING, begun, strict=True)]
    async with asyncio.timeout(30):
        await asyncio.gather(*(event.wait() for event in begun))
        serving.process.send_signal(number)
        done = await serving.finish()
        said = dict(zip(LISTENING, await asyncio.gather(*streams), strict=True))
    assert done.code == 0, done.err
    assert "Traceback" not in done.err
    # No stream looks finished.
    assert said == {**dict.fromkeys(LISTENING, "ConnectionLost"), "grpc": "waits"}
    gate.touch()
    serving = await start(*serve)
    ends = await ready(serving)
    for name, task_id in tasks.items():
        async with asyncio.timeout(30), variants()[name].connect()(ends[name]["url"]) as client:
            task = await client.wait(task_id)
            if name == "grpc":
                assert task.question is not None
                await client.answer(task_id, task.question.request_id, {"choice": "grow"})
                task = await client.wait(task_id)
            assert task.state is TaskState.COMPLETED
    serving.process.terminate()
    assert (await serving.finish()).code == 0


async def test_a_person_is_told_the_addresses(start):
    serving = await start("serve", "--protocol", "rest,a2a-grpc", "--port", "0", "--engine", "sqlite:///kept.db")
    told = await serving.says("Ctrl-C drains and stops")
    assert told == "serving model_router, moe_break_even, prefix_cache; tasks in sqlite:///kept.db; Ctrl-C drains and stops\n"
    serving.process.send_signal(signal.SIGINT)
    done = await serving.finish()
    assert done.code == 0
    rest, a2a = done.out.splitlines()
    assert rest.split()[0] == "rest"
    assert a2a.split()[0] == "a2a-grpc"
    assert all("http://127.0.0.1:" in line for line in (rest, a2a))
    assert "(grpc 127.0.0.1:" in a2a


async def test_json_is_one_line_and_what_an_agent_prints_is_not_in_it(start):
    serving = await start("serve", WAITER, "--protocol", "rest", "--port", "0", "--engine", "sqlite:///:memory:", "--json")
    said = json.loads(await serving.process.stdout.readline())
    assert said["pid"] == serving.process.pid
    assert said["ready"]["rest"]["url"] == f"http://{said['ready']['rest']['listeners']['http']}"
    async with variants()["rest"].connect()(said["ready"]["rest"]["url"]) as client:
        await client.call("waiter", "repeat", {"dish": "soup"})
    serving.process.terminate()
    done = await serving.finish()
    assert (done.code, done.out) == (0, "")
    assert "noise while it answers" in done.err


async def test_json_tells_an_error_on_stdout_for_the_program_that_asked(sametask):
    done = await sametask("serve", "--engine", "redis://x", "--json")
    assert done.code == 2
    assert json.loads(done.out)["error"]["code"] == "invalid_input"
    assert done.err == ""


async def test_a_second_signal_ends_a_drain_that_hangs(start, tmp_path: Path):
    """The skill refuses to be interrupted for longer than anyone wants to wait."""
    agent = tmp_path / "stubborn.py"
    agent.write_text(
        "import asyncio, sys, time\nfrom pydantic import BaseModel\nfrom sametask.agents import Agent, TaskContext\n"
        "agent = Agent('stubborn', description='x')\n"
        "class Nothing(BaseModel): pass\n"
        "@agent.skill\n"
        "async def stay(request: Nothing, task: TaskContext) -> Nothing:\n"
        "    print('staying', file=sys.stderr, flush=True)\n"
        "    try:\n        await asyncio.sleep(600)\n"
        "    except BaseException:\n        print('not leaving', file=sys.stderr, flush=True)\n"
        "        time.sleep(60)\n"
    )
    serving = await start("serve", str(agent), "--protocol", "rest", "--port", "0", "--engine", "sqlite:///:memory:", "--json")
    ends = await ready(serving)
    async with variants()["rest"].connect()(ends["rest"]["url"]) as client:
        await client.submit("stubborn", "stay", {})
    await serving.says("staying")
    serving.process.terminate()
    await serving.says("not leaving")
    serving.process.terminate()
    assert (await serving.finish()).code == -signal.SIGTERM


async def test_it_ends_with_the_program_that_started_it(start):
    serving = await start(
        "serve", "--protocol", "rest", "--port", "0", "--engine", "sqlite:///:memory:", "--json", "--until-stdin-closes"
    )
    await ready(serving)
    assert (await serving.finish(b"")).code == 0


async def test_over_pipes_it_speaks_the_protocol_and_nothing_else(start):
    serving = await start("serve", WAITER, "--protocol", "mcp-stdio", "--engine", "sqlite:///:memory:")
    request = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-11-25",
               "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}}  # fmt: skip
    done = await serving.finish(json.dumps(request).encode() + b"\n")
    assert done.code == 0
    (answer,) = done.out.splitlines()
    assert json.loads(answer)["id"] == 1
    assert done.err == "noise while it is imported\n"


async def test_over_pipes_a_signal_stops_it(start):
    read_end, write_end = os.pipe()  # nobody closes the client's end
    serving = await start("serve", WAITER, "--protocol", "mcp-stdio", "--engine", "sqlite:///:memory:", stdin=read_end)
    os.close(read_end)
    await serving.says("noise while it is imported")
    # Its handlers are there once it answers.
    os.write(write_end, b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}\n')
    await serving.process.stdout.readline()
    serving.process.terminate()
    done = await serving.finish()
    os.close(write_end)
    assert done.code == 0
    assert "Traceback" not in done.err
