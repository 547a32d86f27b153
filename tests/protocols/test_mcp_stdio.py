"""The stdio server as a process of its own: nothing but protocol on stdout, and a clean end however it comes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from sametask.agents.errors import ConnectionLost, InvalidInput, TooLarge
from sametask.protocols.mcp.client import connect_stdio

AGENT = '''
import os
from pydantic import BaseModel
from sametask.agents import Agent

agent = Agent("noisy", description="Prints", version="1")

class Text(BaseModel):
    text: str = ""

@agent.skill
async def say(request: Text) -> Text:
    """Prints, and says it back."""
    print("printed by the skill")
    os.write(1, b"written by the skill\\n")
    return request

@agent.skill
async def die(request: Text) -> Text:
    """Ends its process."""
    os._exit(3)
'''

SERVE = """
import asyncio, signal, sys
from sametask.agents.loading import load_roster
from sametask.agents.runtime import open_engine
from sametask.protocols.mcp.server import serve_stdio
from sametask.protocols.variants import Bind

async def main():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with open_engine("sqlite:///:memory:", load_roster([sys.argv[1]])) as engine:
        async with serve_stdio(engine, Bind(max_message_bytes=100_000)) as endpoint:
            waits = [asyncio.create_task(event.wait()) for event in (stop, endpoint.closed)]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
    print("drained", file=sys.stderr)

asyncio.run(main())
"""

META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}


def _line(method: str, request_id: Any = 1, **params: Any) -> bytes:
    return (
        json.dumps({"jsonrpc": "2.0", "id": request_id, "method": method, "params": {**params, "_meta": META}}).encode() + b"\n"
    )


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    (tmp_path / "noisy.py").write_text(AGENT)
    (tmp_path / "serve.py").write_text(SERVE)
    return [sys.executable, str(tmp_path / "serve.py"), str(tmp_path / "noisy.py")]


@asynccontextmanager
async def child(command: list[str]) -> AsyncGenerator[asyncio.subprocess.Process]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
    try:
        async with asyncio.timeout(30):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def test_stdout_carries_the_protocol_alone_and_the_server_ends_with_stdin(command):
    async with child(command) as process:
        process.stdin.write(b"not json\n" + _line("tools/call", name="noisy_say", arguments={"text": "hello"}))
        assert json.loads(await process.stdout.readline())["id"] == 1
        process.stdin.close()
        out, err = await process.communicate()
        assert (process.returncode, out) == (0, b"")
        assert b"Traceback" not in err
        assert err.endswith(b"drained\n")


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_both_revisions_are_spoken(command, mode):
    parameters = StdioServerParameters(command=command[0], args=command[1:])
    async with asyncio.timeout(30), Client(parameters, mode=mode) as client:
        assert (await client.call_tool("noisy_say", {"text": "hi"})).structured_content == {"text": "hi"}


async def test_what_a_skill_prints_goes_to_stderr_and_sigterm_drains(command):
    async with child(command) as process:
        process.stdin.write(_line("tools/call", name="noisy_say", arguments={"text": "hello"}))
        answer = json.loads(await process.stdout.readline())
        assert answer["result"]["structuredContent"] == {"text": "hello"}
        process.send_signal(signal.SIGTERM)
        out, err = await process.communicate()
        assert (process.returncode, out) == (0, b"")
        assert b"written by the skill\n" in err
        assert b"printed by the skill\n" in err
        assert b"Traceback" not in err


async def test_sigterm_while_requests_come_in_is_no_error(command):
    async with child(command) as process:
        process.stdin.write(_line("tools/list"))
        assert await process.stdout.readline()
        flooding = asyncio.create_task(_flood(process))
        for _ in range(100):
            assert await process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        _, told = await asyncio.gather(process.stdout.read(), process.stderr.read())
        assert await process.wait() == 0
        await flooding
    assert told.decode().split("\n")[-2:] == ["drained", ""]
    assert "Traceback" not in told.decode()


async def _flood(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ConnectionError):
        for number in range(2, 100_000):
            process.stdin.write(_line("tools/list", number))
            await process.stdin.drain()


async def test_a_line_over_the_limit_is_answered_and_the_next_one_served(command):
    async with child(command) as process:
        process.stdin.write(_line("tools/call", "big", name="noisy_say", arguments={"text": "x" * 3_000_000}))
        process.stdin.write(_line("tools/call", 2, name="noisy_say", arguments={"text": "small"}))
        refused, served = [json.loads(await process.stdout.readline()) for _ in range(2)]
        assert refused["id"] == "big"
        assert refused["error"]["data"]["code"] == "too_large"
        assert served["result"]["structuredContent"] == {"text": "small"}


async def test_the_client_is_told_too_large_and_goes_on(command):
    async with connect_stdio("stdio:" + " ".join(command)) as client:
        with pytest.raises(TooLarge, match="at most 100000 bytes"):
            await client.call("noisy", "say", {"text": "x" * 200_000})
        assert await client.call("noisy", "say", {"text": "small"}) == {"text": "small"}


async def test_a_server_that_dies_is_a_lost_connection(command):
    async with connect_stdio("stdio:" + " ".join(command)) as client:
        for _ in range(2):
            with pytest.raises(ConnectionLost):
                await client.call("noisy", "die", {})


async def test_leaving_the_client_ends_the_server(command, tmp_path):
    told = tmp_path / "pid"
    script = f"import os, sys; open({str(told)!r}, 'w').write(str(os.getpid())); sys.argv[1:] = {command[2:]!r}"
    starter = tmp_path / "start.py"
    starter.write_text(f"{script}\nexec(open({command[1]!r}).read())")
    async with connect_stdio(f"stdio:{sys.executable} {starter}") as client:
        await client.discover()
        pid = int(told.read_text())
        os.kill(pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_command_that_cannot_be_started_is_a_lost_connection():
    with pytest.raises(ConnectionLost, match="/no/such/command"):
        async with connect_stdio("stdio:/no/such/command"):
            pass
    with pytest.raises(InvalidInput, match="stdio: and the command line"):
        async with connect_stdio("stdio:"):
            pass
