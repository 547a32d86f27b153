"""A thin neutral load generator: the same bytes again and again on kept connections, a fixed number of calls at a time.

HTTP is spoken by a protocol of asyncio's with httptools' parser, gRPC by grpc.aio with bytes in and bytes out. Each answer is
checked before its time counts; a wrong one is an error and has no time.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast

import grpc.aio
import httptools

from .wire_calls import MARK, Call

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass
class Load:
    """What one stretch of calls gave. Units: seconds. `latencies_s` are of right answers only, in the order they came."""

    latencies_s: list[float] = field(default_factory=list[float])
    errors: list[str] = field(default_factory=list[str])
    elapsed_s: float = 0.0
    generator_cpu_s: float = 0.0
    server_cpu_s: float = 0.0
    connections_count: int = 0

    def percentile_ms(self, share: float) -> float:
        ordered = sorted(self.latencies_s)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1e3


class Lane(Protocol):
    """One call at a time: `ask` gives the body of the answer. Raises: WrongAnswer, OSError or grpc's own error."""

    async def ask(self) -> bytes: ...


class WrongAnswer(Exception):
    """The server answered, but not what was asked."""


class HttpLane(asyncio.Protocol):
    """A kept connection; a server that closes it is connected to again, and `connections_count` tells."""

    def __init__(self, host: str, call: Call) -> None:
        self._host, self._request = host, call.http(host)
        self._transport: asyncio.Transport | None = None
        self._parser: Any = None
        self._body = bytearray()
        self._answer: asyncio.Future[bytes] | None = None
        self.connections_count = 0

    async def ask(self) -> bytes:
        if self._transport is None or self._transport.is_closing():
            address, _, port = self._host.rpartition(":")
            await asyncio.get_running_loop().create_connection(lambda: self, address, int(port))
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(self._request)
        return await self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._parser = httptools.HttpResponseParser(self)
        self.connections_count += 1

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(WrongAnswer(f"no HTTP: {error}"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._fail(exc or ConnectionError("the server closed the connection before it had answered"))

    # What httptools calls.

    def on_message_begin(self) -> None:
        self._body.clear()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if self._answer is None or self._answer.done():
            return
        if 200 <= status < 300:
            self._answer.set_result(bytes(self._body))
        else:
            self._fail(WrongAnswer(f"status {status}: {bytes(self._body[:200])!r}"))
        if not self._parser.should_keep_alive():
            self.close()

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)


class GrpcLane:
    def __init__(self, channel: grpc.aio.Channel, call: Call) -> None:
        self._call: Any = cast(Any, channel).unary_unary(call.path)
        self._body, self._metadata = call.body, tuple(call.headers.items())

    async def ask(self) -> bytes:
        return await self._call(self._body, metadata=self._metadata)


@asynccontextmanager
async def lanes(address: str, call: Call, count: int) -> AsyncGenerator[list[Any]]:
    """`count` lanes to a `host:port`: a connection each, and on gRPC the one channel that its clients share."""
    if call.grpc:
        async with grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            yield [GrpcLane(channel, call) for _ in range(count)]
        return
    made = [HttpLane(address, call) for _ in range(count)]
    try:
        yield made
    finally:
        for lane in made:
            lane.close()


async def repeat(open_lanes: list[Any], count: int) -> None:
    """`count` calls in all, whatever their answers say. Raises: what a lane raises."""
    left = iter(range(count))

    async def work(lane: Lane) -> None:
        for _ in left:
            await lane.ask()

    async with asyncio.TaskGroup() as group:
        for lane in open_lanes:
            group.create_task(work(lane))


async def drive(open_lanes: list[Any], call: Call, right: Any, seconds: float, pid: int) -> Load:
    """Each lane asks again as soon as it has its answer, for `seconds`. The first answer of a lane is read whole and compared
    with `right`; every other has to be as marked and about as long, so that the generator stays thin.
    """
    load = Load()
    began, cpu, server = time.perf_counter(), time.process_time(), cpu_s(pid)
    until = began + seconds

    async def work(lane: Lane) -> None:
        length = 0
        while True:
            at = time.perf_counter()
            if at >= until:
                return
            try:
                body = await lane.ask()
                if not length:
                    if (said := call.read(body)) != right:
                        raise WrongAnswer(f"{said!r}")
                    length = len(body)
                elif MARK not in body or abs(len(body) - length) > 16:
                    raise WrongAnswer(f"{body[:200]!r}")
            except (WrongAnswer, OSError, KeyError, ValueError, grpc.aio.AioRpcError) as error:
                load.errors.append(f"{type(error).__name__}: {error}")
                if len(load.errors) >= 100:
                    return
            else:
                load.latencies_s.append(time.perf_counter() - at)

    async with asyncio.TaskGroup() as group:
        for lane in open_lanes:
            group.create_task(work(lane))
    load.elapsed_s = time.perf_counter() - began
    load.generator_cpu_s = time.process_time() - cpu
    load.server_cpu_s = cpu_s(pid) - server
    load.connections_count = sum(getattr(lane, "connections_count", 0) for lane in open_lanes)
    return load


def cpu_s(pid: int) -> float:
    """The CPU time that a process has used, user and system (proc(5), `stat`)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S
