"""Every state transition of a task, as each of A2A's bindings tells it; and what each operation does in each final state."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio
from a2a.types import (
    CancelTaskRequest,
    GetTaskRequest,
    Message,
    Part,
    Role,
    SendMessageRequest,
    SubscribeToTaskRequest,
    TaskState,
)
from a2a.utils import errors as a2a_errors
from pydantic import BaseModel
from sametask.agents import Agent, Question, Rejected, Roster, TaskContext
from sametask.agents.runtime import open_engine
from sametask.protocols.a2a.json_values import to_value
from sametask.protocols.a2a.server import serve
from sametask.protocols.variants import Bind

from .a2a_raw import BINDINGS, Raw, RawError, code_of, raw_of

S, W, A, C, F, R, X = ["SUBMITTED", "WORKING", "INPUT_REQUIRED", "COMPLETED", "FAILED", "REJECTED", "CANCELED"]
TERMINAL = (C, F, R, X)


class Script(BaseModel):
    """What a task does, a letter each: `p` tells progress, `?` asks, `w` works until it is stopped, `f` fails, `r` declines."""

    script: str


class Done(BaseModel):
    said: str = ""


class Word(BaseModel):
    word: str


agent = Agent("actor", description="Does as it is told.")


@agent.skill
async def act(request: Script, task: TaskContext) -> Done:
    """Acts."""
    said = ""
    for step in request.script:
        if step == "p":
            await task.progress(1, 2, "half way")
        elif step == "?":
            said += (await task.ask(Question("Which word?", Word))).word
        elif step == "w":
            await asyncio.Event().wait()
        elif step == "f":
            raise LookupError("lost")
        elif step == "r":
            raise Rejected("no")
    return Done(said=said)


LIVES = {
    "completes": ("", [S, W, C]),
    "completes after progress": ("pp", [S, W, C]),
    "fails": ("f", [S, W, F]),
    "fails after progress": ("pf", [S, W, F]),
    "is rejected": ("r", [S, W, R]),
    "is canceled while it works": ("pw!", [S, W, X]),
    "asks, is answered, and completes": ("?", [S, W, A, W, C]),
    "asks, is answered, and fails": ("?f", [S, W, A, W, F]),
    "asks, is answered, and is rejected": ("?r", [S, W, A, W, R]),
    "asks twice": ("??", [S, W, A, W, A, W, C]),
    "is canceled while it asks": ("?!", [S, W, A, X]),
    "asks, is answered, and is canceled": ("?pw!", [S, W, A, W, X]),
}
"""The script, `!` for a cancel by the client once it is there; and the states that are told, each once in a row."""


@pytest_asyncio.fixture(params=BINDINGS)
async def raw(request: pytest.FixtureRequest) -> AsyncGenerator[Raw]:
    async with (
        asyncio.timeout(60),
        open_engine("sqlite:///:memory:", Roster([agent])) as engine,
        serve(engine, Bind()) as endpoint,
        raw_of(request.param, endpoint.listeners) as raw,
    ):
        yield raw


def asked(script: str) -> SendMessageRequest:
    part = Part(data=to_value({"skill": "actor.act", "input": {"script": script}}))
    return SendMessageRequest(message=Message(message_id="m", role=Role.ROLE_USER, parts=[part]))


def answer(task_id: str) -> SendMessageRequest:
    message = Message(message_id="a", role=Role.ROLE_USER, task_id=task_id, parts=[Part(data=to_value({"word": "yes"}))])
    return SendMessageRequest(message=message)


def state_of(response: Any) -> str:
    told = getattr(response, response.WhichOneof("payload")) if hasattr(response, "WhichOneof") else response
    return TaskState.Name(told.status.state).removeprefix("TASK_STATE_")


async def lived(raw: Raw, script: str) -> tuple[str, list[str]]:
    """Live that life over the binding. Shape: the task's id, and the states that its streams told, each once in a row."""
    states: list[str] = []
    task_id = ""
    method, request = "SendStreamingMessage", asked(script.removesuffix("!"))
    while not states or states[-1] not in TERMINAL:
        async for response in raw.stream(method, request):
            told: Any = response
            task_id = task_id or told.task.id
            if not told.HasField("artifact_update"):
                if states[-1:] != [state_of(told)]:
                    states.append(state_of(told))
                at_work = any(part.text == "half way" for part in told.status_update.status.message.parts)
                if script.endswith("w!") and at_work:
                    await raw.call("CancelTask", CancelTaskRequest(id=task_id))
        if states[-1] == A:
            if script == "?!":
                canceled: Any = await raw.call("CancelTask", CancelTaskRequest(id=task_id))
                states.append(state_of_task(canceled))
            method, request = "SendStreamingMessage", answer(task_id)
    return task_id, states


def state_of_task(task: Any) -> str:
    return TaskState.Name(task.status.state).removeprefix("TASK_STATE_")


@pytest.mark.parametrize("life", LIVES)
async def test_every_transition_is_told_on_every_binding(raw: Raw, life: str):
    script, states = LIVES[life]
    assert (await lived(raw, script))[1] == states


def test_the_lives_hold_every_transition_that_there_is():
    """All that the runtime makes: a task is submitted, works, asks any number of times, and ends once."""
    seen = {(before, after) for _, states in LIVES.values() for before, after in itertools.pairwise(states)}
    assert seen == {(S, W), (W, A), (A, W), (A, X), (W, C), (W, F), (W, R), (W, X)}


@pytest.mark.parametrize("final", TERMINAL)
async def test_nothing_changes_a_final_state(raw: Raw, final: str):
    script = {C: "", F: "f", R: "r", X: "pw!"}[final]
    task_id, states = await lived(raw, script)
    assert states[-1] == final
    before = await raw.call("GetTask", GetTaskRequest(id=task_id))
    refused = [
        ("SendMessage", answer(task_id), a2a_errors.UnsupportedOperationError),
        ("SendStreamingMessage", answer(task_id), a2a_errors.UnsupportedOperationError),
        ("SubscribeToTask", SubscribeToTaskRequest(id=task_id), a2a_errors.UnsupportedOperationError),
    ]
    if final == X:  # canceling is idempotent (A2A 1.0 section 3.3.1)
        again: Any = await raw.call("CancelTask", CancelTaskRequest(id=task_id))
        assert state_of_task(again) == X
    else:
        refused.append(("CancelTask", CancelTaskRequest(id=task_id), a2a_errors.TaskNotCancelableError))
    for method, request, error in refused:
        ask = raw.first if method in ("SendStreamingMessage", "SubscribeToTask") else raw.call
        with pytest.raises(RawError) as caught:
            await ask(method, request)
        assert caught.value.code == code_of(raw.binding, error), method
        assert caught.value.ours == "TASK_FINISHED"
    assert await raw.call("GetTask", GetTaskRequest(id=task_id)) == before
