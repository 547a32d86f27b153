"""A request for a task, checked and ready to be stored, whichever engine stores it."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError

from ..contract import Origin, Skill
from ..errors import InvalidInput
from ..events import Task, TaskState

MAX_KEY_LENGTH = 512


@dataclass(frozen=True, slots=True)
class Submission:
    """Shape: `id` is new, `origin` and `input` are JSON; `digest` tells two requests under one `key` apart."""

    id: str
    agent: str
    skill: str
    origin: str
    input: str
    key: str | None = None
    digest: bytes | None = None
    key_lifetime_s: float = 0.0
    deadline_s: float | None = None

    def task(self, at: float) -> Task:
        """The task as it stands when it has just been stored."""
        return Task(
            id=self.id,
            agent=self.agent,
            skill=self.skill,
            state=TaskState.SUBMITTED,
            created_at=at,
            updated_at=at,
            last_seq=1,
        )


def submission(
    skill: Skill, request: BaseModel, *, key: str | None, origin: Origin | None, key_lifetime_s: float
) -> Submission:
    """Raises: InvalidInput for a key that cannot be kept, or a request that JSON cannot carry."""
    if key is not None and (not 1 <= len(key) <= MAX_KEY_LENGTH or not _is_text(key)):
        raise InvalidInput("key", key, f"a text of 1 to {MAX_KEY_LENGTH} characters is accepted")
    try:
        body = request.model_dump_json()
        origin_json = json.dumps(vars(origin or Origin()))
    except (PydanticSerializationError, UnicodeError, TypeError, ValueError) as error:
        raise InvalidInput("input", request, f"a value that JSON can carry is accepted ({error})") from None
    return Submission(
        id=uuid.uuid4().hex,
        agent=skill.agent,
        skill=skill.name,
        origin=origin_json,
        input=body,
        key=key,
        digest=None if key is None else hashlib.sha256(f"{skill.agent}.{skill.name} {body}".encode()).digest(),
        key_lifetime_s=key_lifetime_s,
        deadline_s=skill.deadline_s,
    )


def _is_text(key: str) -> bool:
    """What every store keeps as text."""
    try:
        key.encode()
    except UnicodeError:
        return False
    return "\0" not in key
