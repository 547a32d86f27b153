"""A client's first requests, read without the SDK: what is not read alike by everyone for sure is `NotCertain`.

Source: the schemas of 2024-11-05 to 2026-07-28 (InitializeRequest, RequestMetaObject), and less than they allow.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn, cast

MODERN = "2026-07-28"
PREFIX = "io.modelcontextprotocol/"
_MAX_CHARS = 16_384
_MAX_DEPTH = 64
_MAX_DIGITS = 15
_FREE = ("experimental", "extensions")
_INFO = ("name", "version", "title", "description", "websiteUrl")


class NotCertain(Exception):
    """The SDK is to be asked."""


def read_request(line: str) -> tuple[int | str, Any, dict[str, Any]]:
    """The id, the method and the parameters of the request that the line is.

    Raises: NotCertain, as everything here; ValueError and RecursionError where it is no JSON.
    """
    # A lone surrogate is text to Python and an error to the SDK; deep nesting is an error to both, at different depths.
    if len(line) > _MAX_CHARS or "\\ud" in line.lower() or line.count("{") + line.count("[") > _MAX_DEPTH:
        raise NotCertain
    read = json.loads(line, object_pairs_hook=_once, parse_int=_small, parse_float=_not_certain, parse_constant=_not_certain)
    request = json_object(read)
    if not {"jsonrpc", "id", "method"} <= request.keys() <= {"jsonrpc", "id", "method", "params"}:
        raise NotCertain
    if request["jsonrpc"] != "2.0" or type(request["id"]) not in (int, str):
        raise NotCertain
    return request["id"], request["method"], json_object(request.get("params", {}))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) != len(pairs):
        raise NotCertain
    return read


def _small(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise NotCertain
    return int(digits)


def _not_certain(text: str) -> NoReturn:
    raise NotCertain


def json_object(value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise NotCertain
    return cast(dict[str, Any], value)


def check_envelope(params: dict[str, Any]) -> None:
    """Of a request of 2026-07-28, which has nothing else."""
    if params.keys() != {"_meta"}:
        raise NotCertain
    meta = dict(json_object(params["_meta"]))
    if meta.pop(f"{PREFIX}protocolVersion", None) != MODERN:
        raise NotCertain
    check_capabilities(meta.pop(f"{PREFIX}clientCapabilities", None))
    if (info := meta.pop(f"{PREFIX}clientInfo", NotCertain)) is not NotCertain:
        check_implementation(info)
    check_meta(meta)


def check_meta(meta: Mapping[str, Any]) -> None:
    """Text under names that are nobody's, and a progress token."""
    for name, value in meta.items():
        if name.startswith(PREFIX) or type(value) not in ((int, str) if name == "progressToken" else (str,)):
            raise NotCertain


def check_capabilities(value: Any) -> None:
    """Objects of objects, as every revision has them; within the open ones anything goes."""
    for name, capability in json_object(value).items():
        inner = json_object(capability)
        if name == "roots":
            if not inner.keys() <= {"listChanged"} or type(inner.get("listChanged", True)) is not bool:
                raise NotCertain
        elif name in _FREE:
            for setting in inner.values():
                json_object(setting)
        else:
            _hollow(inner)


def _hollow(value: Mapping[str, Any]) -> None:
    for inner in value.values():
        _hollow(json_object(inner))


def check_implementation(value: Any) -> None:
    info = json_object(value)
    if not {"name", "version"} <= info.keys() <= set(_INFO) or any(type(text) is not str for text in info.values()):
        raise NotCertain
