"""Run one specimen in a process of its own: `python -m ....running PACKAGE ADDRESS...` prints `{agent: outcome}` as JSON.

An outcome is `{"answer": ...}` or `{"error": "Class: message"}`. What is done here is the harness's and is never counted:
above all, making JSON of the typed results, whatever library's they are.
"""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import json
import sys
from importlib import import_module
from typing import Any, cast

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from pydantic import BaseModel

from .sources import AGENTS

REASON_CHARS = 500
"""A reason is one line of at most so many characters."""


class UntypedResult(Exception):
    """A specimen gave something whose fields no type checker knows."""


async def run(package: str, address: list[str]) -> dict[str, Any]:
    """The outcome of each agent's call, one after the other over one connection."""
    try:
        opened: Any = import_module(f"{package}.connection").connect(*address)
        async with await opened if inspect.isawaitable(opened) else opened as client:
            return {agent: await _outcome(package, agent, client) for agent in AGENTS}
    except Exception as error:
        # Whatever a specimen or its library raises is its outcome; the harness has nothing of its own in here.
        return {agent: _failure(error) for agent in AGENTS}


async def _outcome(package: str, agent: str, client: Any) -> dict[str, Any]:
    try:
        return {"answer": plain(await import_module(f"{package}.{agent}").main(client))}
    except Exception as error:
        return _failure(error)  # as above; the other agents' calls are still made


def _failure(error: BaseException) -> dict[str, Any]:
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    text = " ".join(str(error).split())
    return {"error": f"{type(error).__name__}: {text[:REASON_CHARS]}"}


def plain(result: Any) -> Any:
    """A typed result as JSON values: of pydantic, a dataclass, attrs (as openapi-python-client writes it) or protobuf.

    Raises: UntypedResult for anything else, a dict for one.
    """
    if isinstance(result, BaseModel):
        return result.model_dump(mode="json")
    if isinstance(result, Message):
        return _message(result)
    if hasattr(result, "__attrs_attrs__"):
        return result.to_dict()
    if dataclasses.is_dataclass(result) and not isinstance(result, type):
        return dataclasses.asdict(result)
    raise UntypedResult(f"a {type(result).__name__}")


def _message(message: Message) -> dict[str, Any]:
    return {field.name: _value(message, field) for field in cast("list[FieldDescriptor]", message.DESCRIPTOR.fields)}


def _value(message: Message, field: FieldDescriptor) -> Any:
    value = getattr(message, field.name)
    if field.is_repeated:
        return [_single(each, field) for each in value]
    return None if field.has_presence and not message.HasField(field.name) else _single(value, field)


def _single(value: Any, field: FieldDescriptor) -> Any:
    """An enum's value is the last part of its name, as the style guide of protobuf has it: WINNER_MOE is moe."""
    if field.enum_type is None:
        return _message(value) if isinstance(value, Message) else value
    prefix = field.enum_type.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return field.enum_type.values_by_number[value].name.removeprefix(prefix).lower()


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run(sys.argv[1], sys.argv[2:]))))
