"""Agents of a user's own, from a Python file or an importable module."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from .contract import Agent, Roster
from .errors import InvalidInput


def load_roster(references: list[str]) -> Roster:
    """The agents named by `path/to/file.py`, `path/to/file.py:name`, `package.module` or `package.module:name`; without a
    name, every Agent found in the module.

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
    place, _, name = reference.partition(":")
    module = _module(reference, place)
    if name:
        found = getattr(module, name, None)
        if not isinstance(found, Agent):
            raise InvalidInput("agents", reference, f"accepted: the name of an Agent in {place}")
        return [found]
    agents = [value for value in vars(module).values() if isinstance(value, Agent)]
    if not agents:
        raise InvalidInput("agents", reference, "accepted: a module that holds an Agent")
    return agents


def _module(reference: str, place: str) -> ModuleType:
    try:
        if not place.endswith(".py"):
            return importlib.import_module(place)
        path = Path(place).resolve()
        spec = importlib.util.spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None or not path.is_file():
            raise InvalidInput("agents", reference, "accepted: a .py file that can be read, or an importable module")
        module = importlib.util.module_from_spec(spec)
        # Annotations are resolved through sys.modules, so the module must be there while its skills are registered.
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
        return module
    except InvalidInput:
        raise
    except Exception as error:
        # The user's own code failed while it was imported: one line that says where, instead of our traceback.
        raise InvalidInput("agents", reference, f"importing it raised {type(error).__name__}: {error}") from error
