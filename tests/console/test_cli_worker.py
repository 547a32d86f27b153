"""`sametask worker`: what is wrong with where the tasks are is one line. What it does is in `test_runtime_distributed.py`."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("engine", "said"),
    [
        ("sqlite:///tasks.db", "engine: 'sqlite:///tasks.db' is not accepted; accepted: postgresql://USER@HOST:PORT/DATABASE"),
        ("postgresql://me:secret@127.0.0.1:1/tasks", "store: postgresql://me@127.0.0.1:1/tasks cannot be used (connection"),
        ("postgresql://me:secret@127.0.0.1:1/tasks?lease_s=soon", "lease_s: a number of seconds, above 0, is accepted"),
    ],
)
def test_an_engine_that_cannot_be_had_is_one_line_without_the_password(here, engine, said):
    done = here("worker", "--engine", engine)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert done.err.count("\n") == 1
    assert "secret" not in done.err
