"""A task's events are sent to a webhook, and nothing holds a stream open: the receiver has the end and every event, or not."""

from __future__ import annotations

from typing import cast

import anyio

from ..contract import STEPS, Cell, Scenario, Trial, Verdict
from ..hooks import HasWebhooks, reader_of, receiving
from ..judging import judge


async def _act(trial: Trial) -> None:
    read, told = reader_of(trial.station.variant.protocol), trial.told
    before, ended = trial.draw.randint(STEPS // 4, STEPS // 2), anyio.Event()
    trial.extra["deliveries_count"] = 0

    def hear(body: bytes) -> None:
        trial.extra["deliveries_count"] += 1
        for event in read(body):
            told.hear(event)
        if trial.extra["deliveries_count"] >= before:
            trial.received.set()
        if told.end is not None:
            ended.set()

    async with receiving(hear) as (url, trial.receiver):
        task = await trial.caller().submit(trial.request())
        async with trial.station.open(trial.settings) as client:
            await cast(HasWebhooks, client).create_webhook(task.id, url)
        await ended.wait()


def _judge(trial: Trial, error: Exception | None) -> tuple[Verdict, str]:
    """As any task, and what was never delivered is lost: nobody else tells its receiver."""
    verdict, reason = judge(trial, error)
    missing = len(trial.expected - trial.told.known.keys())
    return ("lost", f"{missing} events were never delivered") if verdict == "delivered" and missing else (verdict, reason)


_POINT = "between_deliveries"
SCENARIO = Scenario(
    "webhook",
    "events that are sent to a webhook",
    80,
    _act,
    (
        Cell(),
        *(Cell(fault, _POINT) for fault in ("webhook_down", "sigkill", "sigterm", "restart_elsewhere")),
        Cell("webhook_silent", _POINT, clients=("recommended",)),  # the server waits 15 s for the answer to a delivery
    ),
    judge=_judge,
    needs=("webhooks",),
)
