"""A request that is cut in the middle: nothing of it reaches a user's terminal, and the server goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sametask.protocols.server_process import ServerOptions, server_process
from sametask.protocols.variants import variants

from .conftest import OURS

PLAN = {"layers": 32, "kv_heads": 8, "head_dim": 128, "memory_bytes": 2**34}
PATHS = {
    "rest": "/agents/prefix_cache/skills/plan",
    "mcp-http": "/mcp",
    "mcp-http-2025": "/mcp",
    "a2a-jsonrpc": "/a2a",
    "a2a-http": "/a2a/v1/message:send",
}
HEADERS = {
    "mcp-http": ["mcp-protocol-version: 2026-07-28", "mcp-method: tools/call"],
    "mcp-http-2025": ["mcp-protocol-version: 2025-11-25"],
    "a2a-jsonrpc": ["a2a-version: 1.0"],
    "a2a-http": ["a2a-version: 1.0"],
}


TOOLS = ("prefix_cache_simulate", "prefix_cache_plan")
"""A call of a quick skill has a short way of its own over MCP."""


def half_a_request(variant: str, host: str, tool: str) -> bytes:
    head = [
        f"POST {PATHS[variant]} HTTP/1.1",
        f"host: {host}",
        "content-type: application/json",
        "accept: application/json, text/event-stream",
        "content-length: 1000",
        f"mcp-name: {tool}",
        *HEADERS.get(variant, []),
    ]
    return "\r\n".join([*head, "", '{"jsonrpc": "2.0", "id": 1, "method": ']).encode()


def test_every_variant_on_http_is_cut():
    assert PATHS.keys() == {
        name for name in OURS if "http" in variants()[name].listeners and variants()[name].transport != "gRPC"
    }


@pytest.mark.parametrize("name", PATHS)
async def test_a_request_that_is_cut_leaves_nothing_on_stderr_and_the_next_one_is_answered(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
):
    variant = variants()[name]
    async with server_process(ServerOptions((variant,), f"sqlite:///{tmp_path}/tasks.db")) as server:
        endpoint = server.endpoints[name]
        host, _, port = endpoint.listeners["http"].rpartition(":")
        for tool in TOOLS:
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(half_a_request(name, endpoint.listeners["http"], tool))
            await writer.drain()
            writer.close()
            await writer.wait_closed()
            assert not await reader.read()
        async with variant.connect()(endpoint.url) as client:
            assert (await client.call("prefix_cache", "plan", PLAN))["bytes_per_token"] > 0
    assert capfd.readouterr().err == ""
