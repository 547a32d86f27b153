"""The README: its commands are run and its code is executed, word for word."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
COMMANDS = [line for language, block in BLOCKS if language == "sh" for line in block.splitlines()]
(GREETER,) = [block for language, block in BLOCKS if language == "python"]


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder of its own, with the README's file, where its commands are run one after the other."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "greeter.py").write_text(GREETER, encoding="utf-8")
    return folder


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", **more}


def run(command: str, cwd: Path, **more: str) -> str:
    ran = subprocess.run(
        command,
        shell=True,
        cwd=cwd,
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    assert "Traceback" not in ran.stderr
    return ran.stdout


@pytest.mark.parametrize(
    "command", [c for c in COMMANDS if c.startswith("sametask ") and " serve" not in c and " mcp" not in c.split("--")[0]]
)
def test_a_command_of_the_readme_runs(command, desk):
    assert run(command, desk).strip()


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("sametask serve")])
def test_a_server_of_the_readme_serves_and_drains(command, desk):
    with subprocess.Popen(
        f"exec {command}", shell=True, cwd=desk, env=environment(), stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        protocols = re.search(r"--protocol (\S+)", command)[1].split(",")
        lines = [server.stdout.readline() for _ in protocols]
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=30)
    assert server.returncode == 0
    assert [line.split()[0] for line in lines] == protocols


def test_the_mcp_server_of_the_readme_starts_and_ends_with_its_input(desk):
    assert "sametask mcp" in COMMANDS
    assert run("sametask mcp", desk, XDG_STATE_HOME=str(desk)) == ""


def test_the_two_commands_do_what_they_say(desk):
    """The very commands, kept short by the variable that the Makefile hands on."""
    assert COMMANDS[:2] == ["make compare", "make test"]
    out = run("make compare", ROOT, ARGS=f"--only integration-code --variants grpc --out {desk / 'two'}")
    (report,) = (desk / "two").glob("*/report.html")
    assert f"Report: {report}" in out
    assert " passed" in run("make test", ROOT, ARGS="tests/agents/test_contract.py -p no:cacheprovider")


def test_what_the_readme_shows_is_there():
    for place in re.findall(r"\]\(((?!http)[^)]+)\)", TEXT):
        assert (ROOT / place).is_file(), place


def test_the_readme_names_every_command_and_metric():
    from sametask.console.main import app
    from sametask.measurements.metric import metrics

    names = {command.name or command.callback.__name__ for command in app.registered_commands}
    assert {name for name in names if f"sametask {name}" not in TEXT} == set()
    assert {name for name in metrics() if f"`{name.replace('_', '-')}`" not in TEXT} == set()
