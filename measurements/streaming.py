"""Samples that several tasks measure at once, as one stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable

import anyio
from anyio.abc import ObjectSendStream

from .samples import Sample

Produce = Callable[[ObjectSendStream[Sample]], Awaitable[None]]


async def streamed(produce: Produce) -> AsyncGenerator[Sample]:
    """Yields what `produce` sends, as it comes. A caller that leaves early cancels it.

    Raises: what `produce` raises, in a group.
    """
    send, receive = anyio.create_memory_object_stream[Sample](64)

    async def run() -> None:
        async with send:
            await produce(send)

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        async with receive:
            try:
                async for sample in receive:
                    yield sample
            except GeneratorExit:
                # The caller has left. Out of a task group this would come as an ExceptionGroup, and hide what it left for.
                group.cancel_scope.cancel()
