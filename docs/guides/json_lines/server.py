"""The server half: one request a connection, answered by one line, or by a line for each event and then one.

-> {"id": 1, "method": "events", "params": {"task_id": "t", "after": 0}}
<- {"method": "event", "params": {"seq": 1, ...}}
<- {"id": 1, "result": null}      or      {"id": 1, "error": {"code": ..., "message": ..., "details": ...}}
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from typing import Any

from pydantic_core import to_jsonable_python

from ...agents.engine import TaskEngine
from ...agents.errors import InvalidInput, SametaskError, TooLarge
from ..inproc.client import InprocClient
from ..listening import bind_socket, host_port
from ..variants import Bind, Endpoint

UNARY = ("discover", "call", "submit", "get", "wait", "answer", "cancel")
STREAMS = ("stream", "events")


@contextlib.asynccontextmanager
async def serve(engine: TaskEngine, bind: Bind) -> AsyncGenerator[Endpoint]:
    agents = InprocClient(engine)
    connections: set[asyncio.Task[Any]] = set()

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answering = asyncio.create_task(_answer(agents, reader, writer))
        connections.add(answering)
        with contextlib.suppress(asyncio.CancelledError):
            await answering
        connections.discard(answering)
        writer.close()

    sock = bind_socket(bind)
    address = host_port(sock)
    server = await asyncio.start_server(accepted, sock=sock, limit=bind.max_message_bytes)
    try:
        yield Endpoint(f"json-lines://{address}", {"tcp": address})
    finally:
        server.close()
        for answering in tuple(connections):
            answering.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def _answer(agents: InprocClient, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the connection's request, unless the caller hangs up first."""

    async def tell(message: Any) -> None:
        writer.write(json.dumps(to_jsonable_python(message)).encode() + b"\n")
        await writer.drain()

    with contextlib.suppress(ConnectionError):
        try:
            method, params = _read(await reader.readline())
            working = asyncio.create_task(_work(agents, method, params, tell))
            hung_up = asyncio.create_task(reader.read())
            try:
                await asyncio.wait({working, hung_up}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                both = [task for task in (working, hung_up) if task.cancel()]
                await asyncio.gather(*both, return_exceptions=True)
            if not working.cancelled():
                await tell({"id": 1, "result": working.result()})
        except SametaskError as error:
            await tell({"id": 1, "error": error.to_json()})
        except ValueError:
            too_large = TooLarge("request: the line is longer than is accepted")
            await tell({"id": 1, "error": too_large.to_json()})
        except ConnectionError:
            raise
        except Exception as error:
            # The wall: a defect of ours is one line to the caller.
            await tell({"id": 1, "error": SametaskError(f"internal error: {type(error).__name__}").to_json()})


def _read(line: bytes) -> tuple[str, dict[str, Any]]:
    try:
        request = json.loads(line)
        method, params = request["method"], dict(request["params"])
    except (ValueError, TypeError, KeyError):
        raise InvalidInput("request", line[:60], 'accepted: {"id": 1, "method": NAME, "params": OBJECT}') from None
    if method not in UNARY + STREAMS:
        raise InvalidInput("method", method, "accepted: " + ", ".join(UNARY + STREAMS))
    return method, params


async def _work(agents: InprocClient, method: str, params: dict[str, Any], tell: Any) -> Any:
    if method in UNARY:
        return await getattr(agents, method)(**params)
    async with contextlib.aclosing(getattr(agents, method)(**params)) as events:
        async for event in events:
            await tell({"method": "event", "params": event})
    return None
