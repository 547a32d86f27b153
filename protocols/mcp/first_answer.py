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
from typing import Any, NoReturn, cast

CHECKED_SDK = "2.3."
"""The releases of `mcp` whose answers these are; a test compares them."""
HANDSHAKES = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
MODERN = "2026-07-28"
_HANDSHAKE = ("protocolVersion", "capabilities", "clientInfo")
_MAX_CHARS = 16_384
_MAX_DEPTH = 64
_MAX_DIGITS = 15
_META = "io.modelcontextprotocol/"
_FREE = ("experimental", "extensions")
_INFO = ("name", "version", "title", "description", "websiteUrl")


class _NotCertain(Exception):
    pass


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
        except (_NotCertain, ValueError, RecursionError):
            return None

    def _to(self, line: str) -> Answered:
        message = _message(line)
        if (
            not {"jsonrpc", "id", "method"} <= message.keys() <= {"jsonrpc", "id", "method", "params"}
            or message["jsonrpc"] != "2.0"
        ):
            raise _NotCertain
        request_id, method, params = message["id"], message["method"], _object(message.get("params", {}))
        if type(request_id) not in (int, str) or not _version("mcp").startswith(CHECKED_SDK):
            raise _NotCertain
        if method == "initialize" and self._legacy is None:
            result, legacy = self._initialized(params), True
        elif method == "server/discover" and not self._legacy:
            result, legacy = self._discovered(params), False
        elif method == "tools/list":
            result, legacy = (self._listed(params), True) if self._legacy else (self._listed_modern(params), False)
        else:
            raise _NotCertain
        self._legacy = legacy
        answer = {"jsonrpc": "2.0", "id": request_id, "result": result}
        return Answered(line, request_id, json.dumps(answer, ensure_ascii=False, separators=(",", ":")))

    def _initialized(self, params: dict[str, Any]) -> dict[str, Any]:
        if not {*_HANDSHAKE} <= params.keys() <= {*_HANDSHAKE, "_meta"}:
            raise _NotCertain
        if params["protocolVersion"] not in HANDSHAKES:
            raise _NotCertain
        _capabilities(params["capabilities"])
        _implementation(params["clientInfo"])
        _meta(_object(params.get("_meta", {})))
        return {
            "capabilities": {
                "prompts": {"listChanged": False},
                "resources": {"listChanged": False, "subscribe": False},
                "tools": {"listChanged": False},
            },
            **self._instructions,
            "protocolVersion": params["protocolVersion"],
            "serverInfo": self._info(),
        }

    def _discovered(self, params: dict[str, Any]) -> dict[str, Any]:
        _envelope(params)
        return {
            "cacheScope": "private",
            "capabilities": {
                "extensions": {"io.modelcontextprotocol/tasks": {}},
                "prompts": {"listChanged": True},
                "resources": {"listChanged": True, "subscribe": True},
                "tools": {"listChanged": True},
            },
            **self._instructions,
            "resultType": "complete",
            "supportedVersions": [MODERN],
            "ttlMs": 0,
            "_meta": {f"{_META}serverInfo": self._info()},
        }

    def _listed(self, params: dict[str, Any]) -> dict[str, Any]:
        if not params.keys() <= {"_meta"}:
            raise _NotCertain
        _meta(_object(params.get("_meta", {})))
        return {**self._known_tools().listing}

    def _listed_modern(self, params: dict[str, Any]) -> dict[str, Any]:
        _envelope(params)
        tools = self._known_tools()
        return {
            **tools.listing,
            "cacheScope": "public",
            "resultType": "complete",
            "ttlMs": tools.ttl_ms,
            "_meta": {**tools.listing["_meta"], f"{_META}serverInfo": self._info()},
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


def _message(line: str) -> dict[str, Any]:
    """The object that the line is, in JSON that no two readers understand differently."""
    # A lone surrogate is text to Python and an error to the SDK; deep nesting is an error to both, at different depths.
    if len(line) > _MAX_CHARS or "\\ud" in line.lower() or line.count("{") + line.count("[") > _MAX_DEPTH:
        raise _NotCertain
    read = json.loads(line, object_pairs_hook=_once, parse_int=_small, parse_float=_not_certain, parse_constant=_not_certain)
    return _object(read)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) != len(pairs):
        raise _NotCertain
    return read


def _small(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise _NotCertain
    return int(digits)


def _not_certain(text: str) -> NoReturn:
    raise _NotCertain


def _object(value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise _NotCertain
    return cast(dict[str, Any], value)


def _envelope(params: dict[str, Any]) -> None:
    """Of a request of 2026-07-28, which has nothing else."""
    if params.keys() != {"_meta"}:
        raise _NotCertain
    meta = dict(_object(params["_meta"]))
    if meta.pop(f"{_META}protocolVersion", None) != MODERN:
        raise _NotCertain
    _capabilities(meta.pop(f"{_META}clientCapabilities", None))
    if (info := meta.pop(f"{_META}clientInfo", _NotCertain)) is not _NotCertain:
        _implementation(info)
    _meta(meta)


def _meta(meta: Mapping[str, Any]) -> None:
    """Text under names that are nobody's, and a progress token."""
    for name, value in meta.items():
        if name.startswith(_META) or type(value) not in ((int, str) if name == "progressToken" else (str,)):
            raise _NotCertain


def _capabilities(value: Any) -> None:
    """Objects of objects, as every revision has them; within the open ones anything goes."""
    for name, capability in _object(value).items():
        inner = _object(capability)
        if name == "roots":
            if not inner.keys() <= {"listChanged"} or type(inner.get("listChanged", True)) is not bool:
                raise _NotCertain
        elif name in _FREE:
            for setting in inner.values():
                _object(setting)
        else:
            _hollow(inner)


def _hollow(value: Mapping[str, Any]) -> None:
    for inner in value.values():
        _hollow(_object(inner))


def _implementation(value: Any) -> None:
    info = _object(value)
    if not {"name", "version"} <= info.keys() <= set(_INFO) or any(type(text) is not str for text in info.values()):
        raise _NotCertain
