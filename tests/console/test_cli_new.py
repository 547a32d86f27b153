"""`sametask new agent`: what it writes is tested, called and served as it is, and nothing is overwritten."""

from __future__ import annotations

import asyncio
import json
import sys

import pytest


async def test_what_it_writes_passes_its_own_test_and_is_called_over_every_kind_of_protocol(sametask, tmp_path):
    made = await sametask("new", "agent", "words", "--dir", str(tmp_path / "mine"))
    assert (made.code, made.err) == (0, "")
    agent, test = tmp_path / "mine" / "words.py", tmp_path / "mine" / "test_words.py"
    assert made.out.splitlines()[:2] == [str(agent), str(test)]
    ran = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(test), cwd=tmp_path, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await ran.communicate()
    assert (ran.returncode, b"2 passed" in said) == (0, True), said.decode()
    for via in ("inproc", "rest", "mcp-http", "a2a-jsonrpc"):
        call = ("--agents", str(agent), "--via", via, "--json")
        counted = await sametask("call", "words", "count", *call, "--set", "text=to be or not to be")
        assert json.loads(counted.out) == {"result": 6}, counted.err
        tallied = await sametask("call", "words", "tally", *call, "--input", '{"texts": ["to be", "or not to be"]}')
        assert json.loads(tallied.out) == {"result": {"to": 2, "be": 2, "or": 1, "not": 1}}, tallied.err


@pytest.mark.parametrize("name", ["two words", "class", "1st", "a-b", "", "../up", "é"])
def test_a_name_that_python_does_not_take_is_refused(here, tmp_path, name):
    done = here("new", "agent", name, "--dir", str(tmp_path))
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: name: {name!r} is not accepted; letters, digits and underscores")
    assert list(tmp_path.glob("*.py")) == []


@pytest.mark.parametrize("there", ["mine.py", "test_mine.py"])
def test_nothing_is_overwritten(here, tmp_path, there):
    (tmp_path / there).write_text("precious")
    done = here("new", "agent", "mine", "--dir", str(tmp_path))
    assert (done.code, done.out) == (2, "")
    assert f"{there} is there already" in done.err
    assert [path.read_text() for path in tmp_path.glob("*.py")] == ["precious"]


def test_a_folder_that_cannot_be_written_to_is_named(here, tmp_path):
    (tmp_path / "file").write_text("")
    done = here("new", "agent", "mine", "--dir", str(tmp_path / "file"))
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert done.err.startswith("error: dir: ")
