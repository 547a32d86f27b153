"""Webhooks: where an engine shall tell a task's events to, kept beside the tasks. No protocol is known here.

An engine that keeps them satisfies `KeepsWebhooks`; what is sent, and how, is decided by the protocol that set the webhook
(`format`), whose server delivers it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from .events import Event

MAX_PER_TASK = 16


class WebhookState(StrEnum):
    ACTIVE = "active"
    DELIVERED = "delivered"
    """The last event of its task was accepted."""
    GONE = "gone"
    """The receiver said that it wants no more (410)."""
    FAILED = "failed"
    """Given up after the stated time."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """Shape: `id` is unique within its task, `uid` everywhere and for ever. `format` and `kept` are the protocol's own, as
    are `headers`, which go with every delivery. `cursor` is the last event of which everything was accepted, `part` the
    number of accepted messages of the next one. `attempts` counts the failed ones since the last success.

    Units: `next_attempt_at` and `failing_since` are seconds since the Unix epoch.
    """

    id: str
    task_id: str
    url: str
    format: str
    secret: str = field(default="", repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    kept: dict[str, Any] = field(default_factory=dict[str, Any])
    uid: str = ""
    cursor: int = 0
    part: int = 0
    attempts: int = 0
    next_attempt_at: float = 0.0
    failing_since: float | None = None
    last_error: str = ""
    state: WebhookState = WebhookState.ACTIVE


@dataclass(frozen=True, slots=True)
class WebhookClaim:
    """A webhook that was given to this process to deliver, in `epoch`: a later claim, or a change, ends it."""

    n: int
    epoch: int
    task: int
    hook: Webhook


class Webhooks(Protocol):
    """Keeps webhooks, and gives each to one deliverer at a time; those of a process that dies are given to another.

    What a deliverer writes to a claim that is no longer its own changes nothing and answers False: it is to let go.
    """

    async def set(self, hook: Webhook) -> Webhook:
        """Store it, in the place of the one of this task and id where there is one: that keeps its position, and is active
        again.

        :raises UnknownTask: there is no such task
        :raises Conflict: the task has `MAX_PER_TASK` already
        """
        ...

    async def get(self, task_id: str, webhook_id: str) -> Webhook:
        """:raises UnknownTask, UnknownWebhook: there is no such one"""
        ...

    async def list(self, task_id: str) -> list[Webhook]:
        """Those of a task, the oldest first.

        :raises UnknownTask: there is no such task
        """
        ...

    async def delete(self, task_id: str, webhook_id: str) -> None:
        """Nothing more is sent, but for what is under way. Deleting one that is not there changes nothing.

        :raises UnknownTask: there is no such task
        """
        ...

    async def claim(self, formats: Sequence[str], limit: int, now: float) -> list[WebhookClaim]:
        """Up to `limit` webhooks of these formats that have something to tell, are due and that nobody delivers."""
        ...

    async def next_due(self, formats: Sequence[str], now: float) -> float | None:
        """When the next one that has something to tell is due, later than `now`; None where there is none."""
        ...

    async def events(self, claim: WebhookClaim, after: int) -> list[Event]:
        """The next stored events above `after`: a bounded number, none where there is none."""
        ...

    async def accepted(self, claim: WebhookClaim, cursor: int, part: int, state: WebhookState) -> bool:
        """Move the position on, durably. With a state other than active it has ended."""
        ...

    async def postpone(self, claim: WebhookClaim, until: float, error: str, now: float, state: WebhookState) -> bool:
        """Note a failed attempt, and let go: it is due again at `until`, or it has ended."""
        ...

    async def release(self, claim: WebhookClaim, now: float) -> None:
        """Let go of it; it comes after all others that are due."""
        ...

    def news(self) -> AbstractContextManager[asyncio.Event]:
        """An event that is set after every commit, whoever made it, as soon as this process hears of it."""
        ...


@runtime_checkable
class KeepsWebhooks(Protocol):
    """The ability of an engine to keep webhooks."""

    @property
    def webhooks(self) -> Webhooks: ...
