"""The receiver of a webhook is down for a while: it refuses connections, or accepts them and says nothing."""

from __future__ import annotations

import anyio

from ...wire.faults.contract import NothingToStrike
from ...wire.tap import Tap
from ..contract import AnyFault, World


def _receiver(world: World) -> Tap:
    if world.receiver is None:
        raise NothingToStrike("the client has no webhook")
    return world.receiver


async def _refuse(world: World) -> None:
    tap = _receiver(world)
    tap.refuse()
    try:
        tap.cut_all()
        await anyio.sleep(world.outage_s)
    finally:
        tap.accept()


async def _fall_silent(world: World) -> None:
    tap = _receiver(world)
    for link in tap.links:
        link.silence()
    tap.silent = True
    try:
        await anyio.sleep(world.outage_s)
    finally:
        tap.silent = False


FAULTS = (
    AnyFault("webhook_down", "the webhook's receiver is down for a while", 40, _refuse),
    AnyFault("webhook_silent", "the webhook's receiver falls silent for a while", 41, _fall_silent),
)
