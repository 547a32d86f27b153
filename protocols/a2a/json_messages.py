"""JSON as messages of A2A's proto (ProtoJSON), with data parts on a path of their own.

The mapping of `google.protobuf.json_format` builds a Value for each number of a data part, one by one: for a message of
megabytes that is seconds. So data parts are taken out before, and filled in after, by `json_values`.
"""

from __future__ import annotations

from typing import Any, TypeVar, cast

import pydantic_core
from a2a.utils.errors import InvalidParamsError, JSONParseError
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message

from .json_values import fill

Some = TypeVar("Some", bound=Message)
Object = dict[str, Any]

_CONTENTS = ("text", "raw", "url")


def read_json(body: bytes) -> Any:
    """Raises: JSONParseError, saying where."""
    try:
        return pydantic_core.from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise JSONParseError(f"body: malformed JSON ({error})") from None


def parse(params: Any, message: Some) -> Some:
    """Fills `message` from a JSON object; fields that it does not know are ignored.

    Raises: InvalidParamsError, naming the field; InvalidInput for a data part that protobuf cannot carry.
    """
    if not isinstance(params, dict):
        raise InvalidParamsError(f"params: {type(params).__name__} is not accepted; accepted: an object")
    plain, taken = _without_data(cast(Object, params))
    try:
        ParseDict(plain, message, ignore_unknown_fields=True)
    except ParseError as error:
        raise InvalidParamsError(" ".join(str(error).split())) from None
    for index, data in taken.items():
        fill(cast(Any, message).message.parts[index].data, data)
    return message


def _without_data(params: Object) -> tuple[Object, dict[int, Any]]:
    """The params with the data of their message's parts left out, and that data by the part's index."""
    message: Any = params.get("message")
    if not isinstance(message, dict) or not isinstance(cast(Object, message).get("parts"), list):
        return params, {}
    parts = list(cast(Object, message)["parts"])
    taken: dict[int, Any] = {}
    for index, part in enumerate(parts):
        if not isinstance(part, dict) or "data" not in part:
            continue
        rest = dict(cast(Object, part))
        taken[index] = rest.pop("data")
        if doubled := [name for name in _CONTENTS if name in rest]:
            raise InvalidParamsError(f"message.parts[{index}]: data and {doubled[0]} are not accepted together")
        parts[index] = rest
    return (params | {"message": message | {"parts": parts}}, taken) if taken else (params, {})
