"""`sametask prune`: old tasks out of a store."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass

from pydantic import ByteSize, TypeAdapter, ValidationError

from ..agents.contract import Roster
from ..agents.errors import InvalidInput
from ..agents.retention import Prunes, Retention
from ..agents.runtime import check_kept, open_engine
from .stdout import claimed_stdout

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True)
class Pruning:
    """What the person typed; "" where they typed nothing."""

    engine: str
    older_than: str
    larger_than: str
    as_json: bool


async def run_prune(pruning: Pruning) -> int:
    """Remove, and say how much. Shape: the exit code.

    Raises: InvalidInput for what was typed, Unavailable for a store that cannot be had.
    """
    if not pruning.older_than and not pruning.larger_than:
        raise InvalidInput.missing("older_than", "accepted: --older-than, --larger-than, or both")
    retention = Retention(
        seconds(pruning.older_than) if pruning.older_than else None,
        size_bytes(pruning.larger_than) if pruning.larger_than else None,
    )
    check_kept(pruning.engine)
    with claimed_stdout() as out:
        async with open_engine(pruning.engine, Roster([])) as engine:
            if not isinstance(engine, Prunes):
                raise InvalidInput("engine", pruning.engine, "accepted: an engine that keeps tasks")
            done = await engine.prune(retention)
        if pruning.as_json:
            print(json.dumps(asdict(done)), file=out)
        else:
            held = ByteSize(done.held_bytes).human_readable()
            print(f"removed {done.tasks:,} tasks; {done.kept:,} are left, which take {held}", file=out)
    return 0


def seconds(text: str) -> float:
    """The length of `90s`, `15m`, `12h`, `30d` or `2w`. Raises: InvalidInput."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", text)
    if found is None:
        raise InvalidInput("older_than", text, "a number and a unit (s, m, h, d or w) is accepted, e.g. 30d")
    return float(found[1]) * _UNITS_S[found[2]]


def size_bytes(text: str) -> int:
    """The size of `500MB` or `2GiB`. Raises: InvalidInput."""
    try:
        return int(TypeAdapter(ByteSize).validate_python(text))
    except ValidationError:
        raise InvalidInput("larger_than", text, "a number and a unit is accepted, e.g. 500MB or 2GiB") from None
