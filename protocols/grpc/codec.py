"""JSON values to and from protobuf messages, by the messages' descriptors.

Unlike protobuf's own JSON mapping: int64 is a number, an enum's value is spelled as in the agents' models (`NEVER_CACHED` of
`enum PartialBlocks` is `never_cached`), and what a message cannot hold is told as `InvalidInput`, in the words that the models
themselves use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from google.protobuf import any_pb2, descriptor_pool, json_format, struct_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message
from pydantic import ConfigDict, TypeAdapter, ValidationError

from ...agents.errors import InvalidInput
from .services import message_class

_STRICT = ConfigDict(strict=True)
_ADAPTERS: Mapping[int, TypeAdapter[Any]] = {
    FieldDescriptor.CPPTYPE_INT32: TypeAdapter(int, config=_STRICT),
    FieldDescriptor.CPPTYPE_INT64: TypeAdapter(int, config=_STRICT),
    FieldDescriptor.CPPTYPE_UINT32: TypeAdapter(int, config=_STRICT),
    FieldDescriptor.CPPTYPE_UINT64: TypeAdapter(int, config=_STRICT),
    FieldDescriptor.CPPTYPE_DOUBLE: TypeAdapter(float, config=_STRICT),
    FieldDescriptor.CPPTYPE_FLOAT: TypeAdapter(float, config=_STRICT),
    FieldDescriptor.CPPTYPE_BOOL: TypeAdapter(bool, config=_STRICT),
    FieldDescriptor.CPPTYPE_STRING: TypeAdapter(str, config=_STRICT),
}


class _Refused(Exception):
    """A value that a field cannot hold; `path` grows from the field outwards, so that only a mistake pays for it."""

    def __init__(self, value: Any, accepted: str) -> None:
        self.path: list[str | int] = []
        self.value, self.accepted = value, accepted

    def within(self, *path: str | int) -> _Refused:
        self.path[:0] = path
        return self

    def to_error(self) -> InvalidInput:
        path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.path).lstrip(".")
        return InvalidInput(path or "input", self.value, self.accepted)


@dataclass(frozen=True)
class _Enum:
    numbers: Mapping[str, int]
    names: Mapping[int, str]

    @classmethod
    def of(cls, descriptor: EnumDescriptor) -> _Enum:
        values = {value.number: value.name for value in descriptor.values}
        prefix = values[0].removesuffix("UNSPECIFIED")
        names = {number: name.removeprefix(prefix).lower() for number, name in values.items() if number}
        return cls({name: number for number, name in names.items()}, names)

    def number(self, value: Any) -> int:
        found = self.numbers.get(value) if isinstance(value, str) else None
        if found is None:
            raise _Refused(value, self.accepted)
        return found

    def name(self, number: int) -> str:
        if number not in self.names:
            raise _Refused(number, self.accepted)
        return self.names[number]

    @property
    def accepted(self) -> str:
        *others, last = (f"'{name}'" for name in self.numbers)
        return "input should be " + (f"{', '.join(others)} or {last}" if others else last)


@dataclass(frozen=True)
class _Field:
    name: str
    repeated: bool
    presence: bool
    cpp_type: int
    enum: _Enum | None
    message: Descriptor | None

    @classmethod
    def of(cls, field: FieldDescriptor) -> _Field:
        enum = _Enum.of(field.enum_type) if field.enum_type else None
        return cls(field.name, field.is_repeated, field.has_presence, field.cpp_type, enum, field.message_type)


class Codec:
    """Keeps what it worked out for each type of message."""

    def __init__(self) -> None:
        self._fields: dict[str, dict[str, _Field]] = {}

    def encode(self, data: Mapping[str, Any], cls: type[Message]) -> Message:
        """The message of `data`; null and absent are the same.

        Raises: InvalidInput, naming the field, its value and what is accepted.
        """
        message = cls()
        try:
            self._fill(message, data)
        except _Refused as refused:
            raise refused.to_error() from None
        return message

    def decode(self, message: Message, *, given_only: bool = False) -> dict[str, Any]:
        """The JSON object of `message`. A field that is not set is null, or absent with `given_only`.

        Raises: InvalidInput for the number of an enum that has no name.
        """
        try:
            return self._read(message, given_only)
        except _Refused as refused:
            raise refused.to_error() from None

    def pack(self, value: Any, descriptor: Descriptor | None) -> any_pb2.Any:
        """The value as the message that `descriptor` describes, or as google.protobuf.Value where it does not fit."""
        packed = any_pb2.Any()
        if descriptor is not None and isinstance(value, Mapping):
            try:
                packed.Pack(self.encode(cast(Mapping[str, Any], value), message_class(descriptor)))
            except InvalidInput:
                pass
            else:
                return packed
        packed.Pack(json_format.ParseDict(cast(Any, value), struct_pb2.Value()))
        return packed

    def unpack(self, packed: any_pb2.Any, *, given_only: bool = False) -> Any:
        """The JSON value of what `packed` holds.

        Raises: InvalidInput for a type that is not compiled here, or bytes that are not of the type.
        """
        try:
            message = message_class(descriptor_pool.Default().FindMessageTypeByName(packed.TypeName()))()
        except KeyError:
            raise InvalidInput("type_url", packed.type_url, "accepted: a message that is compiled here") from None
        parse(message, packed.value)
        if isinstance(message, struct_pb2.Value | struct_pb2.Struct):
            try:
                return json_format.MessageToDict(message)
            except ValueError as error:
                raise InvalidInput("value", str(message), f"accepted: what JSON can carry ({error})") from None
        return self.decode(message, given_only=given_only)

    def _of(self, message: Message) -> dict[str, _Field]:
        descriptor = message.DESCRIPTOR
        found = self._fields.get(descriptor.full_name)
        if found is None:
            found = {field.name: _Field.of(cast(FieldDescriptor, field)) for field in descriptor.fields}
            self._fields[descriptor.full_name] = found
        return found

    def _fill(self, message: Message, data: Any) -> None:
        if not isinstance(data, Mapping):
            raise _Refused(data, f"input should be a valid dictionary or instance of {message.DESCRIPTOR.name}")
        fields = self._of(message)
        for name, value in cast(Mapping[str, Any], data).items():
            field = fields.get(name)
            if field is None:
                raise _Refused(value, "extra inputs are not permitted").within(name)
            if value is None:
                continue
            try:
                if field.repeated:
                    self._fill_list(message, field, value)
                elif field.message is not None:
                    child = cast(Message, getattr(message, name))
                    child.SetInParent()
                    self._fill(child, value)
                else:
                    _set(message, field, value)
            except _Refused as refused:
                raise refused.within(name) from None

    def _fill_list(self, message: Message, field: _Field, values: Any) -> None:
        if not isinstance(values, list | tuple):
            raise _Refused(values, "input should be a valid list")
        items = cast("list[Any] | tuple[Any, ...]", values)
        held = getattr(message, field.name)
        if field.message is None and field.enum is None:
            try:
                held.extend(items)
            except (TypeError, ValueError, OverflowError):
                del held[:]
            else:
                return
        for index, item in enumerate(items):
            try:
                if field.message is not None:
                    self._fill(held.add(), item)
                else:
                    held.append(field.enum.number(item) if field.enum else _accept(field, item))
            except (TypeError, ValueError, OverflowError):
                raise _Refused(item, _range(field)).within(index) from None
            except _Refused as refused:
                raise refused.within(index) from None

    def _read(self, message: Message, given_only: bool) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for name, field in self._of(message).items():
            try:
                if field.repeated:
                    data[name] = self._read_list(getattr(message, name), field, given_only)
                elif field.presence and not message.HasField(name):
                    if not given_only:
                        data[name] = None
                elif field.message is not None:
                    data[name] = self._read(getattr(message, name), given_only)
                elif field.enum is None:
                    data[name] = getattr(message, name)
                elif number := getattr(message, name):
                    data[name] = field.enum.name(number)
                elif not given_only:
                    data[name] = None
            except _Refused as refused:
                raise refused.within(name) from None
        return data

    def _read_list(self, held: Any, field: _Field, given_only: bool) -> list[Any]:
        if field.message is not None:
            return [self._read(item, given_only) for item in held]
        if field.enum is not None:
            return [field.enum.name(number) for number in held]
        return list(held)


def parse(message: Message, data: bytes) -> None:
    """Fill `message` from the wire.

    Raises: InvalidInput where the bytes are not of its type.
    """
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise InvalidInput(message.DESCRIPTOR.name, data[:20], f"accepted: the bytes of that message ({error})") from None


def _set(message: Message, field: _Field, value: Any) -> None:
    if field.enum is not None:
        value = field.enum.number(value)
    elif (field.cpp_type == FieldDescriptor.CPPTYPE_BOOL) != isinstance(value, bool):
        value = _accept(field, value)  # protobuf takes any number for true, and true for 1
    try:
        setattr(message, field.name, value)
    except (TypeError, ValueError, OverflowError):
        value = _accept(field, value)
        try:
            setattr(message, field.name, value)
        except (TypeError, ValueError, OverflowError):
            raise _Refused(value, _range(field)) from None


def _accept(field: _Field, value: Any) -> Any:
    """The value as the field's type, as strictly as the agents' models take it: see `Given`."""
    if type(value) is float and value.is_integer():
        value = int(value)
    try:
        return _ADAPTERS[field.cpp_type].validate_python(value)
    except ValidationError as error:
        message = error.errors(include_url=False)[0]["msg"]
        raise _Refused(value, message[:1].lower() + message[1:]) from None


def _range(field: _Field) -> str:
    bits = {FieldDescriptor.CPPTYPE_INT32: 31, FieldDescriptor.CPPTYPE_INT64: 63}.get(field.cpp_type)
    return f"accepted: -2^{bits} to 2^{bits}-1" if bits else "accepted: a value of the field's type"
