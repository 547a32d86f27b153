"""Which compiled service is whose: an agent's name leads to its service, a skill's name to its methods.

`sametask.AGENT.v1.Agent` is the service of AGENT. Its method `Skill` is the skill: one that answers with a message is quick,
one that answers with a stream of `TaskEvent` is long, and then `StartSkill` starts it only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message

from ...proto import tasks_pb2

KEY = "idempotency-key"
"""The metadata that carries the idempotency key of a method that starts a task."""

TASK_EVENT = tasks_pb2.TaskEvent.DESCRIPTOR.full_name
TASK = tasks_pb2.Task.DESCRIPTOR.full_name
_PROTO = f"{__package__.rsplit('.', 2)[0]}.proto" if __package__ else ""


@dataclass(frozen=True)
class Method:
    """A method as gRPC calls it: `path` is `/SERVICE/METHOD`."""

    path: str
    request: type[Message]
    response: type[Message]

    @classmethod
    def of(cls, method: MethodDescriptor) -> Method:
        assert method.containing_service is not None
        return cls(
            f"/{method.containing_service.full_name}/{method.name}",
            message_class(method.input_type),
            message_class(method.output_type),
        )


@dataclass(frozen=True)
class SkillService:
    """The methods of one skill. `start` is None where the skill is quick. `artifacts` gives the type of an artifact's data."""

    agent: str
    name: str
    long: bool
    call: Method
    start: Method | None
    result: Descriptor
    artifacts: Mapping[str, Descriptor]


@dataclass(frozen=True)
class AgentService:
    full_name: str
    skills: Mapping[str, SkillService]


def message_class(descriptor: Descriptor) -> type[Message]:
    return message_factory.GetMessageClass(descriptor)


def agent_service(agent: str) -> AgentService | None:
    """The compiled service of an agent, or None. Modules of `proto/` are imported by the agent's name; a user's own are found
    once they are imported, by the name of their service.
    """
    if not agent.isidentifier():
        return None
    try:
        import_module(f"{_PROTO}.{agent}_pb2")
    except ModuleNotFoundError as error:
        if error.name != f"{_PROTO}.{agent}_pb2":
            raise
    pool = descriptor_pool.Default()
    try:
        service = pool.FindServiceByName(f"sametask.{agent}.v1.{camel(agent)}")
    except KeyError:
        return None
    if not cast(Any, service.GetOptions()).HasExtension(tasks_pb2.agent_description):
        return None  # the service of all tasks is nobody's own
    return AgentService(service.full_name, {skill.name: skill for skill in _skills(agent, service)})


def _skills(agent: str, service: ServiceDescriptor) -> list[SkillService]:
    methods = cast(dict[str, MethodDescriptor], service.methods_by_name)
    pool = descriptor_pool.Default()
    found: list[SkillService] = []
    for method in methods.values():
        if method.output_type.full_name == TASK:
            continue
        options = skill_options(method.GetOptions())
        long = method.output_type.full_name == TASK_EVENT
        found.append(
            SkillService(
                agent,
                snake(method.name),
                long,
                Method.of(method),
                Method.of(methods[f"Start{method.name}"]) if long else None,
                pool.FindMessageTypeByName(options.result) if long else method.output_type,
                {artifact.name: pool.FindMessageTypeByName(artifact.data) for artifact in options.artifacts},
            )
        )
    return found


def skill_options(options: Any) -> tasks_pb2.SkillOptions:
    """What `options`, a google.protobuf.MethodOptions, tells of a skill."""
    return options.Extensions[tasks_pb2.skill]


def camel(name: str) -> str:
    """`prefix_cache` gives `PrefixCache`."""
    return "".join(word[:1].upper() + word[1:] for word in name.split("_"))


def snake(name: str) -> str:
    """`PrefixCache` gives `prefix_cache`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
