"""The first answers of a stdio connection, given before the SDK is imported: `initialize` and `server/discover` ask who the
server is, and tools/list what it can do.

A host asks these first. Whatever is not certainly what the SDK would answer to, word for word, is left to the SDK: another
release of it, a field that it might refuse, text that it might read in another way.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from .certain import (
    MODERN,
    PREFIX,
    NotCertain,
    check_capabilities,
    check_envelope,
    check_implementation,
    check_meta,
    json_object,
    read_request,
)

CHECKED_SDK = "2.3."
"""The releases of `mcp` whose answers these are; a test compares them."""
HANDSHAKES = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
_OFFERED: dict[str, Any] = {
    "prompts": {"listChanged": False},
    "resources": {"listChanged": False, "subscribe": False},
    "tools": {"listChanged": False},
}
_HANDSHAKE = ("protocolVersion", "capabilities", "clientInfo")


class NotYet(Exception):
    """It can be answered once the tools are known."""


@dataclass(frozen=True)
class Tools:
    """What tools/list tells: `listing` as `listing.listing` gives it, and how long a client may keep it."""

    listing: Mapping[str, Any]
    ttl_ms: int


@dataclass(frozen=True)
class Answered:
    """A request, as the line that it came in, its id, and the line that answers it; both without their end."""

    line: str
    id: int | str
    text: str


class FirstAnswers:
    """What a server of `build_server` tells of itself on one connection. `tools` is to be set once they are known."""

    def __init__(
        self, instructions: str | None, *, tools: Tools | None = None, name: str = "sametask", version: str = ""
    ) -> None:
        self.tools = tools
        self._instructions = {} if instructions is None else {"instructions": instructions}
        self._name, self._version = name, version
        self._legacy: bool | None = None
        """Which kind of revision the connection speaks; None before its first request."""

    def to(self, line: str) -> Answered | None:
        """The answer to the connection's next request; None where the SDK is to be asked, and then from there on.

        Raises: NotYet for a tools/list while `tools` is None.
        """
        try:
            return self._to(line)
        except (NotCertain, ValueError, RecursionError):
            return None

    def _to(self, line: str) -> Answered:
        if not _version("mcp").startswith(CHECKED_SDK):
            raise NotCertain
        request_id, method, params = read_request(line)
        if method == "initialize" and self._legacy is None:
            result, legacy = self._initialized(params), True
        elif method == "server/discover" and not self._legacy:
            result, legacy = self._discovered(params), False
        elif method == "tools/list":
            result, legacy = (self._listed(params), True) if self._legacy else (self._listed_modern(params), False)
        else:
            raise NotCertain
        self._legacy = legacy
        answer = {"jsonrpc": "2.0", "id": request_id, "result": result}
        return Answered(line, request_id, json.dumps(answer, ensure_ascii=False, separators=(",", ":")))

    def _initialized(self, params: dict[str, Any]) -> dict[str, Any]:
        if not {*_HANDSHAKE} <= params.keys() <= {*_HANDSHAKE, "_meta"}:
            raise NotCertain
        if params["protocolVersion"] not in HANDSHAKES:
            raise NotCertain
        check_capabilities(params["capabilities"])
        check_implementation(params["clientInfo"])
        check_meta(json_object(params.get("_meta", {})))
        return {
            "capabilities": _OFFERED,
            **self._instructions,
            "protocolVersion": params["protocolVersion"],
            "serverInfo": self._info(),
        }

    def _discovered(self, params: dict[str, Any]) -> dict[str, Any]:
        check_envelope(params)
        return {
            "cacheScope": "private",
            "capabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}, **_OFFERED},
            **self._instructions,
            "resultType": "complete",
            "supportedVersions": [MODERN],
            "ttlMs": 0,
            "_meta": {f"{PREFIX}serverInfo": self._info()},
        }

    def _listed(self, params: dict[str, Any]) -> dict[str, Any]:
        if not params.keys() <= {"_meta"}:
            raise NotCertain
        check_meta(json_object(params.get("_meta", {})))
        return {**self._known_tools().listing}

    def _listed_modern(self, params: dict[str, Any]) -> dict[str, Any]:
        check_envelope(params)
        tools = self._known_tools()
        return {
            **tools.listing,
            "cacheScope": "public",
            "resultType": "complete",
            "ttlMs": tools.ttl_ms,
            "_meta": {**tools.listing["_meta"], f"{PREFIX}serverInfo": self._info()},
        }

    def _known_tools(self) -> Tools:
        if self.tools is None:
            raise NotYet
        return self.tools

    def _info(self) -> dict[str, str]:
        return {"name": self._name, "version": self._version or own_version()}


def own_version() -> str:
    return _version("sametask")


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "0"  # run from a folder that was never installed
