"""Agents from files and modules: what is found, what is refused in one line, and nothing else is disturbed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from sametask.agents.errors import InvalidInput
from sametask.agents.loading import load_roster

AGENT = """
from pydantic import BaseModel
from sametask.agents import Agent

{name} = Agent("{name}", description="x")

class Text(BaseModel):
    text: str

@{name}.skill
async def say(request: Text) -> Text:
    return Text(text=request.text + "{suffix}")
"""


def write(path: Path, name: str, suffix: str = "", extra: str = "") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(AGENT.format(name=name, suffix=suffix) + extra)
    return str(path)


@pytest.fixture(autouse=True)
def undisturbed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """What a test loads is not there for the next one."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


async def said(roster, agent: str) -> str:
    skill = roster.skill(agent, "say")
    return (await skill(skill.parse({"text": ""})))["text"]


async def test_two_files_of_the_same_name_are_two_modules(tmp_path: Path):
    first = write(tmp_path / "a" / "agents.py", "first", "1")
    second = write(tmp_path / "b" / "agents.py", "second", "2")
    roster = load_roster([first, second])
    assert list(roster) == ["first", "second"]
    assert (await said(roster, "first"), await said(roster, "second")) == ("1", "2")


def test_a_file_never_takes_the_name_of_a_library(tmp_path: Path):
    import json

    load_roster([write(tmp_path / "json.py", "mine")])
    assert sys.modules["json"] is json
    # Its folder is looked in last, so what is imported later is the library too.
    del sys.modules["json"]
    import json as again

    assert again.__file__ == json.__file__
    sys.modules["json"] = json


def test_a_name_chooses_one_of_several(tmp_path: Path):
    path = write(tmp_path / "both.py", "one", extra="two = Agent('two', description='x')\ntwo.skill(say)\n")
    assert list(load_roster([path])) == ["one", "two"]
    assert list(load_roster([f"{path}:two"])) == ["two"]
    assert list(load_roster([f"{path}:two", f"{path}:one"])) == ["two", "one"]


def test_one_agent_under_two_names_is_one_agent(tmp_path: Path):
    assert list(load_roster([write(tmp_path / "alias.py", "one", extra="agent = one\n")])) == ["one"]


def test_a_relative_path_and_a_home_are_paths(tmp_path: Path):
    write(tmp_path / "here.py", "here")
    assert list(load_roster(["here.py"])) == ["here"]
    assert list(load_roster(["./here.py:here"])) == ["here"]


def test_a_file_imports_its_neighbours(tmp_path: Path):
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "neighbour_of_mine.py").write_text("WORD = 'x'\n")
    path = write(tmp_path / "far" / "agents.py", "mine", extra="from neighbour_of_mine import WORD\n")
    assert list(load_roster([path])) == ["mine"]


def test_a_module_of_the_working_directory_and_an_installed_one(tmp_path: Path):
    write(tmp_path / "our_package" / "team.py", "mine")
    assert list(load_roster(["our_package.team"])) == ["mine"]
    assert list(load_roster(["our_package.team:mine", "sametask.agents.team.prefix_cache:agent"])) == ["mine", "prefix_cache"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = (\n", "SyntaxError at line 1"),
        ("x = 0\n\nboom()\n", "NameError at line 3: name 'boom' is not defined"),
        ("import sys\nsys.exit(3)\n", "SystemExit at line 2"),
        ("import there_is_no_such_library\n", "ModuleNotFoundError at line 1"),
        ("raise ValueError('a\\nb')\n", "ValueError at line 1: a b"),
        ("x = 0\n", "there is no Agent in it"),
        ("from sametask.agents import Agent\nempty = Agent('empty', description='x')\n", "agent 'empty' has no skill"),
        ("from sametask.agents import Agent\nAgent('not a name', description='x')\n", "agent name: 'not a name'"),
        (
            "from sametask.agents import Agent\nagent = Agent('a', description='x')\n@agent.skill\ndef f(x): ...\n",
            "a.f: parameter 'x' has no annotation",
        ),
    ],
)
def test_a_file_that_gives_no_agent_is_refused_in_one_line(tmp_path: Path, text: str, says: str):
    (tmp_path / "broken.py").write_text(text)
    before = set(sys.modules)
    with pytest.raises(InvalidInput) as refused:
        load_roster(["broken.py"])
    assert says in refused.value.message
    assert refused.value.message.startswith("agents: 'broken.py' is not accepted")
    assert "\n" not in refused.value.message
    # What failed half way is not left for the next import to find.
    assert "at line" not in says or not [name for name in set(sys.modules) - before if name.startswith("broken")]


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("missing.py", "there is no such file"),
        ("folder.py", "there is no such file"),
        ("no_such_module_here", "there is no such module"),
        ("no_such_package.inner", "there is no such module"),
        ("json:loads", "accepted: the name of an Agent in json, which holds: none"),
        ("mine.py:other", "accepted: the name of an Agent in mine.py, which holds: mine"),
        ("./mine", "FILE.py[:NAME] or package.module[:NAME]"),
        ("", "FILE.py[:NAME] or package.module[:NAME]"),
    ],
)
def test_a_reference_to_nothing_is_refused_in_one_line(tmp_path: Path, reference: str, says: str):
    (tmp_path / "folder.py").mkdir()
    write(tmp_path / "mine.py", "mine")
    with pytest.raises(InvalidInput) as refused:
        load_roster([reference])
    assert says in refused.value.message
    assert refused.value.details["field"] == "agents"


def test_two_agents_of_one_name_are_refused(tmp_path: Path):
    paths = [write(tmp_path / "a.py", "same"), write(tmp_path / "b.py", "same")]
    with pytest.raises(InvalidInput, match="agent name: 'same' is used twice"):
        load_roster(paths)
