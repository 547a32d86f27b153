"""Bad input: one line on stderr that says what is accepted, exit code 2, nothing on stdout; the same over every protocol."""

from __future__ import annotations

import random
import socket
import sqlite3
from pathlib import Path

import pytest

WAITER = str(Path(__file__).with_name("waiter.py"))
GREETER = str(Path(__file__).with_name("greeter.py"))
TRACE_LINE = '{"timestamp": 0, "input_length": 512, "output_length": 1, "hash_ids": [1]}\n'


def refused(done, *says: str, code: int = 2) -> None:
    assert done.code == code, done.err
    assert done.out == ""
    assert done.err.count("\n") == 1, done.err
    assert done.err.startswith("error: ")
    for text in says:
        assert text in done.err


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("call nobody plan", ["agent: 'nobody' is not known", "model_router, moe_break_even, prefix_cache"]),
        ("call prefix_cache nothing", ["skill: agent 'prefix_cache' has no skill 'nothing'", "plan, simulate"]),
        ("call prefix_cache plan --via soap", ["variant: 'soap'", "inproc, rest, mcp-http"]),
        ("call prefix_cache plan --input {", ["input: '{'", "line 1 column 2", "a JSON object"]),
        ("call prefix_cache plan --input [1]", ["input: [1] is not accepted", "a JSON object"]),
        ('call prefix_cache plan --input {"layers":NaN}', ["NaN is no JSON number"]),
        ("call prefix_cache plan --input @nowhere.json", ["'nowhere.json'", "No such file", "@FILE.json"]),
        ("call prefix_cache plan --input @bad.json", ["bad.json", "line 2 column 1", "a JSON object"]),
        ("call prefix_cache plan --input @latin.json", ["latin.json", "not UTF-8"]),
        ("call prefix_cache simulate --input @torn.jsonl", ["torn.jsonl line 3", "one JSON object a line"]),
        ("call prefix_cache simulate --input @list.jsonl", ["list.jsonl line 1", "one JSON object a line"]),
        ("call prefix_cache plan --input @torn.jsonl", ["the request's one list field", "none"]),
        ("call prefix_cache simulate --via inproc --input @wrong.jsonl", ["requests[1].input_length", "wrong.jsonl line 3"]),
        ("call prefix_cache plan --set layers", ["set: 'layers'", "FIELD=VALUE"]),
        ("call prefix_cache plan --set =1", ["set: '=1'", "FIELD=VALUE"]),
        ("call prefix_cache plan --set a=1 --set a.b=1", ["a path through objects", "a is none"]),
        ("call prefix_cache plan --engine redis://x", ["engine: 'redis://x'", "sqlite:///PATH"]),
        ("call prefix_cache plan --via inproc --engine redis://x", ["engine: 'redis://x'", "sqlite:///PATH"]),
        ("call prefix_cache plan --via mcp-stdio --engine redis://x", ["engine: 'redis://x'", "sqlite:///PATH"]),
        ("call prefix_cache plan --via rest --engine sqlite:///file/x.db", ["store: ", "file/x.db", "a writable directory"]),
        ("call prefix_cache plan --via mcp-stdio --engine sqlite:///file/x.db", ["store: ", "a writable directory"]),
        ("call prefix_cache plan --engine sqlite:///other.db --via inproc", ["store: ", "another program's database"]),
        ("call prefix_cache plan --url http://127.0.0.1:9 --engine sqlite:///x.db", ["engine: ", "--url"]),
        ("call prefix_cache plan --via rest --url nonsense", ["url: 'nonsense'", "http://HOST:PORT"]),
        ("call prefix_cache plan --via mcp-http --url nonsense", ["url: 'nonsense'", "http://HOST:PORT/mcp"]),
        ("call prefix_cache plan --via a2a-grpc --url nonsense", ["url: 'nonsense'", "http://HOST:PORT"]),
        ("call prefix_cache plan --via grpc --url nonsense", ["url: 'nonsense'", "grpc://HOST:PORT"]),
        ("call x y --agents raises.py", ["'raises.py'", "ZeroDivisionError at line 2", "FILE.py[:NAME]"]),
        ("call x y --agents none.py", ["'none.py'", "no Agent in it"]),
        ("compare --shard-workers 2", ["engine: missing", "shard-workers is for several workers", "--engine URL"]),
        ("compare --resume runs/x", ["run: 'runs/x'", "the folder of a run"]),
        ("compare --engine redis://x", ["engine: 'redis://x'", "sqlite:///PATH"]),
        ("compare --engine sqlite:///:memory:", ["engine: 'sqlite:///:memory:'", "other processes can open"]),
        ("compare --engine sqlite:///other.db", ["store: ", "another program's database"]),
        ("compare --engine sqlite:///s.db --resume nowhere", ["run: 'nowhere'", "the folder of a run"]),
        ("compare --engine sqlite:///s.db --resume x --seed 3", ["resume: 'x'", "without --seed", "the folder has"]),
        ("agents missing.py", ["'missing.py'", "no such file"]),
        ("serve --protocol soap", ["protocol: 'soap'", "a2a-grpc, a2a-grpc+resume, a2a-jsonrpc, a2a-http, grpc"]),
        ("serve --protocol ,", ["protocol: ','", "one or more"]),
        ("serve --protocol rest,rest", ["each variant once"]),
        ("serve --protocol mcp-stdio,rest", ["mcp-stdio", "alone"]),
        ("serve --port 65535", ["port: 65535", "up to 65532"]),
        ("serve --advertise http", ["LISTENER=HOST:PORT"]),
        ("serve --engine redis://x", ["engine: 'redis://x'", "sqlite:///PATH"]),
        ("serve --engine sqlite:///file/x.db", ["store: ", "a writable directory"]),
        (f"serve --protocol grpc --port 0 {GREETER}", ["agents: 'greeter'", "compiled from proto/", "another variant"]),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_that_says_what_is_accepted(here, tmp_path: Path, line: str, says: list[str]):
    (tmp_path / "bad.json").write_text('{"layers":\n}')
    (tmp_path / "latin.json").write_bytes(b'{"dtype": "\xe9"}')
    (tmp_path / "torn.jsonl").write_text(f"{TRACE_LINE}\n{TRACE_LINE[:20]}\n")
    (tmp_path / "list.jsonl").write_text("[1]\n")
    (tmp_path / "wrong.jsonl").write_text(TRACE_LINE + "\n" + TRACE_LINE.replace("512", "-5"))
    (tmp_path / "raises.py").write_text("x = 0\ny = 1 / x\n")
    (tmp_path / "none.py").write_text("x = 0\n")
    (tmp_path / "file").touch()
    if "other.db" in line:
        with sqlite3.connect(tmp_path / "other.db") as db:
            db.execute("CREATE TABLE theirs(x)")
        db.close()
    refused(here(*line.split()), *says)


def taken_after_free() -> socket.socket:
    """A listener whose neighbour below is free, and is not given to who asks for any port: systems take those from 32768 on."""
    for port in random.sample(range(20_000, 30_000), 1_000):
        try:
            with socket.create_server(("127.0.0.1", port - 1)):
                return socket.create_server(("127.0.0.1", port))
        except OSError:
            continue
    raise AssertionError("no two ports side by side are free")


@pytest.mark.parametrize("protocol", ["rest", "grpc", "rest,a2a-grpc"])
async def test_a_port_in_use_is_named(sametask, protocol: str):
    with taken_after_free() as taken:
        port = taken.getsockname()[1]
        first = port - protocol.count(",")  # with two variants, the second one's port is the one in use
        done = await sametask("serve", "--protocol", protocol, "--port", str(first), "--engine", "sqlite:///:memory:")
        refused(done, f"127.0.0.1:{port} cannot be bound", "a free port, or 0 for any")


@pytest.mark.parametrize("variant", ["rest", "mcp-http", "a2a-grpc", "a2a-jsonrpc", "a2a-http", "grpc"])
def test_over_the_wire_the_same_mistakes_are_the_same_lines(here, server, tmp_path: Path, variant: str):
    """The server finds them: with --url nothing is known about its skills here."""
    at = server.at(variant)
    bounds = here("call", "prefix_cache", "simulate", *at, "--set", "capacity_blocks=-1")
    refused(bounds, "capacity_blocks: -1 is not accepted; input should be greater than or equal to 1")
    refused(here("call", "nobody", "plan", *at), "agent: 'nobody' is not known; accepted: one of: ", "prefix_cache")
    trace = tmp_path / "wrong.jsonl"
    trace.write_text(TRACE_LINE + "\n" + TRACE_LINE.replace("512", "-5"))
    line = here("call", "prefix_cache", "simulate", *at, "--input", f"@{trace}")
    refused(line, "requests[1].input_length: -5 is not accepted", f"({trace} line 3)")
    unknown = here("call", "prefix_cache", "simulate", *at, "--task", "nowhere")
    refused(unknown, "task: 'nowhere' is not known; accepted: the id that a submit gave\n")  # and not that it goes on


@pytest.mark.parametrize("variant", ["rest", "mcp-stdio", "inproc"])
async def test_the_same_line_where_the_server_is_started_here(sametask, variant: str):
    done = await sametask("call", "prefix_cache", "simulate", "--via", variant, "--set", "capacity_blocks=-1")
    refused(done, "capacity_blocks: -1 is not accepted; input should be greater than or equal to 1")


@pytest.mark.parametrize("variant", ["rest", "mcp-http", "a2a-grpc", "a2a-jsonrpc", "a2a-http", "grpc"])
def test_where_nobody_serves_the_line_says_so(here, variant: str):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # and never listens
        port = silent.getsockname()[1]
        url = {"mcp-http": f"http://127.0.0.1:{port}/mcp", "grpc": f"grpc://127.0.0.1:{port}"}
        at = url.get(variant, f"http://127.0.0.1:{port}")
        done = here("call", "prefix_cache", "plan", "--via", variant, "--url", at)
        refused(done, f"({variant} at {at})", code=1)


async def test_a_users_own_agent_over_grpc_says_why_not(sametask):
    done = await sametask("call", "greeter", "greet", "--agents", GREETER, "--via", "grpc", "--set", "text=x")
    refused(done, "agents: 'greeter'", "compiled from proto/", "another variant")
