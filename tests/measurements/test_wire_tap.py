"""The TCP tap against real peers: bytes unchanged, counts exact, turns as defined."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import grpc
import httpx
import pytest
from sametask.measurements.wire.recording import Recording
from sametask.measurements.wire.tap import WireTap
from sametask.protocols.listening import bind_socket, listen_http
from sametask.protocols.variants import Bind
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(talk: Talk) -> AsyncGenerator[str]:
    """A server whose connections are all closed at the end; what `talk` raises is the test's."""
    writers: list[asyncio.StreamWriter] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await talk(reader, writer)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield "{}:{}".format(*server.sockets[0].getsockname())
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0)


@asynccontextmanager
async def connected(address: str) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        await asyncio.sleep(0)


async def say(writer: asyncio.StreamWriter, data: bytes, noise: random.Random) -> None:
    at = 0
    while at < len(data):
        size = noise.randint(1, 30_000)
        writer.write(data[at : at + size])
        at += size
        await writer.drain()
    writer.write_eof()


async def test_what_is_asked_aside_is_relayed_and_not_recorded():
    async def echo(request: Request) -> Response:
        return JSONResponse({})

    async with (
        listen_http(Starlette(routes=[Route("/", echo)]), bind_socket(Bind())) as address,
        WireTap(address) as tap,
        httpx.AsyncClient(base_url=f"http://{tap.address}") as kept,
    ):
        with tap.recording.flow() as flow:
            await kept.get("/")
            with tap.recording.aside():
                async with httpx.AsyncClient(base_url=f"http://{tap.address}") as other:
                    assert (await other.get("/")).json() == {}
            await kept.get("/")
    assert (flow.total.connections, flow.total.requests, flow.total.turns) == (1, 2, 3)


@pytest.mark.parametrize("delay_ms", [0.0, 4.0])
async def test_a_megabyte_each_way_arrives_unchanged_and_every_byte_is_counted(delay_ms: float):
    noise = random.Random(7)
    up, down = noise.randbytes(1 << 20), noise.randbytes((1 << 20) + 13)
    heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, received = await asyncio.gather(say(writer, down, noise), reader.read())
        heard.set_result(received)

    async with listening(serve) as address, WireTap(address, delay_ms=delay_ms) as tap, asyncio.timeout(20):
        with tap.recording.flow() as flow:
            async with connected(tap.address) as (reader, writer):
                _, received = await asyncio.gather(say(writer, up, noise), reader.read())
                assert await heard == up, "a half-closed connection still carries the other half"
    assert received == down
    assert flow.total.up.total == flow.total.bytes_up == len(up)
    assert flow.total.down.total == flow.total.bytes_down == len(down)
    assert flow.total.connections == 1
    assert len(flow.total.undecodable) == 1, "noise is no protocol, and the counts must say so"


async def test_a_client_that_does_not_read_is_not_drained_for_the_server():
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"x" * (1 << 25))
        await writer.drain()

    async with listening(serve) as address, WireTap(address) as tap:
        host, _, port = tap.address.rpartition(":")
        with socket.create_connection((host, int(port))):
            assert not await tap.recording.quiet(timeout_s=0.3), "bytes wait in the tap"
            assert tap.recording.connections[0].down.total < 1 << 24, "the pipe must push back"


@pytest.mark.parametrize("target", [None, "127.0.0.1:1"])
async def test_a_target_that_is_not_there_resets_the_client_at_once(target: str | None):
    async with WireTap(target) as tap, connected(tap.address) as (reader, _):
        with pytest.raises(ConnectionResetError):
            async with asyncio.timeout(5):
                await reader.read()
        assert tap.recording.connections[0].refused


async def test_the_target_may_move_while_the_tap_runs():
    def saying(text: bytes) -> Talk:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(text)
            writer.write_eof()

        return serve

    async with listening(saying(b"first")) as one, listening(saying(b"second")) as two, WireTap(one) as tap:
        heard: list[bytes] = []
        for target in (one, two):
            tap.target = target
            async with connected(tap.address) as (reader, _):
                heard.append(await reader.read())
        assert heard == [b"first", b"second"]


class Gate:
    """A server that answers only when `parties` requests are inside at once, so that parallel is parallel."""

    def __init__(self) -> None:
        self.parties = 1
        self.inside = 0
        self.open = asyncio.Event()

    async def __call__(self, request: Request) -> Response:
        self.inside += 1
        if self.inside >= self.parties:
            self.open.set()
        await self.open.wait()
        return JSONResponse({"ok": True})


async def _echo(request: Request) -> Response:
    return JSONResponse({"echo": (await request.body()).decode()})


async def _stream(request: Request) -> Response:
    async def events() -> AsyncIterator[str]:
        yield ": hello\n\n"
        for n in range(5):
            yield f'id: {n}\ndata: {{"n": {n}}}\n\n'

    return StreamingResponse(events(), media_type="text/event-stream")


@asynccontextmanager
async def http_tap() -> AsyncGenerator[tuple[WireTap, Gate]]:
    gate = Gate()
    routes = [
        Route("/gate", gate),
        Route("/echo", _echo, methods=["GET", "POST", "HEAD"]),
        Route("/tasks/{id}/events", _stream),
    ]
    app = Starlette(routes=routes)
    async with listen_http(app, bind_socket(Bind())) as address, WireTap(address) as tap:
        yield tap, gate


async def test_http_cold_warm_and_sequential_turns():
    async with http_tap() as (tap, _), httpx.AsyncClient(base_url=f"http://{tap.address}") as client:
        flows: list[tuple[int, int, int]] = []
        for repeats in (1, 1, 2):
            with tap.recording.flow() as flow:
                for _ in range(repeats):
                    await client.get("/echo")
            flows.append((flow.total.connections, flow.total.requests, flow.total.turns))
        assert flows == [(1, 1, 2), (0, 1, 1), (0, 2, 2)]


async def test_two_cold_requests_one_after_the_other_are_three_turns():
    async with http_tap() as (tap, _), httpx.AsyncClient(base_url=f"http://{tap.address}") as client:
        with tap.recording.flow() as flow:
            await client.get("/echo")
            await client.post("/echo", json={"jsonrpc": "2.0", "id": 1, "method": "tools/call"}, headers={"a2a-version": "1.0"})
    assert (flow.total.connections, flow.total.requests, flow.total.turns) == (1, 2, 3)
    assert flow.total.fingerprint == (
        "GET /echo -> application/json",
        "POST /echo application/json -> application/json a2a-version=1.0 jsonrpc=tools/call",
    )
    assert (flow.total.messages_up, flow.total.messages_down, flow.total.undecodable) == (2, 2, ())


async def test_two_in_parallel_on_two_connections_are_two_turns():
    async with http_tap() as (tap, gate), httpx.AsyncClient(base_url=f"http://{tap.address}") as client:
        gate.parties = 2
        with tap.recording.flow() as flow:
            await asyncio.gather(client.get("/gate"), client.get("/gate"))
    assert (flow.total.connections, flow.total.requests, flow.total.turns) == (2, 2, 2)


async def test_a_new_connection_for_every_request_costs_its_handshake():
    async with http_tap() as (tap, _):
        with tap.recording.flow() as flow:
            for _ in range(2):
                async with httpx.AsyncClient(base_url=f"http://{tap.address}") as client:
                    await client.get("/echo")
    assert (flow.total.connections, flow.total.turns) == (2, 4)


async def test_one_extra_request_moves_every_count_that_should_move():
    async def counts(extra: int) -> tuple[int, int, int]:
        async with http_tap() as (tap, _), httpx.AsyncClient(base_url=f"http://{tap.address}") as client:
            with tap.recording.flow() as flow:
                for _ in range(1 + extra):
                    await client.get("/echo")
            return flow.total.requests, flow.total.turns, flow.total.messages_down

    honest, padded = await counts(0), await counts(1)
    assert [b - a for a, b in zip(honest, padded, strict=True)] == [1, 1, 1]


async def test_http_bytes_are_split_exactly():
    async with http_tap() as (tap, _), httpx.AsyncClient(base_url=f"http://{tap.address}") as client:
        with tap.recording.flow() as flow:
            response = await client.post("/echo", content=b"a" * 1000)
            head = await client.head("/echo")
    assert flow.total.up.body == 1000
    assert flow.total.down.body == len(response.content)
    assert flow.total.down.framing == 0, "content-length adds none"
    assert head.headers["content-length"] != "0"
    assert flow.total.turns == 3


async def test_an_event_stream_is_messages_and_chunk_framing():
    async with http_tap() as (tap, _), httpx.AsyncClient(base_url=f"http://{tap.address}") as client:
        with tap.recording.flow() as flow:
            response = await client.get("/tasks/3f0c1b2a9d8e7f60/events?after=3")
    assert flow.total.messages_down == 5
    assert flow.total.down.body == len(response.content)
    assert flow.total.down.framing > 0
    assert flow.total.fingerprint == ("GET /tasks/{id}/events?after -> text/event-stream",)
    events = [each for each in tap.recording.connections[0].messages if each.kind == "event"]
    assert [each.text for each in events] == [f'{{"n": {n}}}' for n in range(5)]
    assert [each.event_id for each in events] == list("01234")


async def test_a_flow_is_counted_over_all_the_taps_of_a_recording():
    shared = Recording()
    async with (
        http_tap() as (first, _),
        WireTap(first.target, recording=shared) as one,
        WireTap(first.target, recording=shared) as two,
    ):
        with shared.flow() as flow:
            for tap in (one, two):
                async with httpx.AsyncClient(base_url=f"http://{tap.address}") as client:
                    await client.get("/echo")
    assert (flow.total.connections, flow.total.requests, flow.total.turns) == (2, 2, 4)


Handler = Callable[[bytes, grpc.aio.ServicerContext], Awaitable[bytes]]


async def _unary(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
    return request * 3


async def _many(request: bytes, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
    for n in range(4):
        yield b"%d" % n * 40_000


@asynccontextmanager
async def grpc_tap() -> AsyncGenerator[WireTap]:
    server = grpc.aio.server()
    methods = {
        "Unary": grpc.unary_unary_rpc_method_handler(_unary),
        "Many": grpc.unary_stream_rpc_method_handler(_many),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Service", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with WireTap(("127.0.0.1", port)) as tap:
            yield tap
    finally:
        await server.stop(0)


async def test_grpc_unary_cold_and_warm():
    async with grpc_tap() as tap, grpc.aio.insecure_channel(tap.address) as channel:
        call = channel.unary_unary("/test.Service/Unary")
        flows: list[tuple[int, ...]] = []
        for _ in range(2):
            with tap.recording.flow() as flow:
                assert await call(b"abcd", metadata=(("a2a-version", "1.0"),)) == b"abcd" * 3
                await tap.recording.quiet()
            counts = flow.total
            flows.append((counts.connections, counts.requests, counts.turns, counts.up.body, counts.down.body))
            assert counts.fingerprint == ("grpc /test.Service/Unary a2a-version=1.0",)
            assert (counts.messages_up, counts.messages_down, counts.undecodable) == (1, 1, ())
            assert counts.up.headers > 0
            assert counts.up.framing > 9 + 9 + 5 - 1
        assert flows == [(1, 1, 2, 4, 12), (0, 1, 1, 4, 12)]


async def test_grpc_server_stream_counts_each_message():
    async with grpc_tap() as tap, grpc.aio.insecure_channel(tap.address) as channel:
        with tap.recording.flow() as flow:
            received = [message async for message in channel.unary_stream("/test.Service/Many")(b"go")]
            await tap.recording.quiet()
    assert len(received) == flow.total.messages_down == 4
    assert flow.total.down.body == sum(map(len, received))
    assert (flow.total.requests, flow.total.turns, flow.total.undecodable) == (1, 2, ())


async def test_grpc_error_is_an_answer():
    async with grpc_tap() as tap, grpc.aio.insecure_channel(tap.address) as channel:
        with tap.recording.flow() as flow:
            with pytest.raises(grpc.aio.AioRpcError):
                await channel.unary_unary("/test.Service/Nothing")(b"")
            await tap.recording.quiet()
    assert flow.total.fingerprint == ("grpc /test.Service/Nothing grpc-status=12",)
    assert (flow.total.messages_down, flow.total.turns) == (1, 2)
