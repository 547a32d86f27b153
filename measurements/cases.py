"""What the flows ask for: the bundled agent's skills, or cases of a user's own agent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from ..agents.contract import Roster, Skill
from ..agents.errors import InvalidInput, SametaskError
from ..agents.loading import load_roster

Case = tuple[str, dict[str, Any]]
"""A skill's name and its input."""

ACCEPTED = 'accepted: [{"skill": NAME, "input": OBJECT, "answer": OBJECT for the question it asks, if any}, ...], or @FILE.json'


@dataclass(frozen=True)
class Cases:
    """`quick` is a call that answers at once, `streamed` and `short` are tasks, `asking` is one that asks a question, which
    `answer` answers; None where there is no such case. `references` name the agents that are served; none: the bundled ones.
    """

    agent: str
    quick: Case | None = None
    streamed: Case | None = None
    short: Case | None = None
    asking: Case | None = None
    answer: Any = None
    references: tuple[str, ...] = ()


_SHORT: dict[str, Any] = {"synthetic": {"seed": 1, "request_count": 20}}

BUNDLED = Cases(
    agent="prefix_cache",
    quick=("plan", {"layers": 32, "kv_heads": 8, "head_dim": 128, "memory_bytes": 16 * 2**30}),
    streamed=("simulate", {"synthetic": {"seed": 1, "request_count": 40}, "slice_requests": 10}),
    short=("simulate", _SHORT),
    asking=("simulate", {**_SHORT, "capacity_blocks": 10, "confirm": True}),
    answer={"choice": "evict"},
)


def own_cases(reference: str, text: str) -> Cases:
    """The cases in `text` (JSON, or `@FILE.json`) of the one agent that `reference` names: the first of each kind is used.

    Raises: InvalidInput, naming the case and what is accepted.
    """
    roster = load_roster([reference])
    if len(roster) != 1:
        raise InvalidInput("agent", reference, f"accepted: one agent, FILE.py:NAME; there are {', '.join(roster)}")
    (name,) = roster
    quick: Case | None = None
    task: Case | None = None
    asking: Case | None = None
    answer: Any = None
    for index, given in enumerate(_read(text)):
        skill, request = _checked(roster, name, index, given)
        case = (skill.name, request)
        if not skill.long:
            quick = quick or case
        elif "answer" not in given:
            task = task or case
        elif asking is None:
            asking, answer = case, given["answer"]
    return Cases(name, quick, task, task, asking, answer, (reference,))


def _read(text: str) -> Sequence[dict[str, Any]]:
    if not text:
        raise InvalidInput.missing("input", f"an agent of your own is compared by cases; {ACCEPTED}")
    if text.startswith("@"):
        try:
            text = Path(text[1:]).expanduser().read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise InvalidInput("input", text[1:], f"it cannot be read ({why}); {ACCEPTED}") from None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput("input", text[:60], f"malformed JSON ({error}); {ACCEPTED}") from None
    cases = cast(list[Any], [value] if isinstance(value, dict) else value)
    if not isinstance(value, list | dict) or not cases:
        raise InvalidInput("input", text[:60], ACCEPTED)
    for index, case in enumerate(cases):
        fields = set(cast(dict[str, Any], case)) if isinstance(case, dict) else set[str]()
        if not {"skill", "input"} <= fields <= {"skill", "input", "answer"}:
            raise InvalidInput(f"input[{index}]", case, ACCEPTED)
    return cast(Sequence[dict[str, Any]], cases)


def _checked(roster: Roster, agent: str, index: int, given: dict[str, Any]) -> tuple[Skill, dict[str, Any]]:
    try:
        skill = roster.skill(agent, str(given["skill"]))
        skill.parse(given["input"])
    except SametaskError as error:
        # Only its place is ours to add: what is wrong, it says itself.
        raise InvalidInput(f"input[{index}]", given["skill"], error.message) from None
    if "answer" in given and not skill.long:
        raise InvalidInput(f"input[{index}].answer", given["answer"], f"none is accepted: {skill.name} is quick")
    return skill, given["input"]
