"""The benchmark's own honesty: who answers wrongly has no time, who was not the limit is void, and a ratio is of one round."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sametask.measurements.samples import Sample
from sametask.measurements.timing import tail, throughput
from sametask.measurements.timing.bench_agent import ANSWER
from sametask.measurements.timing.generator import Load, drive, lanes
from sametask.measurements.timing.throughput import CONTENDERS, METRIC, TARGETS, ratio, sample_of, served, table
from sametask.measurements.timing.wire_calls import rest

pytestmark = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
SOME_S = 0.1


@pytest.mark.parametrize("name", CONTENDERS)
async def test_every_contender_gives_the_right_answer(name: str):
    contender = CONTENDERS[name]
    call = contender.call()
    async with (
        served(contender.variant, contender.agents, grpc=call.grpc) as (address, pid),
        lanes(address, call, 2) as opened,
    ):
        load = await drive(opened, call, ANSWER, SOME_S, pid)
    assert load.errors == []
    assert load.latencies_s
    assert load.elapsed_s >= SOME_S


@asynccontextmanager
async def answering(answers: list[bytes]) -> AsyncGenerator[str]:
    """A server of HTTP that gives these answers by turns, the last one for ever; it closes after one that says so."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]))
                answer = answers.pop(0) if len(answers) > 1 else answers[0]
                writer.write(answer)
                if b"connection: close" in answer:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has left
        finally:
            writer.close()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.create_task(serve(reader, writer)))

    tasks: list[asyncio.Task[None]] = []
    server = await asyncio.start_server(begin, "127.0.0.1", 0)
    try:
        host, port = server.sockets[0].getsockname()[:2]
        yield f"{host}:{port}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def http(body: Any, status: str = "200 OK", *headers: str) -> bytes:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return "\r\n".join([f"HTTP/1.1 {status}", f"content-length: {len(raw)}", *headers, "", ""]).encode() + raw


RIGHT = http(ANSWER)


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ([http({**ANSWER, "total": 7})], "WrongAnswer: {'query'"),
        ([RIGHT, http({"query": "another"})], "WrongAnswer: b'{"),
        ([RIGHT, http({**ANSWER, "query": "short"})], "WrongAnswer: b'{"),
        ([http(ANSWER, "500 Internal Server Error")], "WrongAnswer: status 500"),
        ([http(b"no json")], "JSONDecodeError"),
        ([b"SSH-2.0\r\n\r\n"], "WrongAnswer: no HTTP"),
        ([b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 9\r\n\r\n"], "ConnectionError"),
    ],
)
async def test_a_wrong_answer_is_an_error_and_has_no_time(answers: list[bytes], says: str):
    right_count = answers.count(RIGHT)
    async with answering(answers) as address, lanes(address, rest(), 1) as opened:
        load = await drive(opened, rest(), ANSWER, 5.0, os.getpid())
    assert len(load.latencies_s) == right_count
    assert load.errors[0].startswith(says)
    sample = sample_of(CONTENDERS["rest"], 1, 0, load)
    assert (sample.status, sample.values) == ("failed", {})
    assert f"{len(load.errors)} of {len(load.errors) + right_count} calls failed" in sample.reason


async def test_a_server_that_closes_is_connected_to_again_and_that_is_told():
    async with answering([http(ANSWER, "200 OK", "connection: close")]) as address, lanes(address, rest(), 1) as opened:
        load = await drive(opened, rest(), ANSWER, SOME_S, os.getpid())
    assert load.errors == []
    assert load.connections_count == len(load.latencies_s) > 1


def load(busy: float) -> Load:
    return Load([0.001] * 99 + [0.1], [], elapsed_s=1.0, generator_cpu_s=busy, server_cpu_s=0.5)


def test_a_stretch_that_the_generator_may_have_limited_is_void():
    assert sample_of(CONTENDERS["rest"], 16, 0, load(0.8)).status == "ok"
    void = sample_of(CONTENDERS["rest"], 16, 0, load(0.81))
    assert (void.status, void.values) == ("not_testable", {})
    assert "void: the generator used 81% of its core" in void.reason
    assert sample_of(CONTENDERS["rest"], 16, 0, Load(elapsed_s=1.0)).status == "failed", "no call is no success"


def test_what_a_stretch_says_of_itself():
    values = sample_of(CONTENDERS["rest"], 16, 0, load(0.5)).values
    assert values["calls_per_s"] == 100
    assert (values["p50_ms"], values["p99_ms"]) == (1.0, 100.0)
    assert values["server_cpu_ms"] == 5.0


def samples(rates: dict[str, list[float]], level: int = 16) -> list[Sample]:
    return [
        Sample(
            metric=METRIC,
            variant=name,
            cell={"contender": name, "level": level},
            trial=n,
            values={"calls_per_s": rate, "p50_ms": 1, "p99_ms": 2, "server_cpu_ms": 1, "generator_busy": 0.1},
        )
        for name, each in rates.items()
        for n, rate in enumerate(each)
    ]


def test_a_ratio_is_of_the_blocks_of_one_round():
    """A machine that is half as fast in every other round changes no ratio; one that is not in both moves the interval."""
    steady = ratio(samples({"a": [10, 5, 10, 5, 10], "b": [2, 1, 2, 1, 2]}), "a", "b", 16, 0)
    assert steady is not None
    assert (steady.value, steady.low, steady.high) == (5, 5, 5)
    wild = ratio(samples({"a": [10, 5, 10, 5, 10], "b": [2, 2, 2, 2, 2]}), "a", "b", 16, 0)
    assert wild is not None
    assert wild.low < wild.value == statistics.median([5, 2.5, 5, 2.5, 5])
    assert ratio(samples({"a": [10], "b": [2]}, level=1), "a", "b", 16, 0) is None
    half = samples({"a": [10, 8], "b": [2]})
    assert ratio(half, "a", "b", 16, 0).value == 5, "a round without the other has no ratio"  # type: ignore[union-attr]


def test_a_void_block_enters_no_ratio_and_the_table_says_why():
    measured = samples({"rest": [300, 300], "rest again": [300, 290], "stock-fastapi": [200, 200]})
    void = sample_of(CONTENDERS["rest"], 16, 2, load(0.9))
    text = table([*measured, void], 0)
    assert "rest : stock-fastapi = 1.50 (1.50 to 1.50); at least 1.2: yes" in text
    assert "null pair: rest again : rest = 0.98" in text
    assert "2 of 3" in text
    assert "void: the generator used 90%" in table([void], 0)


@pytest.mark.parametrize(("rates", "says"), [([6, 6, 6], "yes"), ([3, 3, 3], "no"), ([4, 6, 8, 4, 6], "not certain")])
def test_a_target_is_met_missed_or_not_certain(rates: list[float], says: str):
    target = TARGETS[0]
    found = samples({target.ours: rates, target.stock: [1.0] * len(rates)})
    assert f"at least {target.bound:.3g}: {says}" in table(found, 0)


def test_the_tail_is_judged_by_its_ratio():
    good = [each.model_copy(update={"cell": {"tasks": 9}}) for each in samples({"rest": [1, 1]})]
    assert tail.table(good) == (tail.table(good)[0], True)
    bad = [each.model_copy(update={"values": {**each.values, "p99_ms": 4.1}}) for each in good]
    text, whole = tail.table(bad)
    assert not whole
    assert "4.10; at most 4: no" in text
    failed = [each.model_copy(update={"status": "failed", "reason": "all failed", "values": {}}) for each in good]
    assert tail.table(failed) == (tail.table(failed)[0], False)
    assert "all failed" in tail.table(failed)[0]


def test_an_unknown_contender_is_named(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        throughput.main(["--only", "soap"])
    assert ended.value.code == 2
    assert "--only: 'soap' is not known; accepted: rest; rest again;" in capsys.readouterr().err
