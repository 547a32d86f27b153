"""Which fields of a request are required, by the `google.api.field_behavior` of A2A's own proto.

The SDK's check reflects on every message of every request, and walks into data parts, one Value at a time; this one compiles
each message type once and leaves data parts alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from a2a.utils.errors import InvalidParamsError
from google.api import field_behavior_pb2  # pyright: ignore[reportMissingTypeStubs] - none exist
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message


@dataclass(frozen=True)
class _Field:
    name: str
    required: bool
    repeated: bool
    presence: bool
    nested: tuple[_Field, ...]
    default: Any


def check_required(request: Message) -> None:
    """Raises: InvalidParamsError, naming the first missing field, with all of them in `data["errors"]`."""
    missing = [f"{path}" for path in _missing(request, _fields(cast(Descriptor, request.DESCRIPTOR)), "")]
    if missing:
        errors = [{"field": path, "message": "Field is required."} for path in missing]
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise InvalidParamsError(f"{missing[0]}: field required{more}", {"errors": errors})


def _missing(message: Message, fields: tuple[_Field, ...], path: str) -> list[str]:
    found: list[str] = []
    for field in fields:
        if field.repeated:
            items = getattr(message, field.name)
            if field.required and not items:
                found.append(path + field.name)
            if field.nested:
                for index, item in enumerate(items):
                    found += _missing(item, field.nested, f"{path}{field.name}[{index}].")
        elif field.presence:
            if message.HasField(field.name):
                if field.nested:
                    found += _missing(getattr(message, field.name), field.nested, f"{path}{field.name}.")
            elif field.required:
                found.append(path + field.name)
        elif field.required and getattr(message, field.name) == field.default:
            found.append(path + field.name)
    return found


@cache
def _fields(descriptor: Descriptor) -> tuple[_Field, ...]:
    """The fields of a message type that are required or hold some that are."""
    found: list[_Field] = []
    for field in descriptor.fields:
        behaviour = cast(Any, field.GetOptions()).Extensions[field_behavior_pb2.field_behavior]
        required = field_behavior_pb2.REQUIRED in behaviour
        nested = _nested(field)
        if required or nested:
            repeated = bool(cast(Any, field).is_repeated)
            found.append(_Field(field.name, required, repeated, field.has_presence, nested, field.default_value))
    return tuple(found)


def _nested(field: FieldDescriptor) -> tuple[_Field, ...]:
    inner = field.message_type
    if inner is None or inner.GetOptions().map_entry or inner.full_name.startswith("google."):
        return ()
    return _fields(inner)
