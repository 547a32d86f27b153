"""`--help` loads next to nothing, every command explains itself, and a slip of the keyboard costs one line."""

from __future__ import annotations

import asyncio
import json
import sys

import pytest

HEAVY = {"mcp", "grpc", "fastapi", "a2a", "altair", "numpy", "pydantic", "uvicorn", "httpx", "asyncio", "sqlite3"}
COMMANDS = ("agents", "serve", "worker", "call", "compare", "report", "prune", "mcp")


async def test_help_imports_no_heavy_library():
    script = (
        "import sys, json\n"
        "sys.argv = ['sametask', '--help']\n"
        "from sametask.console.main import main\n"
        "try: main()\n"
        "except SystemExit as end: code = end.code\n"
        "print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-c", script, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    code, modules = json.loads(err)
    assert code == 0
    assert not HEAVY & set(modules)
    assert "sametask.console.main" in modules
    assert all(command in out.decode() for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_a_command_is_explained(here, command: str):
    done = here(command, "--help", COLUMNS="200")
    assert (done.code, done.err) == (0, "")
    options = [line for line in done.out.splitlines() if line.startswith("│ ") and "--" in line]
    assert options
    for line in options:
        explained = line.strip("│ ").split("  ")[-1]
        assert len(explained.split()) >= 3, line


def test_the_version_is_the_installed_one(here):
    from importlib.metadata import version

    done = here("--version")
    assert (done.code, done.out) == (0, f"sametask {version('sametask')}\n")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("nosuch", "No such command 'nosuch'; see sametask --help"),
        ("call", "Missing argument 'AGENT'; see sametask call --help"),
        ("call greeter", "Missing argument 'SKILL'"),
        ("call a b --nosuch", "No such option"),
        ("serve --port 99999", "99999 is not in the range 0<=x<=65535"),
        ("serve --port x", "Invalid value for '--port'"),
    ],
)
def test_a_usage_error_is_one_line(here, line: str, says: str):
    done = here(*line.split())
    assert (done.code, done.out) == (2, "")
    assert says in done.err
    assert done.err.count("\n") == 1


async def test_without_a_command_there_is_help_and_no_error(sametask):
    done = await sametask()
    assert done.code == 2
    assert "Usage" in done.out + done.err
    assert "error" not in done.err
