"""A thousand tasks are in flight while the server goes away; then their client asks for each until it has its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable

import anyio

from ....agents.errors import SametaskError
from ..callers import crowd
from ..contract import Caller, Cell, Scenario, Trial, Verdict
from ..judging import judge_told, worst
from ..ledger import Told

TASKS, AT_ONCE = 1000, 50
STEPS, STEP_MS = 5, 2000


async def _act(trial: Trial) -> None:
    request = trial.request(steps=STEPS, step_ms=max(1, round(STEP_MS * trial.scale)))
    trial.kinds = ("artifact",)  # who asks for a task is shown what there is, and of its progress the newest only
    trial.others[:] = [Told(f"task {number}") for number in range(2, max(2, round(TASKS * trial.scale)) + 1)]

    async def submit(caller: Caller, told: Told) -> None:
        told.read(await caller.submit(request))

    async def wait(caller: Caller, told: Told) -> None:
        told.read(await caller.wait(told.task_id))

    async with crowd(trial) as caller_of:
        crowded = [(caller_of(told), told) for told in (trial.told, *trial.others)]
        await _each(crowded[:1], submit)  # it opens the connection that the others share
        await _each(crowded[1:], submit)
        if not _errors(trial):
            trial.in_flight.set()
            await _each(crowded, wait)
    if errors := _errors(trial):
        raise errors[0]


async def _each(crowded: list[tuple[Caller, Told]], do: Callable[[Caller, Told], Awaitable[None]]) -> None:
    """Do it for each, some at a time; what one of them is left with is entered in its ledger."""
    limiter = anyio.CapacityLimiter(AT_ONCE)

    async def one(caller: Caller, told: Told) -> None:
        async with limiter:
            try:
                await do(caller, told)
            except SametaskError as error:
                told.error = error
                told.note(f"{type(error).__name__}: {error}")

    async with anyio.create_task_group() as group:
        for each in crowded:
            group.start_soon(one, *each)


def _errors(trial: Trial) -> list[Exception]:
    return [told.error for told in (trial.told, *trial.others) if told.error is not None]


def _judge(trial: Trial, error: Exception | None) -> tuple[Verdict, str]:
    """The worst over the tasks. One that the client was left with as if it had ended, and it had not, is as bad as lost, and
    counts as hung. A task that did something and that nobody was told of is a duplicate of one that was.
    """
    effects = trial.deeds.effects_by_task()
    told = [each for each in (trial.told, *trial.others) if each.task_id]
    open_count = sum(each.error is None and each.end is None for each in told)
    strays = effects.keys() - {each.task_id for each in told}
    judged = [judge_told(each, effects.get(each.task_id, Counter()), trial.steps, each.error) for each in told]
    verdicts = [verdict for verdict, _ in judged]
    trial.extra |= {
        "tasks_submitted_count": len(told),
        "tasks_unfinished_count": _unfinished(trial),
        "tasks_lost_count": verdicts.count("lost") - open_count,
        "tasks_duplicated_count": verdicts.count("duplicated") + len(strays),
        "tasks_failed_count": verdicts.count("failed_cleanly"),
        "tasks_hung_count": open_count,
        "effects_duplicated_count": sum(
            sum(steps.values()) - (0 if task_id in strays else len(steps)) for task_id, steps in effects.items()
        ),
    }
    if strays:
        judged.append(("duplicated", f"{len(strays)} tasks were done that the client was not told of"))
    verdict, reason = worst(judged or [("failed_cleanly", f"{type(error).__name__}: {error}")])
    return verdict, f"{verdicts.count(verdict)} of {len(told)} tasks; one of them: {reason}" if reason else reason


def _unfinished(trial: Trial) -> int:
    """How many tasks had a step to do when the fault struck."""
    struck_at = trial.struck_at
    if struck_at is None:
        return 0
    before = Counter(deed.task_id for deed in trial.deeds.all() if not deed.again and deed.at < struck_at)
    return 1 + len(trial.others) - sum(count == trial.steps for count in before.values())


SCENARIO = Scenario(
    "in_flight",
    f"{TASKS:,} tasks in flight",
    70,
    _act,
    (Cell(), *(Cell(fault, "in_flight") for fault in ("sigkill", "sigterm", "restart_elsewhere"))),
    judge=_judge,
    needs=("tasks",),
)
