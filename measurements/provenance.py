"""Where a number comes from: the versions, the machine and the source revision that a run was made with."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib import metadata
from pathlib import Path

from pydantic import BaseModel, ConfigDict

LIBRARIES = (
    "sametask",
    "mcp",
    "a2a-sdk",
    "grpcio",
    "grpcio-status",
    "protobuf",
    "fastapi",
    "starlette",
    "uvicorn",
    "uvloop",
    "httptools",
    "h11",
    "hpack",
    "hyperframe",
    "httpx",
    "httpx-sse",
    "sse-starlette",
    "pydantic",
    "anyio",
    "numpy",
)
"""The distributions whose version can change a result; one that is not installed is absent from a run."""

SHIPPED = ("agents", "protocols", "proto", "measurements", "console", "pyproject.toml", "requirements.lock")
"""What makes a checkout dirty: a change of anything else cannot change a result."""

SOURCE = Path(__file__).resolve().parent.parent


class Revision(BaseModel):
    """The git revision of the source that ran. `dirty`: shipped files differ from it."""

    model_config = ConfigDict(frozen=True)

    commit: str
    dirty: bool

    def label(self) -> str:
        return self.commit[:7] + ("-dirty" if self.dirty else "")


class Machine(BaseModel):
    """What the run was made on. `load_average` is the 1, 5 and 15 minute load when it started; unknown facts are null."""

    model_config = ConfigDict(frozen=True)

    cpu: str | None = None
    cores_count: int | None = None
    usable_cores_count: int | None = None
    memory_bytes: int | None = None
    system: str | None = None
    kernel: str | None = None
    load_average: list[float] | None = None


def versions() -> dict[str, str]:
    """The version of Python and of every library in `LIBRARIES` that is installed, by name."""
    found = {"python": f"{platform.python_version()} ({platform.python_implementation()})"}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine() -> Machine:
    return Machine(
        cpu=_cpu(),
        cores_count=os.cpu_count(),
        usable_cores_count=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        memory_bytes=_memory_bytes(),
        system=_system(),
        kernel=f"{platform.system()} {platform.release()} {platform.machine()}",
        load_average=[round(load, 2) for load in os.getloadavg()] if hasattr(os, "getloadavg") else None,
    )


def revision(checkout: Path = SOURCE) -> Revision | None:
    """The revision of `checkout`; None where it is not the top of a git checkout (an installed wheel) or git is missing."""
    top = _git(checkout, "rev-parse", "--show-toplevel")
    # A wheel in a virtual environment inside somebody's own repository must not take on that repository's revision.
    if top is None or Path(top).resolve() != checkout.resolve():
        return None
    commit = _git(checkout, "rev-parse", "HEAD")
    if commit is None:
        return None
    tracked = [name for name in SHIPPED if (checkout / name).exists()]
    changes = _git(checkout, "status", "--porcelain", "--", *tracked)
    return Revision(commit=commit, dirty=changes != "")


def _git(checkout: Path, *arguments: str) -> str | None:
    # GIT_DIR and its like, set by a hook that runs us, would answer for another repository.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-C", str(checkout), *arguments], capture_output=True, text=True, timeout=10, env=environment, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _cpu() -> str | None:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor() or None
    found = re.search(r"^(?:model name|Model|Hardware)\s*:\s*(.+)$", text, re.MULTILINE)
    return found.group(1).strip() if found else platform.processor() or None


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _system() -> str | None:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.platform() or None
