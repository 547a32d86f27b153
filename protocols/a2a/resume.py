"""Our resume extension to A2A, both halves of it: events are numbered, and a stream begins after the number that is asked for.

A2A itself has neither (1.0 section 3.1.6), so this is beyond the specification, and a variant of its own. It is declared on
the card, and active in the calls that name it in `A2A-Extensions` (1.0 section 3.2.6); every other call is answered as if
it did not exist. The whole of it is written down in docs/a2a-resume-extension.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from a2a.extensions.common import HTTP_EXTENSION_HEADER
from a2a.server.context import ServerCallContext
from a2a.types import AgentExtension, Task, TaskArtifactUpdateEvent, TaskStatusUpdateEvent

from ...agents.errors import InvalidInput

EXTENSION = "urn:sametask:a2a:resume:1"
AFTER = "Sametask-Resume-After"
"""The service parameter (an HTTP header, or gRPC metadata) that names the last event which the caller has seen."""
SEQ_KEY = "sametask/seq"
"""In the `metadata` of a Task: the number of its newest event. In that of an update: the number of the event it completes."""

Update = TaskStatusUpdateEvent | TaskArtifactUpdateEvent


def active(context: ServerCallContext) -> bool:
    """Whether this call asks for the extension."""
    return EXTENSION in context.requested_extensions


def activated(context: ServerCallContext) -> dict[str, str]:
    """The service parameters that tell the caller which extensions its call was answered with."""
    return {HTTP_EXTENSION_HEADER: EXTENSION} if active(context) else {}


def cursor(context: ServerCallContext) -> int | None:
    """The event after which the caller wants to be told, or None where it does not say, or the extension is not active.

    Raises: InvalidInput.
    """
    headers = cast("Mapping[str, str]", context.state.get("headers") or {})
    after = headers.get(AFTER.lower()) if active(context) else None
    if after is None:
        return None
    if not (after.isascii() and after.isdigit()):
        raise InvalidInput(AFTER, after, "0 or the number of an event is accepted")
    return int(after)


def numbered_task(task: Task, last_seq: int) -> Task:
    task.metadata[SEQ_KEY] = last_seq
    return task


def numbered(updates: Iterable[Update], seq: int) -> Iterator[Update]:
    """The updates that tell one event, of which the last carries its number: who has seen that one has seen them all."""
    *before, last = updates
    yield from before
    last.metadata[SEQ_KEY] = seq
    yield last


def seq_of(metadata: Mapping[str, Any]) -> int:
    """The number in an update's or a task's metadata; 0 where there is none."""
    seq = metadata.get(SEQ_KEY, 0)
    return int(seq) if isinstance(seq, int | float) else 0


def parameters(after: int | None) -> dict[str, str]:
    """The service parameters of a call that asks for the extension, and for the events after `after`."""
    asked = {HTTP_EXTENSION_HEADER: EXTENSION}
    return asked if after is None else {**asked, AFTER: str(after)}


def declaration() -> AgentExtension:
    """As the card tells it."""
    return AgentExtension(
        uri=EXTENSION,
        description=f"Resumable streams: metadata {SEQ_KEY!r} numbers events, the header {AFTER} names the last one seen",
    )
