"""A Postgres database for a test: `SAMETASK_TEST_POSTGRES` names a server on which databases can be made."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import socket
import tempfile
import uuid
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

SERVER = os.environ.get("SAMETASK_TEST_POSTGRES", "")
HOW = "needs a Postgres: SAMETASK_TEST_POSTGRES=postgresql://USER@HOST:PORT/postgres pytest"


def wanted() -> bool:
    """Whether the tests are to find a server, or to fail."""
    return bool(SERVER or os.environ.get("CI"))


def server() -> str:
    """The server's URL, with a database to connect to. Skips where none is named, but for CI: there it is a failure."""
    if not wanted():
        pytest.skip(HOW)
    if not SERVER:
        pytest.fail(HOW, pytrace=False)
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


@dataclass(frozen=True)
class Private:
    """A Postgres of the test's own, to be restarted."""

    url: str
    folder: Path

    async def run(self, program: str, *arguments: str) -> None:
        # It refuses to run as root.
        line = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        process = await asyncio.create_subprocess_exec(
            *line, str(_binaries() / program), "-D", str(self.folder), *arguments, stdout=asyncio.subprocess.DEVNULL
        )
        assert await process.wait() == 0

    async def restart(self, mode: str) -> None:
        """`fast` ends its sessions, `immediate` crashes it; it recovers from its log."""
        await self.run("pg_ctl", "restart", "-w", "-s", "-m", mode, "-l", f"{self.folder}/log")


@asynccontextmanager
async def private() -> AsyncGenerator[Private]:
    """Skips, or in CI fails, as `server`: where there is one, there are its programs."""
    server()
    folder = Path(tempfile.mkdtemp(prefix="sametask-postgres-"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    made = Private(f"postgresql://postgres@127.0.0.1:{port}/postgres", folder / "data")
    try:
        if os.geteuid() == 0:
            os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)
        await made.run("initdb", "-A", "trust", "-U", "postgres", "--no-sync")
        with (made.folder / "postgresql.conf").open("a") as settings:
            settings.write(f"port = {port}\nunix_socket_directories = '{folder}'\nlisten_addresses = '127.0.0.1'\n")
        await made.run("pg_ctl", "start", "-w", "-s", "-l", f"{made.folder}/log")
        try:
            yield made
        finally:
            await made.run("pg_ctl", "stop", "-s", "-m", "immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _binaries() -> Path:
    """Debian keeps them off the PATH."""
    found = shutil.which("pg_ctl")
    newest = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[-3]))
    if found is None and not newest:
        pytest.fail("pg_ctl is not installed beside the Postgres that SAMETASK_TEST_POSTGRES names", pytrace=False)
    return newest[-1].parent if newest else Path(str(found)).parent
