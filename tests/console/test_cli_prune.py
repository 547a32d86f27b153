"""`sametask prune`: what it removes, what it says, and what it refuses."""

from __future__ import annotations

import json

import pytest


def test_ended_tasks_are_removed_and_the_rest_is_told(here, tmp_path):
    engine = f"sqlite:///{tmp_path}/tasks.db"
    call = ("call", "prefix_cache", "simulate", "--via", "inproc", "--engine", engine, "--key", "k")
    assert here(*call, "--set", 'requests=[{"timestamp": 0, "input_length": 1, "output_length": 1, "hash_ids": [0]}]').code == 0
    done = here("prune", "--engine", engine, "--older-than", "1d")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("removed 0 tasks; 1 are left, which take ")
    done = here("prune", "--engine", engine, "--older-than", "0s", "--json")
    said = json.loads(done.out)
    assert (said["tasks"], said["kept"]) == (1, 0)
    assert 0 < said["held_bytes"] <= said["file_bytes"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ((), "older_than: missing; accepted: --older-than, --larger-than, or both"),
        (("--older-than", "soon"), "older_than: 'soon' is not accepted; a number and a unit (s, m, h, d or w)"),
        (("--larger-than", "big"), "larger_than: 'big' is not accepted; a number and a unit is accepted"),
        (("--older-than", "1d", "--engine", "redis:///x"), "engine: 'redis:///x' is not accepted; accepted: sqlite:///PATH"),
        (("--older-than", "1d", "--engine", "sqlite:////nowhere/t.db"), "accepted: the URL of a store that exists"),
        (("--older-than", "1d", "--engine", "sqlite:///t.db?synchronous=OFF"), "synchronous: accepted: one of FULL, NORMAL"),
        (("--older-than", "1d", "--engine", "sqlite:///t.db?cache=1"), "cache: accepted settings: synchronous, key_lifetime_s"),
    ],
)
def test_bad_input_is_one_line(here, line, says):
    done = here("prune", *line)
    assert done.code == 2
    assert done.out == ""
    assert says in done.err
    assert done.err.count("\n") == 1
