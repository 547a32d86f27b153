"""Each fault of the wire does to real connections what its name says, and brings back what it took away."""

from __future__ import annotations

import asyncio
import pkgutil
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import httpx
import pytest
from sametask.measurements.wire import faults as folder
from sametask.measurements.wire.faults import faults
from sametask.measurements.wire.faults.contract import Line, NothingToStrike
from sametask.measurements.wire.tap import WireTap
from sametask.protocols.listening import bind_socket, listen_http
from sametask.protocols.variants import Bind
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

FAULTS = {fault.name: fault for fault in faults()}
PATIENT = httpx.Timeout(10.0)
OUTAGE_S = 0.2


class Server:
    """Its stream tells a first event at once, and a second one when it is let."""

    def __init__(self) -> None:
        self.asked, self.more = 0, asyncio.Event()

    async def stream(self, request: Request) -> Response:
        self.asked += 1

        async def body() -> AsyncIterator[str]:
            yield "data: one\n\n"
            await self.more.wait()
            yield "data: " + "two" * 1000 + "\n\n"

        return StreamingResponse(body(), media_type="text/event-stream")

    async def count(self, request: Request) -> Response:
        await request.body()
        self.asked += 1
        return JSONResponse({"asked": self.asked})


class Reader:
    """A client with an open stream of which it has read the first event."""

    def __init__(self, client: httpx.AsyncClient, pieces: AsyncIterator[str], server: Server, tap: WireTap) -> None:
        self.client, self.server, self.tap = client, server, tap
        self._pieces, self.text = pieces, ""

    async def rest(self) -> str:
        async for piece in self._pieces:
            self.text += piece
        return self.text

    async def strike(self, name: str, outage_s: float = OUTAGE_S) -> None:
        line = Line([self.tap], Random(0), outage_s, self.server.more.set)
        await FAULTS[name].strike(line)


@asynccontextmanager
async def reading() -> AsyncGenerator[Reader]:
    server = Server()
    app = Starlette(routes=[Route("/events", server.stream), Route("/count", server.count, methods=["POST"])])
    async with listen_http(app, bind_socket(Bind())) as address, WireTap(address) as tap:
        client = httpx.AsyncClient(base_url=f"http://{tap.address}", timeout=PATIENT)
        async with client, client.stream("GET", "/events") as response:
            pieces = response.aiter_text()
            assert await anext(pieces) == "data: one\n\n"
            yield Reader(client, pieces, server, tap)
        tap.cut_all()
        server.more.set()


@pytest.mark.parametrize(("name", "error"), [("reset", httpx.ReadError), ("close", httpx.RemoteProtocolError)])
async def test_the_end_of_a_connection_is_one_or_the_other(name: str, error: type[Exception]):
    async with reading() as reader:
        await reader.strike(name)
        with pytest.raises(error):
            await reader.rest()
        assert (await reader.client.post("/count")).json() == {"asked": 2}, "a new connection works"


async def test_half_of_what_is_told_next_arrives_and_no_more():
    async with reading() as reader:
        striking = asyncio.create_task(reader.strike("half_response"))
        with pytest.raises(httpx.RemoteProtocolError):
            await reader.rest()
        await striking
        assert 0 < len(reader.text) < len("data: " + "two" * 1000)


@pytest.mark.parametrize("name", ["blackhole", "blackhole_down"])
async def test_a_hole_swallows_without_a_word_and_new_connections_work_after_it(name: str):
    async with reading() as reader:
        waiting = asyncio.create_task(reader.rest())
        striking = asyncio.create_task(reader.strike(name, outage_s=3600))
        while not reader.tap.silent:  # noqa: ASYNC110 - a flag
            await asyncio.sleep(0)
        brief = httpx.Timeout(0.3, connect=10)
        async with httpx.AsyncClient(base_url=f"http://{reader.tap.address}", timeout=brief) as other:
            with pytest.raises(httpx.ReadTimeout):  # the connection was accepted
                await other.post("/count")
        striking.cancel()
        reader.tap.silent = False
        assert (await reader.client.post("/count")).json() == {"asked": 2}, "what was sent into the hole never arrived"
        assert not waiting.done(), "what was open stays silent, and stays open"
        waiting.cancel()


async def test_refused_is_refused_by_the_kernel_and_accepted_again_at_the_same_address():
    async with reading() as reader:
        address = reader.tap.address
        reader.tap.refuse()
        while True:  # the listener closes in its own time
            try:
                _, writer = await asyncio.open_connection(*address.split(":"))
            except ConnectionRefusedError:
                break
            except ConnectionResetError:  # it was in the queue
                continue
            writer.close()
        reader.tap.accept()
        await reader.strike("refuse")
        assert reader.tap.address == address
        with pytest.raises(httpx.ReadError):
            await reader.rest()
        assert (await reader.client.post("/count")).json()["asked"] == 2


@pytest.mark.parametrize("name", ["delay", "throttle", "slow_reader"])
async def test_slow_is_slow_for_a_while_and_loses_nothing(name: str):
    async with reading() as reader:
        loop = asyncio.get_running_loop()
        began = loop.time()
        striking = asyncio.create_task(reader.strike(name, outage_s=0.1))
        assert await reader.rest() == "data: " + "two" * 1000 + "\n\n"
        took_s = loop.time() - began
        await striking
        assert took_s >= 0.09, "neither 100 ms one way nor 3,000 bytes at that pace are faster, however idle the machine is"
        assert reader.tap.delay_ms == 0


async def test_the_server_is_asked_twice_for_what_the_client_asked_once():
    async with reading() as reader:
        await reader.strike("duplicate_send")
        assert reader.server.asked == 2
        with pytest.raises(httpx.ReadError):
            await reader.rest()


@pytest.mark.parametrize("name", FAULTS)
async def test_where_nothing_is_open_nothing_was_struck(name: str):
    async with WireTap() as tap:
        line = Line([tap], Random(0), 0.0, lambda: None)
        if name == "delay":  # it slows down what comes, too
            await FAULTS[name].strike(line)
            return
        with pytest.raises(NothingToStrike):
            await FAULTS[name].strike(line)


def test_every_file_in_the_folder_is_a_fault():
    files = {entry.name for entry in pkgutil.iter_modules(folder.__path__)} - {"contract"}
    assert {name.removesuffix("_down") for name in FAULTS} == files


async def test_who_connects_in_the_moment_in_which_a_tap_begins_to_refuse_is_no_defect_of_the_loop():
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
    async with WireTap() as tap:
        host, port = tap.address.split(":")
        await asyncio.sleep(0)  # it listens, and waits
        with socket.create_connection((host, int(port))):
            await asyncio.sleep(0)  # the loop knows of the connection, and has not told the tap yet
            tap.refuse()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
    assert complaints == []
