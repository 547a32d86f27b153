"""The start of `sametask mcp`: the first answer needs no library, and comes from the SDK for whoever compares; the end while it
is still loading is at once.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

HEAVY = (
    "mcp", "mcp_types", "pydantic", "anyio", "numpy", "grpc", "google", "a2a", "fastapi", "starlette", "uvicorn", "httpx",
    "httpx2", "altair", "rich", "jsonschema", "opentelemetry", "sametask.measurements", "sametask.agents.contract",
)  # fmt: skip
SDK = tuple(name for name in HEAVY if name not in ("pydantic", "anyio", "sametask.agents.contract"))
"""What is not needed for the list of tools either."""
RUN = """
import sys
from sametask.console.main import main
sys.argv[0] = "sametask"
main()
"""
# As it was before there was anything early: the SDK reads the pipes itself.
PLAIN = """
import contextlib
from sametask.console.mcp_server import serving

@contextlib.asynccontextmanager
async def none(first_answer, limit_bytes):
    yield None

serving.early_pipes = none
"""


def without(*modules: str) -> str:
    """As if these were not installed."""
    return f"""
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in {modules!r}:
            raise ModuleNotFoundError(f"there is no {{name}} here")

sys.meta_path.insert(0, Missing())
"""


def slow(function: str) -> str:
    """One of the two parts of loading never ends."""
    return f"""
import sys, threading
from sametask.console.mcp_server import serving

def load(*args):
    print("loading", file=sys.stderr, flush=True)
    threading.Event().wait()

serving.{function} = load
"""


# Nothing else can load what is not loaded: whoever is told to end has only that left to do.
SLOW_TOOLS, SLOW_SDK = without(*HEAVY) + slow("team_tools"), without(*SDK) + slow("import_server")
HALF = """
import sys
from sametask.console.mcp_server import serving

real = serving.import_server

def load():
    real()
    print("loaded", file=sys.stderr, flush=True)

serving.import_server = load
"""
CLASHING = """
from sametask.agents import Agent

agent = Agent("read", description="Reads")

@agent.skill
def report(name: str) -> str:
    return name
"""
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "host", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
INFO = {"name": "host", "version": "1"}


def line(method: str, request_id: Any = None, **params: Any) -> bytes:
    message = {"jsonrpc": "2.0", "method": method, "params": params}
    return json.dumps(message if request_id is None else message | {"id": request_id}).encode() + b"\n"


def initialize(version: str = "2025-11-25", request_id: Any = 0, **capabilities: Any) -> bytes:
    return line("initialize", request_id, protocolVersion=version, capabilities=capabilities, clientInfo=INFO)


DISCOVER = line("server/discover", "d", _meta=META)
INITIALIZED = line("notifications/initialized")
LIST, LIST_2026 = line("tools/list", 1), line("tools/list", 1, _meta=META)


def plan(**params: Any) -> bytes:
    arguments = {"layers": 32, "kv_heads": 8, "head_dim": 128, "memory_bytes": 16_000_000_000}
    return line("tools/call", 2, name="prefix_cache_plan", arguments=arguments, **params)


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    return ["mcp", "--engine", f"sqlite:///{tmp_path / 'tasks.db'}", "--runs", str(tmp_path / "runs")]


Started = Callable[..., AbstractAsyncContextManager[asyncio.subprocess.Process]]


@pytest.fixture
def started(arguments: list[str]) -> Started:
    """Starts `sametask mcp`, after some lines of Python in the same process."""

    @asynccontextmanager
    async def started(before: str = "", *more: str) -> AsyncGenerator[asyncio.subprocess.Process]:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-c", before + RUN, *arguments, *more, stdin=pipe, stdout=pipe, stderr=pipe, limit=2**22
        )
        try:
            async with asyncio.timeout(60):
                yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()

    return started


def stdin(process: asyncio.subprocess.Process) -> asyncio.StreamWriter:
    assert process.stdin is not None
    return process.stdin


async def heard(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    return json.loads(await process.stdout.readline())


async def said(process: asyncio.subprocess.Process, text: bytes) -> None:
    """Wait until stderr has said this."""
    assert process.stderr is not None
    assert await process.stderr.readline() == text + b"\n"


async def ended(process: asyncio.subprocess.Process) -> tuple[int | None, list[dict[str, Any]], str]:
    """Its exit code, and what it still said."""
    out, err = await process.communicate()
    return process.returncode, [json.loads(one) for one in out.splitlines()], err.decode()


async def ends_without(process: asyncio.subprocess.Process) -> None:
    """What is missing is found out afterwards, and told in one line."""
    code, more, err = await ended(process)
    assert (code, more) == (1, [])
    assert err.startswith("internal error: ModuleNotFoundError: there is no ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(("first", "result"), [(initialize(), "protocolVersion"), (DISCOVER, "supportedVersions")])
async def test_the_first_answer_needs_no_library(started: Started, first: bytes, result: str) -> None:
    async with started(without(*HEAVY)) as process:
        stdin(process).write(first)
        answer = (await heard(process))["result"]
        assert result in answer
        assert "- prefix_cache: Plans the memory" in answer["instructions"]
        await ends_without(process)


@pytest.mark.parametrize("before", [b"", initialize() + INITIALIZED, DISCOVER])
async def test_the_list_of_tools_needs_no_sdk(started: Started, before: bytes) -> None:
    async with started(without(*SDK)) as process:
        stdin(process).write(before + (LIST if before.startswith(initialize()) else LIST_2026))
        if before:
            await heard(process)
        assert {"prefix_cache_plan", "task_submit", "read_report"} <= {
            tool["name"] for tool in (await heard(process))["result"]["tools"]
        }
        await ends_without(process)


@pytest.mark.parametrize("first", [initialize(), DISCOVER])
async def test_who_asked_already_is_answered_before_anything_is_loaded(arguments: list[str], first: bytes) -> None:
    pipe = asyncio.subprocess.PIPE
    read, write = os.pipe()
    os.write(write, first)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-c", SLOW_TOOLS + RUN, *arguments, stdin=read, stdout=pipe, stderr=asyncio.subprocess.STDOUT
    )
    os.close(read)
    async with asyncio.timeout(60):
        assert "result" in await heard(process)
        assert process.stdout is not None
        assert await process.stdout.readline() == b"loading\n"
        os.close(write)
        assert await process.wait() == 0
        assert await process.stdout.read() == b""


CONVERSATIONS: dict[str, list[tuple[bytes, int]]] = {  # what is sent, and how many answers are waited for before the next
    "initialize": [(initialize(), 1), (INITIALIZED + LIST, 1), (plan(), 1)],
    "initialize, all at once": [(initialize() + INITIALIZED + LIST + plan(), 3)],
    "an older revision": [(initialize("2024-11-05", "i", roots={"listChanged": True}), 1), (INITIALIZED + LIST, 1)],
    "a revision that nobody knows": [(initialize("2099-01-01"), 1), (INITIALIZED + LIST, 1)],
    "initialize twice": [(initialize(), 1), (initialize(), 1)],
    "initialize without a client": [(line("initialize", 0, protocolVersion="2025-11-25"), 1), (initialize(request_id=5), 1)],
    "a capability that is none": [(initialize(sampling=True), 1), (initialize(request_id=5), 1)],
    "not initialized": [(LIST, 1), (initialize(), 1)],
    "ping first": [(line("ping", 7), 1), (initialize(), 1), (INITIALIZED + LIST, 1)],
    "an envelope after initialize": [(initialize(), 1), (LIST_2026, 1)],
    "discover": [(DISCOVER, 1), (LIST_2026, 1), (plan(_meta=META), 1)],
    "discover, all at once": [(DISCOVER + LIST_2026 + plan(_meta=META), 3)],
    "discover with its request cancelled": [(DISCOVER + line("notifications/cancelled", requestId="d") + LIST_2026, 2)],
    "discover twice": [(DISCOVER, 1), (DISCOVER, 1)],
    "initialize after discover": [(DISCOVER, 1), (initialize(), 1), (LIST_2026, 1)],
    "discover without an envelope": [(line("server/discover", 0), 1), (initialize(request_id=5), 1)],
    "a tool first": [(plan(_meta=META), 1), (DISCOVER, 1)],
    "the list first": [(LIST_2026, 1), (DISCOVER, 1), (LIST_2026, 1)],
    "an unknown method": [(line("no/such", 3, _meta=META), 1), (DISCOVER, 1)],
    "a wrong version": [(line("server/discover", 3, _meta={**META, "io.modelcontextprotocol/protocolVersion": "1"}), 1)],
    "notifications first": [(INITIALIZED + line("notifications/progress", progress=1, progressToken=1) + initialize(), 1)],
    "many notifications first": [(INITIALIZED * 100 + initialize(), 1), (LIST, 1)],
    "a response first": [(b'{"jsonrpc":"2.0","id":0,"result":{}}\n' + initialize(), 1), (INITIALIZED + LIST, 1)],
    "no JSON first": [(b"hello\n\n[\n\xff\xfe\n" + initialize(), 1), (INITIALIZED + LIST, 1)],
    "a batch first": [(b"[" + initialize().strip() + b"]\n" + DISCOVER, 1)],
    "a huge line first": [(initialize(experimental={"x": {"y": "x" * (65 * 2**20)}}) + DISCOVER, 2)],
    "a long line first": [(initialize(experimental={"x": {"y": "x" * 100_000}}), 1), (INITIALIZED + LIST, 1)],
    "carriage returns": [(initialize().replace(b"\n", b"\r\n"), 1), (INITIALIZED.replace(b"\n", b"\r\n") + LIST, 1)],
}


@pytest.mark.parametrize("turns", [pytest.param(turns, id=name) for name, turns in CONVERSATIONS.items()])
async def test_a_conversation_begins_as_it_does_with_the_sdk_alone(started: Started, turns: list[tuple[bytes, int]]) -> None:
    async def converse(before: str) -> Any:
        async with started(before) as process:
            answers: list[dict[str, Any]] = []
            for sent, count in turns:
                stdin(process).write(sent)
                answers += [await heard(process) for _ in range(count)]
            stdin(process).close()
            return sorted(answers, key=lambda answer: str(answer["id"])), await ended(process)

    early = await converse("")
    assert early[1] == (0, [], "")
    assert early == await converse(PLAIN)


AT_ONCE: dict[str, tuple[bytes, list[Any]]] = {  # what is sent, and the ids that are answered
    "nothing": (b"", []),
    "half a line": (b"{", []),
    "a notification": (INITIALIZED, []),
    "initialize": (initialize(), [0]),
    "initialize for the SDK": (initialize("2099-01-01"), [0]),
    "initialize that is refused": (initialize(sampling=True), [0]),
    "discover": (DISCOVER, ["d"]),
    "more than that": (initialize() + INITIALIZED + LIST, [0, 1]),
    "the list": (LIST_2026, [1]),
}


@pytest.mark.parametrize(("sent", "ids"), [pytest.param(*case, id=name) for name, case in AT_ONCE.items()])
async def test_who_leaves_at_once_gets_at_least_what_the_sdk_would_have_said(
    started: Started, sent: bytes, ids: list[Any]
) -> None:
    answers: list[list[dict[str, Any]]] = []
    for before in ("", PLAIN):
        async with started(before) as process:
            stdin(process).write(sent)
            stdin(process).close()
            code, said, err = await ended(process)
            assert (code, err) == (0, "")
            answers.append(said)
    early, plain = answers
    assert [answer["id"] for answer in early] == ids
    # What is not answered when stdin closes may be dropped by the SDK.
    assert [answer for answer in plain if answer not in early] == []


BEGUN = initialize() + INITIALIZED
STAGES = {  # what is loading, what was sent, how much of that is answered, and whether that is all
    "tools": (SLOW_TOOLS, b"", 0, True),
    "tools, initialize": (SLOW_TOOLS, BEGUN, 1, True),
    "tools, initialize and list": (SLOW_TOOLS, BEGUN + LIST, 1, False),
    "tools, list": (SLOW_TOOLS, LIST_2026, 0, False),
    "SDK": (SLOW_SDK, b"", 0, True),
    "SDK, initialize and list": (SLOW_SDK, BEGUN + LIST, 2, True),
    "SDK, a call": (SLOW_SDK, DISCOVER + LIST_2026 + plan(_meta=META), 2, False),
}
LOADING = [
    pytest.param(slow, sent, count, how, id=f"{name}: {how}")
    for name, (slow, sent, count, whole) in STAGES.items()
    for how in ("SIGTERM", "SIGINT", "stdin closed")
    if whole or how != "stdin closed"  # then what was asked is answered first
]


@pytest.mark.parametrize(("slow", "sent", "count", "how"), LOADING)
async def test_it_ends_at_once_while_it_is_loading(started: Started, slow: str, sent: bytes, count: int, how: str) -> None:
    async with started(slow) as process:
        stdin(process).write(sent)
        for _ in range(count):
            assert "result" in await heard(process)
        await said(process, b"loading")
        if how == "stdin closed":
            stdin(process).close()
        else:
            process.send_signal(signal.Signals[how])
        assert await ended(process) == (0, [], "")


@pytest.mark.parametrize("first", [initialize(), DISCOVER])
async def test_a_host_that_is_slow_to_ask_is_answered_by_what_is_loaded(started: Started, first: bytes) -> None:
    async with started(HALF) as process:
        await said(process, b"loaded")
        stdin(process).write(first[:30])
        await stdin(process).drain()
        stdin(process).write(first[30:])
        assert "result" in await heard(process)
        stdin(process).close()
        assert await ended(process) == (0, [], "")


async def test_what_is_printed_while_it_is_loading_goes_to_stderr(started: Started) -> None:
    async with started(
        HALF.replace("real()\n", 'real(); import os; os.write(1, b"stray\\n"); print("printed", flush=True)\n')
    ) as process:
        stdin(process).write(initialize())
        assert (await heard(process))["id"] == 0
        for text in (b"stray", b"printed", b"loaded"):
            await said(process, text)
        stdin(process).close()
        assert await ended(process) == (0, [], "")


@pytest.mark.parametrize(
    ("more", "code", "says"),
    [
        (["--engine", "redis://x"], 2, "error: engine: 'redis://x' is not accepted"),
        (["--engine", "sqlite:////proc/no/tasks.db"], 2, "error: store: /proc/no/tasks.db cannot be used"),
        (["/no/such.py"], 2, "error: agents: '/no/such.py' is not accepted"),
        (["read.py"], 2, "error: agents: 'read.py' is not accepted; tool name: 'read_report' would be both"),
    ],
)
async def test_what_the_user_got_wrong_is_told_before_anything_is_answered(
    started: Started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: list[str], code: int, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "read.py").write_text(CLASHING)
    async with started("", *more) as process:
        stdin(process).write(initialize())
        ended_with, answers, err = await ended(process)
        assert (ended_with, answers) == (code, [])
        assert err.startswith(says)
        assert err.count("\n") == 1
