"""`sametask call` with real processes: results, live progress, questions and Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sametask.agents.team import team
from sametask.protocols.variants import variants

WAITER = str(Path(__file__).with_name("waiter.py"))
GREETER = str(Path(__file__).with_name("greeter.py"))
EVERY = [name for name, variant in variants().items() if not variant.stock_of]
HERE = [name for name in EVERY if name != "mcp-stdio"]
"""Those that need no process of their own: the SDK's stdio client keeps the stderr that it was imported with."""
PLAN = {"layers": 32, "kv_heads": 8, "head_dim": 128, "memory_bytes": 2**33}
ASKING = ("--set", "synthetic.request_count=300", "--set", "confirm=true", "--set", "capacity_blocks=10")


def at_of(server, variant: str) -> tuple[str, ...]:
    return server.at(variant) if variant in server.urls else ("--via", variant)


@pytest.mark.parametrize("variant", EVERY)
async def test_the_published_trace_gives_the_published_rate(sametask, trace_file: Path, variant: str):
    done = await sametask("call", "prefix_cache", "simulate", "--via", variant, "--input", f"@{trace_file}", "--json")
    assert round(done.result["block_hit_rate"], 4) == 0.3664
    assert (done.result["requests"], done.result["blocks"]) == (12_031, 288_500)
    progress = done.err.splitlines()
    assert progress[-1] == "prefix_cache.simulate: 100% 12031 of 12031 requests, hit rate 0.3664"
    # A line per tenth of the work at most, however many events there were.
    assert len(progress) <= 11
    assert all(
        re.fullmatch(r"prefix_cache\.simulate: \d+% \d+ of 12031 requests, hit rate 0\.\d{4}", line) for line in progress
    )


@pytest.mark.parametrize("variant", HERE)
def test_a_quick_skill_is_the_same_everywhere(here, server, variant: str):
    skill = team().skill("prefix_cache", "plan")
    expected = asyncio.run(skill(skill.parse(PLAN)))
    typed = [option for name, value in PLAN.items() for option in ("--set", f"{name}={value}")]
    done = here("call", "prefix_cache", "plan", *at_of(server, variant), *typed, "--json")
    assert (done.result, done.err) == (expected, "")


@pytest.mark.parametrize("variant", [name for name in HERE if name != "grpc"])
def test_a_users_own_file_works_and_its_noise_is_not_on_stdout(here, tmp_path: Path, variant: str):
    """Over grpc there would have to be compiled messages for it."""
    done = here("call", "waiter", "wait", "--agents", WAITER, "--via", variant, "--set", f"path={tmp_path}", "--json")
    assert_clean(done, variant)


async def test_a_users_own_file_works_over_pipes_too(sametask, tmp_path: Path):
    args = ("--agents", WAITER, "--via", "mcp-stdio", "--set", f"path={tmp_path}", "--json")
    assert_clean(await sametask("call", "waiter", "wait", *args), "mcp-stdio")


def assert_clean(done, variant: str) -> None:
    assert done.out == '{"steps": 3}\n'
    assert "noise while it is imported" in done.err
    if "every_progress" not in variants()[variant].lacks:
        # One line of stderr, although the agent's text has two; and its brackets are no markup.
        assert "waiter.wait: 100% step 3 of [bold]many[/bold]\n" in done.err


async def test_the_ten_line_agent_greets(sametask):
    done = await sametask("call", "greeter", "greet", "--agents", GREETER, "--set", "text=you")
    assert json.loads(done.out) == {"text": "Hello, you!"}


def test_without_json_the_result_is_laid_out(here, server):
    done = here("call", "greeter", "greet", *server.at("rest"), "--set", "text=you")
    assert done.out == '{\n  "text": "Hello, you!"\n}\n'


async def test_a_request_is_put_together_from_a_file_stdin_and_settings(sametask, server, tmp_path: Path):
    at = server.at("rest")
    (tmp_path / "order.json").write_text('{"dish": "soup", "count": 2}')
    done = await sametask(
        "call", "waiter", "repeat", *at, "--input", "@order.json", "--set", "count=5", "--set", "hot=yes", "--json"
    )
    assert done.result == {"dish": "soup", "count": 5, "hot": True, "note": None}
    # The schema says that these are text, whatever they look like.
    done = await sametask(
        "call", "waiter", "repeat", *at, "--input", "-", "--set", "note=12", "--json", stdin='{"dish": "007"}'
    )
    assert done.result == {"dish": "007", "count": 1, "hot": False, "note": "12"}
    # Nested, into objects that are not there yet.
    args = ("--set", "synthetic.request_count=7", "--set", "synthetic.seed=1", "--json")
    done = await sametask("call", "prefix_cache", "simulate", *at, *args)
    assert done.result["requests"] == 7


def test_a_trace_goes_with_settings_beside_it(here, tmp_path: Path):
    line = {"timestamp": 0, "input_length": 512, "output_length": 1, "hash_ids": [1]}
    (tmp_path / "trace.jsonl").write_text(f"{json.dumps(line)}\n\n{json.dumps(line)}\n")
    done = here(
        "call", "prefix_cache", "simulate", "--via", "inproc", "--input", "@trace.jsonl", "--set", "slice_requests=1", "--json"
    )
    assert (done.result["requests"], done.result["hit_blocks"]) == (2, 1)


async def test_a_question_is_answered_over_pipes(sametask):
    """The answer goes to another process than the one that asked."""
    done = await sametask(
        "call", "prefix_cache", "simulate", "--via", "mcp-stdio", *ASKING, "--answer", "choice=grow", "--json"
    )
    assert done.result["evicted_blocks"] == 0


@pytest.mark.parametrize("variant", HERE)
def test_a_question_is_answered_from_the_command_line(here, server, variant: str):
    at = at_of(server, variant)
    done = here("call", "prefix_cache", "simulate", *at, *ASKING, "--answer", "choice=grow", "--json")
    assert done.result["evicted_blocks"] == 0
    assert "evict" not in done.err


async def test_a_question_is_answered_line_by_line_and_asked_again_where_the_answer_does_not_fit(sametask, server):
    typed = "x\n2\nno\n\nsoup\n\nyes\nspicy\n"
    done = await sametask("call", "waiter", "order", *server.at("rest"), "--json", stdin=typed)
    assert done.result == {"dish": "soup", "count": 1, "hot": True, "note": "spicy"}
    assert done.err.count("What will it be?") == 2
    assert "dish: 'x' is not accepted; a text of at least 2 characters is accepted; once more" in done.err
    assert "count (integer; default: 1): " in done.err


def test_where_nobody_can_answer_the_task_waits_and_its_name_is_told(here, server):
    at = server.at("rest")
    done = here("call", "waiter", "order", *at)
    assert (done.code, done.out) == (2, "")
    (line,) = done.err.splitlines()
    assert "the task asks 'What will it be?'; nobody is at the terminal, accepted: --answer dish=VALUE" in line
    task = re.search(r"--task (\w+)", line)
    assert task
    wrong = here("call", "waiter", "order", *at, "--task", task[1], "--answer", "drink=tea")
    assert (wrong.code, wrong.out) == (2, "")
    assert "accepted fields: dish, count, hot, note" in wrong.err
    done = here("call", "waiter", "order", *at, "--task", task[1], "--answer", "dish=007", "--json")
    assert done.result["dish"] == "007"


def test_the_same_key_is_the_same_task(here, server, tmp_path: Path):
    args = ("call", "waiter", "wait", *server.at("rest"), "--set", f"path={tmp_path}", "--key", "once", "-v")
    first, second = [here(*args) for _ in range(2)]
    assert (first.code, second.code) == (0, 0)
    assert first.err.splitlines()[0].split()[:2] == second.err.splitlines()[0].split()[:2]  # "task ID"


def test_verbose_tells_every_event(here, server, tmp_path: Path):
    done = here("call", "waiter", "wait", *server.at("rest"), "--set", f"path={tmp_path}", "-v", "--json")
    first, *lines = done.err.splitlines()
    assert re.fullmatch(r"task \w{32} (submitted|working)", first)
    told = [line.partition(" ")[2] for line in lines]
    assert told[-7:] == [
        "progress 33% step 1 of [bold]many[/bold]", "artifact step: 1", "progress 67% step 2 of [bold]many[/bold]",
        "artifact step: 2", "progress 100% step 3 of [bold]many[/bold]", "artifact step: 3", "completed",
    ]  # fmt: skip


def test_a_burst_of_events_is_a_line_per_tenth(here, server, tmp_path: Path):
    args = ("--set", f"path={tmp_path}", "--set", "steps=1000", "--json")
    done = here("call", "waiter", "wait", *server.at("rest"), *args)
    assert done.result == {"steps": 1000}
    assert len(done.err.splitlines()) <= 11


@pytest.mark.parametrize("variant", ["rest", "mcp-stdio", "inproc"])
async def test_ctrl_c_cancels_the_task_of_a_server_that_was_started_here(sametask, start, tmp_path: Path, variant: str):
    engine = f"sqlite:///{tmp_path}/tasks.db"
    args = ("--agents", WAITER, "--via", variant, "--engine", engine)
    calling = await start("call", "waiter", "wait", *args, "--set", f"path={tmp_path}/never", "--key", "k")
    await calling.says("step 3")
    calling.interrupt()
    done = await calling.finish()
    assert (done.code, done.out) == (130, "")
    assert re.search(r"^task \w{32} was canceled$", done.err, re.M)
    assert "Traceback" not in done.err
    again = await sametask("call", "waiter", "wait", *args, "--set", f"path={tmp_path}/never", "--key", "k")
    assert again.code == 1
    assert re.search(r"^error: task: '\w{32}' was canceled$", again.err, re.M)


@pytest.mark.parametrize("variant", ["rest", "mcp-http", "a2a-grpc", "a2a-jsonrpc", "a2a-http"])
async def test_ctrl_c_leaves_the_task_of_a_running_server_and_tells_its_name(
    sametask, start, server, tmp_path: Path, variant: str
):
    at, gate = server.at(variant), tmp_path / "gate"
    calling = await start("call", "waiter", "wait", *at, "--set", f"path={gate}")
    await calling.says("step 3")
    calling.interrupt()
    done = await calling.finish()
    assert (done.code, done.out) == (130, "")
    goes_on = re.search(r"^task (\w{32}) goes on; follow it with --task \1$", done.err, re.M)
    assert goes_on
    gate.touch()
    followed = await sametask("call", "waiter", "wait", *at, "--task", goes_on[1], "--json")
    assert followed.result == {"steps": 3}


async def _at_a_terminal(args: list[str], typed: dict[bytes, bytes], columns: str = "80") -> tuple[str, str, int]:
    """Run a command with stdin and stderr on a terminal, typing each answer when its prompt is seen. Shape: what the terminal
    showed, stdout, exit code.
    """
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm", "COLUMNS": columns, "LINES": "24"}
    env.pop("NO_COLOR", None)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "sametask.console.main", *args,
        stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, env=env,
        preexec_fn=lambda: _take_terminal(theirs),
    )  # fmt: skip
    os.close(theirs)
    loop, shown, ended = asyncio.get_running_loop(), bytearray(), asyncio.Event()

    def read() -> None:
        try:
            data = os.read(ours, 65536)
        except OSError:
            data = b""
        if not data:
            loop.remove_reader(ours)
            ended.set()
            return
        shown.extend(data)
        for prompt in [prompt for prompt in typed if prompt in shown]:
            os.write(ours, typed.pop(prompt))

    loop.add_reader(ours, read)
    try:
        async with asyncio.timeout(60):
            out, _ = await process.communicate()
            await ended.wait()
    finally:
        loop.remove_reader(ours)
        os.close(ours)  # which hangs up on a process that is still there
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return shown.decode(), out.decode(), process.returncode


def _take_terminal(fd: int) -> None:
    import fcntl
    import termios

    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs ignore it, and hand that down
    fcntl.ioctl(fd, termios.TIOCSCTTY, 0)


async def test_at_a_terminal_there_is_a_bar_and_a_prompt(server):
    args = ["call", "prefix_cache", "simulate", *server.at("rest"), *ASKING, "--json"]
    shown, out, code = await _at_a_terminal(args, {b"choice (evict, grow): ": b"evict\n"})
    assert code == 0
    assert json.loads(out)["evicted_blocks"] > 0
    assert "━" in shown
    assert "The trace has" in shown
    assert "prefix_cache.simulate: " not in shown  # the plain lines are for where there is no terminal


async def test_ctrl_c_at_the_prompt_is_heard(server):
    shown, out, code = await _at_a_terminal(["call", "waiter", "order", *server.at("rest")], {b"dish (string): ": b"\x03"})
    assert (code, out) == (130, "")
    assert re.search(r"\r\ntask \w{32} goes on; follow it with --task \w{32}\r\n", shown)


async def test_ctrl_c_at_a_terminal_reaches_us_and_not_the_server_we_started(tmp_path: Path):
    """The terminal signals its whole foreground group: a server in it would drain before the task could be canceled."""
    args = ["call", "waiter", "wait", "--agents", WAITER, "--set", f"path={tmp_path}/never"]
    shown, out, code = await _at_a_terminal(args, {b"step 3": b"\x03"}, columns="120")
    assert (code, out) == (130, "")
    assert re.search(r"task \w{32} was canceled\r\n", shown)
