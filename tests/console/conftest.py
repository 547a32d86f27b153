"""The command as a person runs it: a process of its own, its output, its exit code; and one server for a module's tests."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
WAITER, GREETER = str(HERE / "waiter.py"), str(HERE / "greeter.py")
TEAM = tuple(f"sametask.agents.team.{name}:agent" for name in ("model_router", "moe_break_even", "prefix_cache"))
COMMAND = [sys.executable, "-P", "-m", "sametask.console.main"]
LISTENING = ("rest", "mcp-http", "a2a-grpc", "a2a-jsonrpc", "a2a-http", "grpc")
ENV = {**os.environ, "COLUMNS": "80", "NO_COLOR": "1"}


@dataclass(frozen=True)
class Finished:
    code: int
    out: str
    err: str

    @property
    def result(self) -> Any:
        """What `--json` printed, after a success."""
        assert self.code == 0, self.err
        return json.loads(self.out)


class Running:
    """A command at work."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.seen = ""

    async def says(self, text: str, after: int = 0) -> str:
        """Wait until stderr has said this, behind its first `after` characters; gives all that it said so far."""
        assert self.process.stderr is not None
        async with asyncio.timeout(30):
            while text not in self.seen[after:]:
                line = await self.process.stderr.readline()
                assert line, f"it ended without saying {text!r}:\n{self.seen}"
                self.seen += line.decode()
        return self.seen

    def types(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode())

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    async def finish(self, stdin: bytes | None = None) -> Finished:
        async with asyncio.timeout(60):
            out, err = await self.process.communicate(stdin)
        assert self.process.returncode is not None
        return Finished(self.process.returncode, out.decode(), self.seen + err.decode())


def hear_ctrl_c() -> None:
    """What a shell starts in the background ignores SIGINT, and so would everything that these tests start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


Start = Callable[..., Awaitable[Running]]
Sametask = Callable[..., Awaitable[Finished]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncGenerator[Start]:
    """Starts `sametask ARGS` in a folder of its own."""
    started: list[asyncio.subprocess.Process] = []

    async def start(*args: str, stdin: int = asyncio.subprocess.PIPE, **env: str) -> Running:
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            *args,
            stdin=stdin,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=tmp_path,
            env={**ENV, **env},
            process_group=0,
            preexec_fn=hear_ctrl_c,
        )
        started.append(process)
        return Running(process)

    yield start
    for process in started:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.communicate()
    # The pipes of a process are closed one turn of the loop after it has ended.
    await asyncio.sleep(0)


@pytest.fixture
async def sametask(start: Start) -> Sametask:
    """Runs `sametask ARGS` to its end; nobody is at its terminal unless `stdin` is given."""

    async def sametask(*args: str, stdin: str = "", **env: str) -> Finished:
        return await (await start(*args, **env)).finish(stdin.encode())

    return sametask


Here = Callable[..., Finished]


@pytest.fixture
def here(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Here:
    """As `sametask`, but inside this process: without the second that a process needs to import its libraries, and with
    every warning an error.
    """
    from sametask.console.main import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name, value in (("COLUMNS", "80"), ("NO_COLOR", "1")):
        monkeypatch.setenv(name, value)

    def here(*args: str, **env: str) -> Finished:
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["sametask", *args])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capfd.readouterr()
        return Finished(ended.value.code if isinstance(ended.value.code, int) else 0, said.out, said.err)

    return here


@dataclass(frozen=True)
class Server:
    urls: dict[str, str]

    def at(self, variant: str) -> tuple[str, ...]:
        """The options that name this server."""
        return ("--via", variant, "--url", self.urls[variant])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """`sametask serve` with the bundled team and two agents of a user's own, over every variant that listens."""
    engine = f"sqlite:///{tmp_path_factory.mktemp('served')}/tasks.db"
    command = [*COMMAND, "serve", *TEAM, WAITER, GREETER, "--protocol", ",".join(LISTENING)]
    with subprocess.Popen([*command, "--port", "0", "--engine", engine, "--json"], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            said = json.loads(process.stdout.readline())
            yield Server({name: end["url"] for name, end in said["ready"].items()})
        finally:
            process.terminate()
            assert process.wait(20) == 0


@pytest.fixture
def trace_file() -> Path:
    """Mooncake's conversation trace (FAST '25)."""
    beside = Path(__file__).parents[3] / "shared/data/mooncake/conversation_trace.jsonl"
    path = Path(os.environ.get("SAMETASK_TRACE", beside))
    if not path.exists():
        assert os.environ.get("CI") != "true", f"{path}: the conversation trace must be there in CI"
        pytest.skip(f"{path}: set SAMETASK_TRACE to Mooncake's conversation_trace.jsonl")
    return path
