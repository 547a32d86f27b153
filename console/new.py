"""`sametask new agent NAME`: a starter file with its test, ready to be served, called and tested as they are."""

from __future__ import annotations

import keyword
from pathlib import Path

from ..agents.errors import InvalidInput
from .stdout import claimed_stdout

_AGENT = '''"""The agent {name}. Serve it: sametask serve {name}.py"""

import asyncio
from typing import Annotated

from pydantic import Field
from sametask.agents import Agent, TaskContext

agent = Agent("{name}", description="Counts words.")


@agent.skill(read_only=True)
def count(text: str) -> int:
    """How many words a text has."""
    return len(text.split())


@agent.skill
async def tally(texts: list[str], task: TaskContext, pause_ms: Annotated[int, Field(ge=0, le=60_000)] = 0) -> dict[str, int]:
    """How often each word occurs in all texts. It takes its task, so it is long: it tells its progress, can be left, followed
    and canceled, and after a crash goes on with the texts that are not counted yet.
    """
    totals: dict[str, int] = {{}}
    for done, text in enumerate(texts, start=1):
        words = await task.step("words", str.split, text)
        for word in words:
            totals[word] = totals.get(word, 0) + 1
        await asyncio.sleep(pause_ms / 1000)
        await task.progress(done, len(texts), f"{{done}} of {{len(texts)}} texts")
    return totals
'''

_TEST = '''"""Run it: pytest test_{name}.py"""

import asyncio

import pytest
from sametask.agents import Roster
from sametask.agents.errors import InvalidInput
from sametask.agents.runtime import open_engine
from sametask.protocols.inproc.client import InprocClient

from {name} import agent


def test_count():
    async def run():
        async with open_engine("sqlite:///:memory:", Roster([agent])) as engine:
            client = InprocClient(engine)
            assert await client.call("{name}", "count", {{"text": "to be or not to be"}}) == {{"result": 6}}
            with pytest.raises(InvalidInput, match="text"):
                await client.call("{name}", "count", {{"text": 7}})

    asyncio.run(run())


def test_tally_runs_as_a_task():
    async def run():
        async with open_engine("sqlite:///:memory:", Roster([agent])) as engine:
            client = InprocClient(engine)
            task = await client.submit("{name}", "tally", {{"texts": ["to be", "or not to be"]}})
            done = await client.wait(task.id)
            assert done.result == {{"result": {{"to": 2, "be": 2, "or": 1, "not": 1}}}}

    asyncio.run(run())
'''


def new_agent(name: str, folder: str) -> None:
    """Write `NAME.py` and `test_NAME.py` into `folder`, and say what can be done with them.

    Raises: InvalidInput when the name is no identifier, or a file is there already.
    """
    if not (name.isidentifier() and name.isascii()) or keyword.iskeyword(name):
        accepted = "letters, digits and underscores, not starting with a digit, and no keyword of Python's"
        raise InvalidInput("name", name, accepted)
    files = {Path(folder) / f"{name}.py": _AGENT, Path(folder) / f"test_{name}.py": _TEST}
    for path in files:
        if path.exists():
            raise InvalidInput("name", name, f"{path} is there already; accepted: a name with no such file")
    written: list[Path] = []
    for path, text in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(text.format(name=name))
        except OSError as error:
            for done in written:
                done.unlink()
            raise InvalidInput("dir", folder, f"a folder that can be written to is accepted ({error.strerror})") from None
        written.append(path)
    agent, test = files
    with claimed_stdout() as out:
        print(f"{agent}\n{test}", file=out)
        print(f"\nTest it:    pytest {test}", file=out)
        print(f"Call it:    sametask call {name} count --agents {agent} --set text='to be or not to be'", file=out)
        print(f"Serve it:   sametask serve {agent}", file=out)
        print(f"In an IDE:  sametask mcp {agent}", file=out)
