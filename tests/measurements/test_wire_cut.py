"""The watch "cut after the k-th event": the client has exactly k events, then the connection is gone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import grpc
import httpx
import pytest
from sametask.measurements.wire.cut import CutAfterEvents
from sametask.measurements.wire.tap import WireTap
from sametask.measurements.wire.trigger import How
from sametask.protocols.listening import bind_socket, listen_http
from sametask.protocols.variants import Bind
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

EVENTS = 6


class Server:
    def __init__(self) -> None:
        self.polled = 0

    async def stream(self, request: Request) -> Response:
        per_chunk = int(request.query_params["per_chunk"])

        async def body() -> AsyncIterator[str]:
            texts = [f": ping\n\ndata: event {n + 1}\n\n" for n in range(EVENTS)]
            for at in range(0, EVENTS, per_chunk):
                yield "".join(texts[at : at + per_chunk])
            await asyncio.Event().wait()

        return StreamingResponse(body(), media_type="text/event-stream")

    async def poll(self, request: Request) -> Response:
        self.polled += 1
        return PlainTextResponse(str(self.polled))


@asynccontextmanager
async def http_tap(*armed: CutAfterEvents, delay_ms: float = 0.0) -> AsyncGenerator[tuple[WireTap, httpx.AsyncClient, Server]]:
    server = Server()
    app = Starlette(routes=[Route("/events", server.stream), Route("/poll", server.poll)])
    async with listen_http(app, bind_socket(Bind())) as address, WireTap(address, watches=armed, delay_ms=delay_ms) as tap:
        async with httpx.AsyncClient(base_url=f"http://{tap.address}", timeout=5) as client:
            yield tap, client, server
        tap.cut_all()


async def received(client: httpx.AsyncClient, per_chunk: int) -> tuple[str, Exception | None]:
    text = ""
    try:
        async with client.stream("GET", "/events", params={"per_chunk": per_chunk}) as response:
            async for piece in response.aiter_text():
                text += piece
                if text.count("data:") == EVENTS:
                    break
    except httpx.TransportError as error:
        return text, error
    return text, None


@pytest.mark.parametrize("per_chunk", [1, 2, 6])
@pytest.mark.parametrize("how", ["reset", "close"])
@pytest.mark.parametrize("k", [1, 3, 6])
async def test_the_client_has_exactly_k_events(k: int, how: How, per_chunk: int):
    async with http_tap(CutAfterEvents(k, how)) as (tap, client, _):
        with tap.recording.flow() as flow:
            text, error = await received(client, per_chunk)
            await tap.fired.wait()
    expected = "".join(f": ping\n\ndata: event {n + 1}\n\n" for n in range(k))
    assert text == expected, "all of the k-th event and nothing behind it"
    if k < EVENTS:
        assert isinstance(error, httpx.ReadError if how == "reset" else httpx.RemoteProtocolError)
    assert flow.total.messages_down == k, "what was not relayed is not counted"
    assert flow.total.down.body == len(expected)
    assert tap.fired_at is not None


async def test_a_cut_waits_for_the_delayed_bytes_before_it():
    async with http_tap(CutAfterEvents(2), delay_ms=10) as (_, client, _):
        text, error = await received(client, per_chunk=6)
    assert text.count("data:") == 2
    assert isinstance(error, httpx.ReadError)


async def test_once_cuts_once_and_the_next_stream_passes():
    async with http_tap(CutAfterEvents(2)) as (_, client, _):
        seen = [(await received(client, 1))[0].count("data:") for _ in range(2)]
    assert seen == [2, EVENTS]


async def test_not_once_cuts_again_and_arming_starts_anew():
    async with http_tap(CutAfterEvents(2, once=False)) as (tap, client, _):
        seen = [(await received(client, 3))[0].count("data:") for _ in range(2)]
        assert tap.fired.is_set()
        tap.arm(CutAfterEvents(4))
        assert not tap.fired.is_set()
        seen.append((await received(client, 3))[0].count("data:"))
        tap.arm()
        seen.append((await received(client, 3))[0].count("data:"))
    assert seen == [2, 2, 4, EVENTS]


async def test_only_events_that_match_count():
    fault = CutAfterEvents(2, match=lambda message: message.text in ("event 2", "event 5"))
    async with http_tap(fault) as (_, client, _):
        text, _ = await received(client, per_chunk=6)
    assert text.endswith("data: event 5\n\n")


async def test_without_a_fault_nothing_is_cut():
    async with http_tap() as (tap, client, _):
        text, error = await received(client, per_chunk=2)
        assert (text.count("data:"), error, tap.fired.is_set()) == (EVENTS, None, False)


async def test_a_polling_client_has_k_answers_and_loses_the_next_although_it_was_served():
    async with http_tap(CutAfterEvents(2, count="responses")) as (tap, client, server):
        answers = [(await client.get("/poll")).text for _ in range(2)]
        with pytest.raises(httpx.TransportError):
            await client.get("/poll")
        assert tap.fired.is_set()
        answers.append((await client.get("/poll")).text)
    assert answers == ["1", "2", "4"]
    assert server.polled == 4


class _Many:
    """A stream whose event n + 1 leaves only when the client has read event n, so that which ones were read is certain."""

    def __init__(self) -> None:
        self.read = asyncio.Semaphore(1)

    async def events(self, request: bytes, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
        for n in range(EVENTS):
            await self.read.acquire()
            yield b"event %d" % (n + 1)


@pytest.mark.parametrize("how", ["reset", "close"])
async def test_a_grpc_stream_has_exactly_k_messages(how: How):
    server, many = grpc.aio.server(), _Many()
    methods = {"Many": grpc.unary_stream_rpc_method_handler(many.events)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Service", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        fault = CutAfterEvents(3, how, match=lambda message: message.path == "/test.Service/Many")
        async with WireTap(("127.0.0.1", port), watches=[fault]) as tap, grpc.aio.insecure_channel(tap.address) as channel:
            messages: list[bytes] = []

            async def read() -> None:
                async for message in channel.unary_stream("/test.Service/Many")(b""):
                    messages.append(message)
                    many.read.release()

            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await read()
            assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
            record = tap.recording.connections[0]
            path = "/test.Service/Many"
            relayed = [m.text for m in record.messages if m.direction == "down" and m.ordinal and m.path == path]
            assert relayed == ["event 1", "event 2", "event 3"]
            # The third comes right before the end of the connection, and gRPC may drop what it has not handed on by then.
            assert messages in ([b"event 1", b"event 2"], [b"event 1", b"event 2", b"event 3"])
            assert record.undecodable is None
    finally:
        with contextlib.suppress(asyncio.CancelledError):
            await server.stop(0)


def test_a_cut_before_anything_is_refused():
    with pytest.raises(ValueError, match="k: 0"):
        CutAfterEvents(0)
