"""What a server offers, by server reflection: the descriptors of its services, over `grpc.reflection.v1alpha`."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, cast

import grpc.aio
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor, ServiceDescriptor

from ...agents.errors import SametaskError
from ...proto import tasks_pb2
from ..client import AgentInfo, SkillInfo
from .services import TASK, TASK_EVENT, skill_options, snake

_REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
_PREFIX = "sametask."
_SCHEMA_TYPES = {
    FieldDescriptor.CPPTYPE_BOOL: "boolean",
    FieldDescriptor.CPPTYPE_STRING: "string",
    FieldDescriptor.CPPTYPE_DOUBLE: "number",
    FieldDescriptor.CPPTYPE_FLOAT: "number",
}


async def reflected(channel: grpc.aio.Channel, timeout_s: float | None) -> tuple[AgentInfo, ...]:
    """The agents of a server.

    Raises: grpc.aio.AioRpcError; SametaskError where the server's answer is an error of its own.
    """
    pb: Any = import_module("grpc_reflection.v1alpha.reflection_pb2")
    info = channel.stream_stream(
        _REFLECTION, pb.ServerReflectionRequest.SerializeToString, pb.ServerReflectionResponse.FromString
    )
    call = cast(Any, info)(timeout=timeout_s)
    try:
        await call.write(pb.ServerReflectionRequest(list_services=""))
        listed = _checked(await call.read())
        names = [service.name for service in listed.list_services_response.service if service.name.startswith(_PREFIX)]
        for name in names:
            await call.write(pb.ServerReflectionRequest(file_containing_symbol=name))
        await call.done_writing()
        files: dict[str, bytes] = {}
        for _ in names:
            for data in _checked(await call.read()).file_descriptor_response.file_descriptor_proto:
                file = descriptor_pb2.FileDescriptorProto.FromString(data)
                files[file.name] = data
        return tuple(_agents(names, files))
    finally:
        call.cancel()


def _checked(response: Any) -> Any:
    if response is grpc.aio.EOF:
        raise SametaskError("server reflection ended before it had answered")
    if response.WhichOneof("message_response") == "error_response":
        raise SametaskError(f"server reflection: {response.error_response.error_message}")
    return response


def _agents(names: Sequence[str], files: dict[str, bytes]) -> list[AgentInfo]:
    # A pool of its own: what the server says may differ from what is compiled here.
    pool = descriptor_pool.DescriptorPool()
    protos = {name: descriptor_pb2.FileDescriptorProto.FromString(data) for name, data in files.items()}

    def add(name: str) -> None:
        if (proto := protos.pop(name, None)) is not None:
            for dependency in proto.dependency:
                add(dependency)
            pool.AddSerializedFile(files[name])

    for name in list(protos):
        add(name)
    found: list[AgentInfo] = []
    for name in names:
        service = pool.FindServiceByName(name)
        options = _known(descriptor_pb2.ServiceOptions, service.GetOptions())
        if not options.HasExtension(tasks_pb2.agent_description):
            continue
        _, agent, version = service.file.package.rsplit(".", 2)
        description = options.Extensions[tasks_pb2.agent_description]
        found.append(AgentInfo(agent, description, version.removeprefix("v"), tuple(_skills(service, pool))))
    return found


def _skills(service: ServiceDescriptor, pool: descriptor_pool.DescriptorPool) -> list[SkillInfo]:
    found: list[SkillInfo] = []
    for method in service.methods:
        if method.output_type.full_name == TASK:
            continue
        options = skill_options(_known(descriptor_pb2.MethodOptions, method.GetOptions()))
        long = method.output_type.full_name == TASK_EVENT
        output = pool.FindMessageTypeByName(options.result) if long else method.output_type
        found.append(SkillInfo(snake(method.name), options.description, long, schema(method.input_type), schema(output)))
    return found


def _known(cls: type[Any], options: Any) -> Any:
    """The options with the extensions that are compiled here; a foreign pool has its own class for them."""
    return cls.FromString(options.SerializeToString())


def schema(descriptor: Descriptor) -> dict[str, Any]:
    """The JSON Schema that a message's descriptor gives: names, types and choices; a descriptor has no bounds or defaults."""
    definitions: dict[str, Any] = {}
    root = _object(descriptor, definitions)
    return {"$defs": definitions, **root} if definitions else root


def _object(descriptor: Descriptor, definitions: dict[str, Any]) -> dict[str, Any]:
    properties = {field.name: _property(field, definitions) for field in descriptor.fields}
    return {"title": descriptor.name, "type": "object", "properties": properties, "additionalProperties": False}


def _property(field: FieldDescriptor, definitions: dict[str, Any]) -> dict[str, Any]:
    message, enum = field.message_type, field.enum_type
    if message is not None:
        if message.name not in definitions:
            definitions[message.name] = {}  # stands until it is filled, where a message holds its own kind
            definitions[message.name] = _object(message, definitions)
        told: dict[str, Any] = {"$ref": f"#/$defs/{message.name}"}
    elif enum is not None:
        names = {value.number: value.name for value in enum.values}
        prefix = names[0].removesuffix("UNSPECIFIED")
        told = {"type": "string", "enum": [name.removeprefix(prefix).lower() for number, name in names.items() if number]}
    else:
        told = {"type": _SCHEMA_TYPES.get(field.cpp_type, "integer")}
    return {"type": "array", "items": told} if field.is_repeated else told
