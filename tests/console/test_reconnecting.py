"""`sametask call` while its server is killed, again and again, and comes back where it was: over every variant there is."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from sametask.agents import Roster
from sametask.agents.errors import ConnectionLost
from sametask.agents.events import Task, TaskState
from sametask.agents.loading import load_roster
from sametask.agents.runtime import open_engine
from sametask.measurements.bench import Station
from sametask.measurements.wire.message import Message
from sametask.measurements.wire.trigger import Link
from sametask.protocols.client import AgentClient, ClientSettings
from sametask.protocols.server_process import ServerOptions, ServerProcess, server_process
from sametask.protocols.variants import Variant, variants

GATED = str(Path(__file__).with_name("gated_agent.py"))
STEPS = 3
RESULT = {"steps": STEPS, "executed": STEPS, "answer": "continue"}
KNOCKS = 6
"""More attempts than the MCP library makes by itself, and some seconds of the follower's."""


def excluded(variant: Variant) -> str:
    """Why this variant is not tried here; empty where it is."""
    if variant.stock_of:
        return "its library's server loses its tasks with its process; see its row's `lacks`"
    return "" if variant.server else "there is no server that could be killed"


TRIED = [name for name, variant in variants().items() if not excluded(variant)]


class Server:
    """A server that can be killed, and started again where it was. Over pipes the client starts each one itself."""

    def __init__(self, variant: Variant, folder: Path) -> None:
        self.variant, self.ledger = variant, folder / "ledger"
        self.engine = f"sqlite:///{folder}/tasks.db"
        self._port = free_ports(len(variant.listeners))
        self._options = ServerOptions((variant,), self.engine, (GATED,), port=self._port)
        self._running: ServerProcess | None = None
        self._stack = contextlib.AsyncExitStack()
        self.url = "" if variant.listeners else self._options.stdio_url

    @property
    def done(self) -> list[str]:
        return self.ledger.read_text().split() if self.ledger.exists() else []

    def let(self, step: int) -> None:
        """Open the gate before that step."""
        self.ledger.with_name(f"ledger.{step}").touch()

    async def reached(self, step: int) -> None:
        """Return once the work waits at the gate before that step."""
        async with asyncio.timeout(30):
            while not any(line.startswith(f"{step} ") for line in self._waits):  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.01)

    @property
    def _waits(self) -> list[str]:
        log = self.ledger.with_suffix(".waiting")
        return log.read_text().splitlines() if log.exists() else []

    async def start(self) -> None:
        if self.variant.listeners:
            self._running = await self._stack.enter_async_context(server_process(self._options))
            self.url = self._running.endpoints[self.variant.name].url

    async def kill(self) -> None:
        if self._running is not None:
            await self._running.kill()
            await self._stack.aclose()
            return
        _, pid = self._waits[-1].split()
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)

    async def stay_away(self) -> None:
        """Return once the client has looked for the server `KNOCKS` times: each is let in and turned away."""
        if not self.variant.listeners:
            return
        knocks = asyncio.Semaphore(0)

        async def turn_away(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            knocks.release()
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

        async with asyncio.timeout(30), await asyncio.start_server(turn_away, "127.0.0.1", self._port):
            for _ in range(KNOCKS):
                await knocks.acquire()

    async def finish_elsewhere(self) -> list[Task]:
        """Have the work done by another process on the same store, up to its end. Shape: every task that is in it."""
        async with asyncio.timeout(30), open_engine(self.engine, load_roster([GATED])) as engine:
            tasks = await engine.list()
            for task in tasks:
                async for _ in engine.events(task.id):
                    pass
            return await engine.list()

    async def close(self) -> None:
        await self._stack.aclose()


@asynccontextmanager
async def serving(variant: Variant, folder: Path) -> AsyncGenerator[Server]:
    server = Server(variant, folder)
    try:
        await server.start()
        yield server
    finally:
        await server.close()


def free_ports(count: int) -> int:
    """The first of `count` consecutive ports. None that the kernel gives to who asks for any: while the server is away, nobody
    else may get them.
    """
    while True:
        first = random.randrange(20_000, 32_000)
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for n in range(count):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", first + n))
            return first


def call(variant: str, url: str, **given: object) -> list[str]:
    typed = [option for name, value in given.items() for option in ("--set", f"{name}={value}")]
    return ["call", "probe", "work", "--via", variant, "--url", url, *typed, "--json", "-v"]


@pytest.mark.parametrize("name", TRIED)
async def test_a_server_that_is_killed_again_and_again_is_followed_to_the_end(start, tmp_path: Path, name: str):
    """In the middle of the work, and away for some time; while its question is open; and so that its client hears of the end
    of the task only from the next one.
    """
    async with serving(variants()[name], tmp_path) as server:
        calling = await start(*call(name, server.url, steps=STEPS, ask="true", ledger=server.ledger))
        await calling.says("task ")
        server.let(1)
        await calling.says("progress 33%")

        await server.kill()
        await calling.says("connection lost (")
        await server.stay_away()
        await server.start()
        server.let(2)
        await calling.says("connected again")
        await calling.says("input_required")

        if server.variant.listeners:  # else nobody is connected while the question is open, so no server runs
            await server.kill()
        before = len(calling.seen)
        calling.types("continue\n")
        if server.variant.listeners:
            await calling.says("connection lost (", before)
            await server.start()
        await calling.says("working", before)

        before = len(calling.seen)
        calling.process.send_signal(signal.SIGSTOP)
        await server.kill()
        server.let(3)
        (task,) = await server.finish_elsewhere()
        assert task.state is TaskState.COMPLETED
        await server.start()
        calling.process.send_signal(signal.SIGCONT)
        done = await calling.finish()
        assert done.code == 0, done.err
        assert (done.code, done.err[before:].count("connection lost ("), done.err[before:].count("connected again")) == (
            0,
            1,
            1,
        )
    assert json.loads(done.out) == RESULT
    assert done.err.count("connection lost (") == (3 if server.variant.listeners else 2)
    assert "Traceback" not in done.err
    assert server.done == ["1", "2", "3"]


@dataclass
class LoseTheAnswer:
    """The call that starts the task reaches the server; before anything of the answer comes back, every connection is cut."""

    cut_all: Callable[[], int]
    name: ClassVar[str] = "lose_the_answer"
    asked: int | None = None
    struck: bool = False

    def arm(self) -> LoseTheAnswer:
        return self

    def notice(self, message: Message, link: Link) -> int | None:
        if message.direction == "up" and (
            '"ledger"' in message.text or message.path.endswith(("/Work", "/SendStreamingMessage"))
        ):
            self.asked = message.stream
        # On pipes what is told beside the answers is on no stream.
        behind = self.asked is not None and message.stream in (self.asked, 0)
        if message.direction == "down" and behind and message.kind != "frame" and not self.struck:
            self.struck = True
            return message.begin
        return None

    async def strike(self, link: Link) -> None:
        self.cut_all()


@pytest.mark.parametrize("name", TRIED)
async def test_a_call_whose_answer_is_lost_is_asked_for_again_and_done_once(start, tmp_path: Path, name: str):
    """Nobody gave a key: the call has made its own."""
    engine_url, ledger = f"sqlite:///{tmp_path}/tasks.db", tmp_path / "ledger"
    async with Station(variants()[name], engine_url, (GATED,), ClientSettings()) as station:
        losing = [LoseTheAnswer(tap.cut_all) for tap in station.taps.values()]
        for tap, fault in zip(station.taps.values(), losing, strict=True):
            tap.arm(fault)
        calling = await start(*call(name, station.url, steps=1, ledger=ledger))
        await calling.says("connected again")
        # Not earlier: over pipes the cut ends the server too, and a step that runs then is run again.
        (tmp_path / "ledger.1").touch()
        done = await calling.finish()
        assert [fault.struck for fault in losing].count(True) == 1
        async with open_engine(engine_url, Roster([])) as engine:
            assert len(await engine.list()) == 1
    assert done.result == {"steps": 1, "executed": 1, "answer": ""}
    assert (done.err.count("connection lost ("), done.err.count("connected again")) == (1, 1)
    assert ledger.read_text() == "1\n"


@pytest.mark.parametrize("name", TRIED)
async def test_a_client_whose_server_dies_is_told_so_whatever_it_waits_for(tmp_path: Path, name: str):
    async with serving(variants()[name], tmp_path) as server, variants()[name].connect()(server.url) as client:
        task = await client.submit("probe", "work", {"steps": 1, "ledger": str(tmp_path / "first")})
        waiting: dict[str, asyncio.Task[Any]] = {
            "wait": asyncio.create_task(client.wait(task.id)),
            "events": asyncio.create_task(heard(client, task.id)),
            "call": asyncio.create_task(client.call("probe", "work", {"steps": 1, "ledger": str(server.ledger)})),
        }
        await server.reached(1)
        await server.kill()
        async with asyncio.timeout(30):
            told = await asyncio.gather(*waiting.values(), return_exceptions=True)
        assert {name: type(error) for name, error in zip(waiting, told, strict=True)} == dict.fromkeys(waiting, ConnectionLost)


async def heard(client: AgentClient, task_id: str) -> None:
    async for _ in client.events(task_id):
        pass


async def test_without_a_name_and_a_key_it_is_said_that_nothing_can_be_followed(start, tmp_path: Path):
    variant, ledger = variants()["stock-fastapi"], tmp_path / "ledger"
    async with Station(variant, f"sqlite:///{tmp_path}/tasks.db", (GATED,), ClientSettings()) as station:
        tap = station.taps["http"]
        tap.arm(LoseTheAnswer(tap.cut_all))
        done = await (await start(*call(variant.name, station.url, steps=1, ledger=ledger))).finish()
    assert (done.code, done.out) == (1, "")
    (line,) = done.err.splitlines()
    assert "(whether the task was started is not known; stock-fastapi has no key to ask by)" in line
