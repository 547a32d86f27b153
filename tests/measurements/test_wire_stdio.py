"""The tap for a server on pipes: a client that spawns the relay talks to a server that the harness spawned."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sametask.measurements.wire.cut import CutAfterEvents
from sametask.measurements.wire.stdio import StdioTap

SERVER = """
import json, os, sys
for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    for n in range(message.get("params", {}).get("events", 0)):
        print(json.dumps({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"n": n}}), flush=True)
    if message.get("params", {}).get("ask"):
        print(json.dumps({"jsonrpc": "2.0", "id": 99, "method": "elicitation/create"}), flush=True)
        sys.stdin.readline()
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": {"pid": os.getpid()}}), flush=True)
"""
COMMAND = (sys.executable, "-I", "-S", "-c", SERVER)


class Client:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        assert process.stdin
        assert process.stdout
        self.stdin, self.stdout = process.stdin, process.stdout

    def send(self, **message: Any) -> None:
        self.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    async def receive(self) -> dict[str, Any] | None:
        line = await asyncio.wait_for(self.stdout.readline(), 5)
        return json.loads(line) if line else None


@asynccontextmanager
async def spawned(tap: StdioTap) -> AsyncGenerator[Client]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*tap.command, stdin=pipe, stdout=pipe)
    try:
        yield Client(process)
    finally:
        assert process.stdin
        process.stdin.close()
        await asyncio.wait_for(process.wait(), 5)


async def test_json_lines_are_counted_and_nothing_but_the_exchange_is_a_turn():
    async with StdioTap(COMMAND) as tap, spawned(tap) as client:
        with tap.recording.flow() as flow:
            client.send(method="notifications/initialized")
            client.send(id=1, method="tools/call", params={"events": 2, "protocolVersion": "2026-07-28"})
            answers = [await client.receive() for _ in range(3)]
        assert answers[2] == {"jsonrpc": "2.0", "id": 1, "result": {"pid": tap.pid}}
        counts = flow.total
    assert (counts.connections, counts.requests, counts.turns) == (1, 1, 1)
    assert (counts.messages_up, counts.messages_down) == (2, 3)
    assert (counts.up.framing, counts.down.framing, counts.up.headers) == (2, 3, 0)
    assert counts.fingerprint == ("stdio tools/call 2026-07-28",)
    assert counts.undecodable == ()


async def test_a_question_asked_over_pipes_is_one_more_turn():
    async with StdioTap(COMMAND) as tap, spawned(tap) as client:
        with tap.recording.flow() as flow:
            client.send(id=1, method="tools/call", params={"ask": True})
            asked = await client.receive()
            assert asked is not None
            client.send(id=asked["id"], result={})
            await client.receive()
    assert (flow.total.requests, flow.total.turns) == (1, 2)


async def test_a_cut_after_k_lines_closes_the_clients_pipes():
    async with StdioTap(COMMAND, watches=[CutAfterEvents(2)]) as tap, spawned(tap) as client:
        client.send(id=1, method="tools/call", params={"events": 5})
        seen = [await client.receive() for _ in range(3)]
        assert [bool(each) for each in seen] == [True, True, False]
        assert tap.fired.is_set()
        assert await asyncio.wait_for(client.process.wait(), 5) != 0


async def test_the_real_server_can_be_killed_and_another_be_started():
    async with StdioTap(COMMAND) as tap:
        async with spawned(tap) as client:
            client.send(id=1, method="ping")
            await client.receive()
            first = tap.pid
            assert first is not None
            tap.kill()
            assert await client.receive() is None
        async with spawned(tap) as client:
            client.send(id=1, method="ping")
            answer = await client.receive()
        assert answer is not None
        assert answer["result"]["pid"] == tap.pid != first
    for server in tap.servers:
        with pytest.raises(ProcessLookupError):
            os.kill(server.pid, 0)


async def test_a_server_that_cannot_be_started_ends_the_client_with_a_reason():
    async with StdioTap(["/does/not/exist"]) as tap:
        async with spawned(tap) as client:
            assert await client.receive() is None
        assert "No such file" in (tap.recording.connections[0].refused or "")
