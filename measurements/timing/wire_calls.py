"""One unary call of the bench's skill in each protocol's own bytes, made once, and what its answer says.

The generator sends the same bytes again and again: nothing of a client library's is in the numbers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .bench_agent import REQUEST

AGENT, SKILL, LONG_SKILL = "library", "search", "archive"
MARK = b"document number 5"
"""In every right answer, whichever way it is written down."""
_REVISION = "2026-07-28"


@dataclass(frozen=True)
class Call:
    """`path` is an HTTP path, or gRPC's `/service/Method` where `grpc`; `read` gives the skill's answer as a JSON value."""

    path: str
    body: bytes
    read: Callable[[bytes], Any]
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    grpc: bool = False

    def http(self, host: str) -> bytes:
        """The whole request."""
        fields = {"Host": host, "Content-Type": "application/json", "Content-Length": str(len(self.body)), **self.headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return f"POST {self.path} HTTP/1.1\r\n{head}\r\n".encode() + self.body


def rest(skill: str = SKILL) -> Call:
    return Call(f"/agents/{AGENT}/skills/{skill}", _json(REQUEST), json.loads, {"Accept": "application/json"})


def mcp(skill: str = SKILL) -> Call:
    """A long skill is asked for as a client that knows tasks does."""
    name = f"{AGENT}_{skill}"
    tasks: dict[str, Any] = {} if skill == SKILL else {"extensions": {"io.modelcontextprotocol/tasks": {}}}
    meta: dict[str, Any] = {
        "io.modelcontextprotocol/protocolVersion": _REVISION,
        "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": tasks,
    }
    params = {"name": name, "arguments": REQUEST, "_meta": meta}
    headers = {
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": _REVISION,
        "Mcp-Method": "tools/call",
        "Mcp-Name": name,
    }
    body = _json({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    return Call("/mcp", body, _read_mcp, headers)


def a2a_jsonrpc(skill: str = SKILL) -> Call:
    from google.protobuf.json_format import MessageToDict

    body = _json({"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": MessageToDict(_a2a_request(skill))})
    return Call("/a2a", body, _read_a2a_json, {"A2A-Version": "1.0"})


def a2a_grpc(skill: str = SKILL) -> Call:
    body = _a2a_request(skill).SerializeToString()
    return Call("/lf.a2a.v1.A2AService/SendMessage", body, _read_a2a_grpc, {"a2a-version": "1.0"}, grpc=True)


def _a2a_request(skill: str) -> Any:
    from a2a.helpers import new_data_message
    from a2a.types import Role, SendMessageConfiguration, SendMessageRequest

    message = new_data_message({"skill": f"{AGENT}.{skill}", "input": REQUEST}, role=Role.ROLE_USER)
    at_once = None if skill == SKILL else SendMessageConfiguration(return_immediately=True)
    return SendMessageRequest(message=message, configuration=at_once)


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _read_mcp(body: bytes) -> Any:
    for line in body.splitlines():  # a server may answer with a stream of one event
        if line.startswith(b"data:") and line[5:].strip():
            body = line[5:]
    return json.loads(body)["result"]["structuredContent"]


def _read_a2a_json(body: bytes) -> Any:
    return json.loads(body)["result"]["message"]["parts"][0]["data"]


def _read_a2a_grpc(body: bytes) -> Any:
    from a2a.helpers import get_data_parts
    from a2a.types import SendMessageResponse

    return get_data_parts(SendMessageResponse.FromString(body).message.parts)[0]
