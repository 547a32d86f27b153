"""How long an MCP host waits for its first answer on stdio: `sametask mcp` against the SDK's hello world.

`python -m sametask.measurements.timing.startup` starts both by turns, in a seeded order, and prints the time from the start of
the process to the first byte of the right answer to its first request, and to the answer of a tools/list sent after that.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import statistics
import sys
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .ratios import Pair, Ratio, bootstrapped

HELLO, AGAIN, OURS, OWN = "hello", "hello again", "sametask", "sametask with an agent of one's own"
BOUND = 0.5
WAIT_S = 60.0
_REVISION = "2026-07-28"
_META: dict[str, Any] = {
    "io.modelcontextprotocol/protocolVersion": _REVISION,
    "io.modelcontextprotocol/clientInfo": {"name": "startup", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
_HANDSHAKE: dict[str, Any] = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"roots": {"listChanged": True}, "elicitation": {}},
    "clientInfo": {"name": "startup", "version": "1"},
}
FIRST: dict[str, dict[str, Any]] = {
    "initialize": _HANDSHAKE,
    "server/discover": {"_meta": _META},
    "tools/list": {"_meta": _META},
}
_OWN_AGENT = '''
from sametask.agents import Agent

agent = Agent("greeter", description="Says hello.")

@agent.skill
def greet(name: str) -> str:
    """Greet somebody by name."""
    return f"Hello, {name}!"
'''


@dataclass(frozen=True)
class Start:
    """One start of one server. `first_ms`: from the start of the process to the first byte of the first answer; `tools_ms`: to
    the answer of a tools/list asked for after that.
    """

    round: int
    server: str
    first: str
    first_ms: float
    tools_ms: float


async def measure(rounds: int, seed: int) -> list[Start]:
    """Every server with every first request, once in each round, in an order of its own.

    Raises: RuntimeError where a server gives no right answer: then there is nothing to compare.
    """
    order = random.Random(seed)
    starts: list[Start] = []
    with tempfile.TemporaryDirectory(prefix="sametask-startup-") as folder:
        commands = _commands(Path(folder))
        cells = [(server, first) for server in commands for first in FIRST]
        for server, first in cells:  # the bytecode is written and the page cache warm
            await _start(commands[server], -1, server, first)
        for number in range(rounds):
            order.shuffle(cells)
            for server, first in cells:
                starts.append(await _start(commands[server], number, server, first))
            print(f"\rround {number + 1} of {rounds}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return starts


def ratio(starts: Sequence[Start], server: str, first: str, seed: int, field: str = "first_ms") -> Ratio:
    """The median of `server` in units of the hello world's."""
    by_round: dict[int, dict[str, float]] = {}
    for start in starts:
        if start.first == first:
            by_round.setdefault(start.round, {})[start.server] = getattr(start, field)
    pairs = [(cells[server], cells[HELLO]) for cells in by_round.values()]

    def of(sample: Sequence[Pair]) -> float:
        return statistics.median(ours for ours, _ in sample) / statistics.median(hello for _, hello in sample)

    return bootstrapped(pairs, of, seed)


def _verdict(found: Ratio) -> str:
    return f"at most {BOUND:g}: {found.at_most(BOUND)}"


def table(starts: Sequence[Start], seed: int) -> str:
    heads = f"{'first request':<16} {'server':<36} {'first answer':>12} {'ratio':>6} {'95% interval':>14} {'tools listed':>13}"
    lines = [heads]
    servers = list(dict.fromkeys(start.server for start in starts))
    for first in FIRST:
        for server in sorted(servers, key=[HELLO, AGAIN, OURS, OWN].index):
            mine = [start for start in starts if (start.server, start.first) == (server, first)]
            answer = f"{statistics.median(s.first_ms for s in mine):9.0f} ms"
            tools = f"{statistics.median(s.tools_ms for s in mine):10.0f} ms"
            shown = ratio(starts, server, first, seed)
            judged = f"  {_verdict(shown)}" if server == OURS else ""
            spread = f"{shown.low:.2f} to {shown.high:.2f}"
            lines.append(f"{first:<16} {server:<36} {answer:>12} {shown.value:6.2f} {spread:>14} {tools:>13}{judged}")
    return "\n".join(lines)


def _commands(folder: Path) -> dict[str, list[str]]:
    installed = shutil.which("sametask", path=sysconfig.get_path("scripts"))
    command = [installed] if installed else [sys.executable, "-P", "-m", "sametask.console.main"]
    own = folder / "greeter.py"
    own.write_text(_OWN_AGENT, encoding="utf-8")
    hello = [sys.executable, str(Path(__file__).with_name("hello_server.py"))]
    places = ["--engine", f"sqlite:///{folder / 'tasks.db'}", "--runs", str(folder / "runs")]
    return {
        HELLO: hello,
        AGAIN: hello,
        OURS: [*command, "mcp", *places],
        OWN: [*command, "mcp", str(own), *places],
    }


async def _start(command: list[str], number: int, server: str, first: str) -> Start:
    pipe = asyncio.subprocess.PIPE
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *command, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL, limit=2**22, env=os.environ
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(WAIT_S):
            process.stdin.write(_line({"id": 0, "method": first, "params": FIRST[first]}))
            byte = await process.stdout.read(1)
            first_ms = (time.perf_counter() - began) * 1e3
            _check(byte + await process.stdout.readline(), 0, first, command)
            if first == "initialize":
                process.stdin.write(_line({"method": "notifications/initialized"}))
            listing = {"id": 1, "method": "tools/list", "params": {} if first == "initialize" else {"_meta": _META}}
            process.stdin.write(_line(listing))
            line = await process.stdout.readline()
            tools_ms = (time.perf_counter() - began) * 1e3
            _check(line, 1, "tools/list", command)
            process.stdin.close()
            await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    return Start(number, server, first, first_ms, tools_ms)


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n"


def _check(line: bytes, request_id: int, method: str, command: list[str]) -> None:
    """A server that answers fast and wrong has not answered."""
    said: dict[str, Any] = json.loads(line or b"{}")
    result = said.get("result", {})
    right = {
        "initialize": result.get("protocolVersion") == "2025-11-25" and "tools" in result.get("capabilities", {}),
        "server/discover": result.get("supportedVersions") == [_REVISION] and "tools" in result.get("capabilities", {}),
        "tools/list": bool(result.get("tools")),
    }
    if said.get("id") != request_id or not right[method]:
        raise RuntimeError(f"{' '.join(command)}: no right answer to {method}: {line[:200]!r}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Shape: the exit code, 0 where the bound holds for every first request."""
    parser = argparse.ArgumentParser(prog="python -m sametask.measurements.timing.startup", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="how often each server is started with each first request")
    parser.add_argument("--seed", type=int, default=0, help="seeds the order and the bootstrap")
    parser.add_argument("--out", type=Path, help="a file for the raw samples, JSON lines")
    given = parser.parse_args(arguments)
    starts = asyncio.run(measure(given.rounds, given.seed))
    if given.out:
        given.out.write_text("".join(json.dumps(asdict(start)) + "\n" for start in starts), encoding="utf-8")
    print(table(starts, given.seed))
    return 0 if all(ratio(starts, OURS, first, given.seed).high <= BOUND for first in FIRST) else 1


if __name__ == "__main__":
    sys.exit(main())
