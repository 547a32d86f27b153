"""Where the server keeps tasks and runs when nobody says: a host such as Claude Desktop may start it in `/`."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

RUNS = "runs"


def default_engine() -> str:
    """A store that every host of this user shares, so that a task outlives the conversation that submitted it."""
    return f"sqlite:///{state_folder() / 'tasks.db'}"


def runs_folder(given: str) -> Path:
    """The folder asked for; else `runs` in the working directory if `sametask compare` left runs there; else the user's own."""
    if given:
        return Path(given).expanduser().absolute()
    here = Path(RUNS).absolute()
    try:
        if any(here.glob("*/run.json")):
            return here
    except OSError:
        pass  # a working directory that cannot be read holds no runs for us
    return state_folder() / RUNS


def state_folder() -> Path:
    """The first of the user's state folders that can be written, made where it is missing; where there is none (a read-only
    container), a temporary folder of this process's own.

    Source: XDG Base Directory 0.8; Apple's File System Programming Guide; Windows Known Folders.
    """
    for folder in _candidates():
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK | os.X_OK):
            return folder
    return Path(tempfile.mkdtemp(prefix="sametask-"))


def _candidates() -> Iterator[Path]:
    given = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_STATE_HOME", "")
    if os.path.isabs(given) and sys.platform != "darwin":
        yield Path(given) / "sametask"
    try:
        home = Path.home()
    except RuntimeError:
        pass  # a user without a home, as in some containers
    else:
        under = {"win32": "AppData/Local", "darwin": "Library/Application Support"}.get(sys.platform, ".local/state")
        yield home / under / "sametask"
