"""A JSON value as the bytes of a `google.protobuf.Value`, without making the messages that it consists of.

A Value is three messages deep for each field of an object, and to make one from Python costs more than everything else that
answers a quick skill; written by hand it takes half of the time. The encoding is that of protobuf (encoding.html, "Message
Structure") for struct.proto, and a test holds it to what `json_values.fill` makes.
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct
from struct import error as StructError
from typing import Any

from .json_values import MAX_NESTING

# Tags of struct.proto: the field's number times 8, plus 0 for a varint, 1 for 64 bits, 2 for what has a length.
_NULL = b"\x08\x00"  # Value.null_value = NULL_VALUE
_NUMBER = b"\x11"  # Value.number_value
_TEXT = b"\x1a"  # Value.string_value
_FALSE, _TRUE = b"\x20\x00", b"\x20\x01"  # Value.bool_value
_STRUCT, _LIST = b"\x2a", b"\x32"  # Value.struct_value, Value.list_value
_ENTRY = b"\x0a"  # Struct.fields, and ListValue.values: both are field 1
_ENTRY_VALUE = b"\x12"  # the value of a map's entry
_double = Struct("<d").pack
_SIZES = [bytes([size]) for size in range(128)]
_SHORT_TEXT = [_TEXT + size for size in _SIZES]


class NotPlain(Exception):
    """Holds something else than JSON values, or is nested too deep: `json_values.fill` knows what to say of it."""


def value_bytes(data: Any, nesting: int = 0) -> bytes:
    """The Value that carries `data`; numbers are doubles, and integers too large for one are rounded.

    Raises: NotPlain.
    """
    # No helper functions and no casts from here to `_struct`: calls are what it costs.
    kind = data.__class__
    if kind is str:
        text = data.encode()
        return _TEXT + _size(len(text)) + text
    if kind is float or kind is int:
        try:
            return _NUMBER + _double(data)
        except StructError:  # an integer that no double comes near
            raise NotPlain from None
    if kind is dict:
        fields = _struct(data, nesting + 3)
        return _STRUCT + _size(len(fields)) + fields
    if kind is list:
        if data and nesting + 2 > MAX_NESTING:
            raise NotPlain
        parts: list[bytes] = []
        for item in data:
            value = value_bytes(item, nesting + 2)
            parts += (_ENTRY, _size(len(value)), value)
        values = b"".join(parts)
        return _LIST + _size(len(values)) + values
    if data is None:
        return _NULL
    if kind is bool:
        return _TRUE if data else _FALSE
    raise NotPlain


def _struct(data: dict[Any, Any], nesting: int) -> bytes:
    if data and nesting > MAX_NESTING:
        raise NotPlain
    parts: list[bytes] = []
    for name, item in data.items():
        if type(item) is float:
            parts += (_head_of_number(name), _double(item))
            continue
        key = _key(name)
        if type(item) is str:
            text = item.encode()
            length = len(text)
            value = _SHORT_TEXT[length] + text if length < 128 else _TEXT + _size(length) + text
        else:
            value = value_bytes(item, nesting)
        length = len(value)
        size = _SIZES[length] if length < 128 else _size(length)
        length += len(key) + len(size)
        parts += (_ENTRY, _SIZES[length] if length < 128 else _size(length), key, size, value)
    return b"".join(parts)


@lru_cache(maxsize=4096)
def _key(name: Any) -> bytes:
    """An entry's key, and the tag of the value that follows it."""
    if type(name) is not str:
        raise NotPlain
    text = name.encode()
    return _ENTRY + _size(len(text)) + text + _ENTRY_VALUE


@lru_cache(maxsize=4096)
def _head_of_number(name: Any) -> bytes:
    """A whole entry that holds a number, but for its 64 bits."""
    key = _key(name)
    return _ENTRY + _size(len(key) + 10) + key + b"\x09" + _NUMBER


def _size(size: int) -> bytes:
    """A varint."""
    if size < 128:
        return _SIZES[size]
    parts = bytearray()
    while size > 127:
        parts.append(size & 127 | 128)
        size >>= 7
    parts.append(size)
    return bytes(parts)
