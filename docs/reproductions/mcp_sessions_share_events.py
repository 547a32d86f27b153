"""mcp 2.3: a client that resumes its stream is told another session's messages, and takes its answer for its own.

Two sessions of one server each make a call, and both give it the request id that every client begins with. The first one's
stream is cut and resumed with Last-Event-ID (2025-11-25, basic/transports, "Resumability and Redelivery": the server must not
replay what belongs to another stream). The store is the one of the SDK's own example: by stream id, which is the request's.

    python docs/reproductions/mcp_sessions_share_events.py
"""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import httpx
import mcp.types as t
import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp.server.streamable_http import EventCallback, EventMessage, EventStore

HEADERS = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}


class InMemoryEventStore(EventStore):
    """Everything in one list, as in the SDK's examples."""

    def __init__(self) -> None:
        self._events: list[tuple[str, t.JSONRPCMessage | None]] = []

    async def store_event(self, stream_id: str, message: t.JSONRPCMessage | None) -> str:
        self._events.append((stream_id, message))
        return str(len(self._events))

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        stream_id = self._events[int(last_event_id) - 1][0]
        for number, (of, message) in list(enumerate(self._events, 1))[int(last_event_id) :]:
            if of == stream_id and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return stream_id


async def main() -> None:
    asked: dict[str, asyncio.Event] = {"ours": asyncio.Event()}
    server = MCPServer("two-sessions", log_level="CRITICAL")

    @server.tool()
    async def whose(name: str) -> str:
        if name in asked:
            asked[name].set()
            await asyncio.Event().wait()  # still at work
        return f"the secret of {name}"

    app = server.streamable_http_app(event_store=InMemoryEventStore())
    with socket.create_server(("127.0.0.1", 0)) as sock:
        url = f"http://127.0.0.1:{sock.getsockname()[1]}/mcp"
        serving = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
        running = asyncio.create_task(serving.serve(sockets=[sock]))
        async with httpx.AsyncClient(headers=HEADERS, timeout=5) as http:
            ours, theirs = [{"Mcp-Session-Id": await session(http, url)} for _ in range(2)]
            async with http.stream("POST", url, json=call("ours"), headers=ours) as stream:
                lines = stream.aiter_lines()
                last = next(line[4:] for line in [await anext(lines), await anext(lines)] if line.startswith("id: "))
                await asked["ours"].wait()
            await http.post(url, json=call("theirs"), headers=theirs)
            async with http.stream("GET", url, headers=ours | {"Last-Event-ID": last}) as stream:
                async for line in stream.aiter_lines():
                    if line.startswith("data: {"):
                        print("ours was told:", json.loads(line[6:])["result"]["content"][0]["text"])
                        break
        serving.should_exit = True
        await running


async def session(http: httpx.AsyncClient, url: str) -> str:
    given: dict[str, Any] = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "c", "version": "1"},
    }
    hello = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": given}
    found = (await http.post(url, json=hello)).headers["mcp-session-id"]
    ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    await http.post(url, json=ready, headers={"Mcp-Session-Id": found})
    return found


def call(name: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "whose", "arguments": {"name": name}}}


asyncio.run(main())
