"""A Postgres database for a test: `SAMETASK_TEST_POSTGRES` names a server on which databases can be made."""

from __future__ import annotations

import os
import uuid
from collections.abc import Generator
from contextlib import contextmanager

import pytest

SERVER = os.environ.get("SAMETASK_TEST_POSTGRES", "")
HOW = "needs a Postgres: SAMETASK_TEST_POSTGRES=postgresql://USER@HOST:PORT/postgres pytest"


def server() -> str:
    """The server's URL, with a database to connect to. Skips where none is named, but for CI: there it is a failure."""
    if not SERVER:
        if os.environ.get("CI"):
            pytest.fail(HOW, pytrace=False)
        pytest.skip(HOW)
    return SERVER


@contextmanager
def database(template: str = "template1") -> Generator[str]:
    """The URL of a database that is made from `template`, and dropped in the end."""
    import psycopg

    address = server()
    name = f"sametask_test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(address, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield named(address, name)
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def named(address: str, name: str) -> str:
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}/{name}"
