"""The delivery of webhooks: from the durable log, in order for each of them, beside the streams and never in their way.

At least once: the position moves on, durably, after a message was accepted. A message that was accepted and not yet noted when
the process died is sent again with the same `webhook-id`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import anyio
from anyio.abc import TaskGroup

from ..agents.engine import TaskEngine
from ..agents.errors import Unavailable
from ..agents.events import Event
from ..agents.webhooks import KeepsWebhooks, Webhook, WebhookClaim, Webhooks, WebhookState
from .webhook_posting import GONE, Poster
from .webhook_settings import WebhookSettings
from .webhook_signing import signed_headers

logger = logging.getLogger(__name__)

TURN_COUNT = 64
"""Messages that one webhook is sent before the others that wait have their turn."""
STOP_GRACE_S = 3.0
LONGEST_PAUSE_S = 60.0
STORE_PAUSE_S = 1.0

Bodies = Callable[[Webhook, Event], Sequence[bytes]]


@dataclass(frozen=True)
class Format:
    """How a protocol tells an event: its messages, in order, the same whenever they are made; and their media type."""

    media_type: str
    bodies: Bodies


@asynccontextmanager
async def delivering(engine: TaskEngine, formats: Mapping[str, Format], settings: WebhookSettings) -> AsyncGenerator[None]:
    """Deliver the webhooks of these formats while the block runs, where the engine keeps webhooks. Leaving it lets what is on
    its way arrive, for up to `STOP_GRACE_S`, and begins nothing more.
    """
    if not isinstance(engine, KeepsWebhooks):
        yield
        return
    courier = Courier(engine.webhooks, formats, settings)
    running = asyncio.create_task(courier.run(), name="sametask-webhooks")
    try:
        yield
    finally:
        with anyio.CancelScope(shield=True):
            courier.stop()
            await asyncio.wait([running], timeout=STOP_GRACE_S)
            running.cancel()
            await asyncio.wait([running])
    if not running.cancelled():
        running.result()


class Courier:
    def __init__(self, webhooks: Webhooks, formats: Mapping[str, Format], settings: WebhookSettings) -> None:
        self._webhooks, self._formats, self._settings = webhooks, formats, settings
        self._names = list(formats)
        self._poster = Poster(settings)
        self._busy_count = 0
        self._held: list[WebhookClaim] = []  # ours still, because the store could not be written
        self._stopping = False
        self._nudge: asyncio.Event | None = None

    def stop(self) -> None:
        """Begin no delivery any more."""
        self._stopping = True
        if self._nudge is not None:
            self._nudge.set()

    async def run(self) -> None:
        try:
            with self._webhooks.news() as self._nudge:
                async with anyio.create_task_group() as group:
                    while not self._stopping:
                        self._nudge.clear()
                        pause_s = STORE_PAUSE_S
                        with suppress(Unavailable):  # the disk may be full now and not in a while
                            pause_s = await self._begin(group)
                        with suppress(TimeoutError):
                            async with asyncio.timeout(pause_s):
                                await self._nudge.wait()
        finally:
            await self._poster.close()

    async def _begin(self, group: TaskGroup) -> float:
        """Begin what is due and fits. Shape: how long there is nothing more to do, if nothing is heard."""
        now = self._settings.clock()
        while self._held:
            await self._webhooks.release(self._held[-1], now)
            self._held.pop()
        room = self._settings.concurrent_count - self._busy_count
        claims = await self._webhooks.claim(self._names, room, now) if room > 0 else []
        for claim in claims:
            self._busy_count += 1
            group.start_soon(self._deliver, claim)
        due = await self._webhooks.next_due(self._names, now)
        return LONGEST_PAUSE_S if due is None else min(LONGEST_PAUSE_S, max(0.0, due - now))

    async def _deliver(self, claim: WebhookClaim) -> None:
        try:
            await self._turn(claim)
        except asyncio.CancelledError:
            with anyio.CancelScope(shield=True), suppress(Unavailable):
                await self._webhooks.release(claim, self._settings.clock())
            raise
        except Unavailable:
            self._held.append(claim)  # what was not noted is sent again
        except Exception as error:
            # The wall: a message that cannot be made must not end every other webhook. It is tried again, and told.
            logger.exception("webhook %s of task %s", claim.hook.id, claim.hook.task_id)
            try:
                await self._failed(claim, claim.hook.attempts, f"internal error: {type(error).__name__}", None)
            except Unavailable:
                self._held.append(claim)
        finally:
            self._busy_count -= 1
            if self._nudge is not None:
                self._nudge.set()

    async def _turn(self, claim: WebhookClaim) -> None:
        """Send up to `TURN_COUNT` messages, from where the last one was accepted."""
        hook, sent_count = claim.hook, 0
        cursor, skip, failed_count = hook.cursor, hook.part, hook.attempts
        while events := await self._webhooks.events(claim, cursor):
            for event in events:
                bodies = self._formats[hook.format].bodies(hook, event)
                for part in range(skip, len(bodies)):
                    if self._stopping or sent_count == TURN_COUNT:
                        await self._webhooks.release(claim, self._settings.clock())
                        return
                    last = part == len(bodies) - 1
                    position = (event.seq, 0) if last else (cursor, part + 1)
                    if not await self._send(claim, event, part, bodies[part], position, failed_count, last=last):
                        return
                    sent_count, failed_count = sent_count + 1, 0
                cursor, skip = event.seq, 0
                if event.final:
                    return
        await self._webhooks.release(claim, self._settings.clock())

    async def _send(
        self, claim: WebhookClaim, event: Event, part: int, body: bytes, position: tuple[int, int], failed: int, *, last: bool
    ) -> bool:
        """One attempt for one message. Shape: whether to go on with the next."""
        hook = claim.hook
        message_id = f"msg_{hook.uid}_{event.seq}_{part}"
        timestamp_s = int(self._settings.clock())
        headers = [
            ("Content-Type", self._formats[hook.format].media_type),
            *hook.headers,
            *signed_headers(hook.secret, message_id, timestamp_s, body),
        ]
        attempt = await self._poster.post(hook.url, headers, body)
        if attempt.error:
            state = WebhookState.GONE if attempt.status == GONE else None
            await self._failed(claim, failed, attempt.error, attempt.retry_after_s, state)
            return False
        ended = last and event.final
        return await self._webhooks.accepted(claim, *position, WebhookState.DELIVERED if ended else WebhookState.ACTIVE)

    async def _failed(
        self, claim: WebhookClaim, failed_count: int, error: str, wait_s: float | None, state: WebhookState | None = None
    ) -> None:
        now = self._settings.clock()
        since = claim.hook.failing_since if failed_count and claim.hook.failing_since is not None else now
        if state is None:
            over = failed_count > 0 and now - since >= self._settings.give_up_s
            state = WebhookState.FAILED if over else WebhookState.ACTIVE
        until = now + self._settings.delay_s(failed_count + 1, wait_s)
        await self._webhooks.postpone(claim, until, error, now, state)
