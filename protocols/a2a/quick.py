"""The short way of a message that asks for a quick skill and nothing else, which is most of the calls to such a skill.

`handler.py` answers it just the same; this leaves out what such a call cannot need. Whatever is unusual about a request
(another version, an extension, metadata, a tenant, several parts, something missing) is not answered here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from a2a.types import SendMessageRequest, SendMessageResponse, a2a_pb2

from ...agents.contract import Roster
from ...agents.errors import SametaskError
from .card import PROTOCOL_VERSION
from .errors import to_a2a
from .json_values import fill, from_value
from .value_wire import NotPlain, value_bytes

_USER, _AGENT = a2a_pb2.ROLE_USER, a2a_pb2.ROLE_AGENT
_UNUSUAL = frozenset({"a2a-extensions"})


class QuickCalls:
    """The quick skills of a roster, by the id that a data part names them with."""

    def __init__(self, roster: Roster) -> None:
        self._skills = {f"{skill.agent}.{skill.name}": skill for skill in roster.skills() if not skill.long}

    async def answer(self, request: SendMessageRequest, metadata: Iterable[tuple[str, Any]]) -> SendMessageResponse | None:
        """The skill's Message, or None where the request is one for the handler.

        Raises: A2AError, as the handler does.
        """
        told = dict(metadata)
        if told.get("a2a-version") != PROTOCOL_VERSION or not _UNUSUAL.isdisjoint(told) or request.tenant:
            return None
        asked = request.message
        if asked.task_id or not asked.message_id or asked.role != _USER or len(asked.parts) != 1 or asked.metadata.fields:
            return None
        if request.HasField("configuration"):
            configuration = request.configuration
            if configuration.history_length < 0 or configuration.HasField("task_push_notification_config"):
                return None
        part = asked.parts[0]
        if part.WhichOneof("content") != "data" or part.data.WhichOneof("kind") != "struct_value":
            return None
        fields = part.data.struct_value.fields
        skill = self._skills.get(fields["skill"].string_value) if "skill" in fields and "input" in fields else None
        if skill is None:
            return None
        try:
            result = await skill(skill.parse(from_value(fields["input"])))
        except SametaskError as error:
            raise to_a2a(error) from error
        drawn = os.urandom(32).hex()
        response = SendMessageResponse()
        answer = response.message
        answer.message_id, answer.context_id, answer.role = drawn[:32], asked.context_id or drawn[32:], _AGENT
        value = answer.parts.add().data
        try:
            value.ParseFromString(value_bytes(result))
        except NotPlain:
            fill(value, result, field="data", exact=False)
        return response
