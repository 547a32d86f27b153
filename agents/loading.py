"""Agents of a user's own, from a Python file or an importable module."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from .contract import Agent, Roster
from .errors import InvalidInput

ACCEPTED = "accepted: FILE.py[:NAME] or package.module[:NAME], which holds an Agent"


def load_roster(references: Sequence[str]) -> Roster:
    """The agents named by `path/to/file.py`, `path/to/file.py:name`, `package.module` or `package.module:name`; without a
    name, every Agent found in the module. A file may import its neighbours, a module is also looked for in the working
    directory; what is installed comes first, so that nobody's `grpc.py` hides a library.

    Raises: InvalidInput, naming the reference and why it gave no agent.
    """
    agents: list[Agent] = []
    for reference in references:
        agents += _load(reference)
    try:
        return Roster(agents)
    except ValueError as error:
        raise InvalidInput("agents", ", ".join(references), str(error)) from None


def _load(reference: str) -> list[Agent]:
    place, name = _split(reference)
    module = _module(reference, place)
    # By identity: one agent under two names is one agent. `__all__` also has what a module imports when it is asked for.
    exported = {name: getattr(module, name, None) for name in getattr(module, "__all__", ())}
    found = {id(value): (key, value) for key, value in {**exported, **vars(module)}.items() if isinstance(value, Agent)}
    if name:
        chosen = getattr(module, name, None)
        if not isinstance(chosen, Agent):
            names = ", ".join(key for key, _ in found.values()) or "none"
            raise InvalidInput("agents", reference, f"accepted: the name of an Agent in {place}, which holds: {names}")
        agents = [chosen]
    else:
        agents = [value for _, value in found.values()]
    if not agents:
        raise InvalidInput("agents", reference, f"there is no Agent in it; {ACCEPTED}")
    for agent in agents:
        if not agent.skills:
            raise InvalidInput("agents", reference, f"agent {agent.name!r} has no skill; accepted: at least one @agent.skill")
    return agents


def _split(reference: str) -> tuple[str, str]:
    # From the right, and only before a name: `C:\agents.py` has a colon of its own.
    place, separator, name = reference.rpartition(":")
    return (place, name) if separator and name.isidentifier() else (reference, "")


def _module(reference: str, place: str) -> ModuleType:
    if not place.endswith(".py"):
        _look_in(os.getcwd())
        try:
            return importlib.import_module(place)
        except ModuleNotFoundError as error:
            if error.name and (place == error.name or place.startswith(f"{error.name}.")):
                raise InvalidInput("agents", reference, f"there is no such module; {ACCEPTED}") from None
            raise _raised(reference, error, None) from error
        except (Exception, SystemExit) as error:
            # The wall: the user's own code failed while it was imported; one line says where, instead of our traceback.
            raise _raised(reference, error, None) from error
    path = Path(place).resolve()
    spec = importlib.util.spec_from_file_location(_module_name(path), path)
    if spec is None or spec.loader is None or not path.is_file():
        raise InvalidInput("agents", reference, f"there is no such file; {ACCEPTED}")
    _look_in(str(path.parent))
    module = importlib.util.module_from_spec(spec)
    # Annotations are resolved through sys.modules, so the module must be there while its skills are registered.
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        # The same wall.
        del sys.modules[spec.name]
        raise _raised(reference, error, path) from error
    return module


def _module_name(path: Path) -> str:
    """Not the stem alone: `random.py` must not become everybody's `random`, nor one `agents.py` another."""
    return f"{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"


def _look_in(folder: str) -> None:
    if folder not in sys.path:
        sys.path.append(folder)


def _raised(reference: str, error: BaseException, path: Path | None) -> InvalidInput:
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if path and frame.filename == str(path)]
    if isinstance(error, SyntaxError) and path and error.filename == str(path):
        lines.append(error.lineno)
    where = f" at line {lines[-1]}" if lines else ""
    return InvalidInput("agents", reference, f"importing it raised {type(error).__name__}{where}: {error}; {ACCEPTED}")
