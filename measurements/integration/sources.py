"""The files of a specimen: which were written by hand and for what, and which a generator wrote."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from .counting import GENERATED, Count, count, logical_lines, own_attributes

AGENTS = ("prefix_cache", "moe_break_even", "model_router")
"""The agents that every specimen integrates, one module for each."""

SPECIMENS = "specimens"


@dataclass(frozen=True)
class Specimen:
    """`package` is importable, and `folder` is where it is. `variant` names the server it is for, `label` itself."""

    package: str
    folder: Path
    variant: str
    label: str

    @classmethod
    def load(cls, package: str) -> Specimen:
        module = import_module(package)
        return cls(package, Path(str(module.__file__)).parent, module.VARIANT, module.LABEL)

    def shared(self) -> Count:
        """What is paid once, however many agents there are."""
        return self._count(self._shared)

    def of_agent(self, agent: str) -> Count:
        """What this agent adds."""
        return self._count(_by_hand(_closure([self.folder / f"{agent}.py"])) - self._shared)

    def generated_lines(self) -> int:
        """Logical lines of the generated Python modules that are imported, directly or by each other."""
        return sum(logical_lines(file.read_text()) for file, generated in self._everything.items() if generated)

    @property
    def _shared(self) -> set[Path]:
        return _by_hand(_closure([self.folder / "connection.py"]))

    @property
    def _everything(self) -> dict[Path, bool]:
        return _closure([self.folder / f"{name}.py" for name in ("connection", *AGENTS)])

    def _count(self, files: set[Path]) -> Count:
        own = frozenset[str]().union(*(own_attributes(file.read_text()) for file in _by_hand(self._everything)))
        return count(*(file.read_text() for file in sorted(files)), own=own)


def specimens() -> list[Specimen]:
    """Every specimen, found by looking into the folder of that name for a `VARIANT`."""
    parent = import_module(f".{SPECIMENS}", __package__)
    found = [import_module(f"{parent.__name__}.{entry.name}") for entry in iter_modules(parent.__path__) if entry.ispkg]
    return [Specimen.load(module.__name__) for module in found if hasattr(module, "VARIANT")]


def _by_hand(files: dict[Path, bool]) -> set[Path]:
    return {file for file, generated in files.items() if not generated}


def _closure(files: Iterable[Path]) -> dict[Path, bool]:
    """These files and all that they import relatively, which is what is not a library's; and whether it was generated, which
    it is where the way to it leads through a package of generated code.
    """
    found: dict[Path, bool] = {}
    waiting = [(file.resolve(), False) for file in files]
    while waiting:
        file, generated = waiting.pop()
        if file not in found:
            found[file] = generated
            waiting += [(path, generated or entered) for path, entered in _imported(file)]
    return found


def _imported(file: Path) -> Iterable[tuple[Path, bool]]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            parts = (node.module or "").split(".")
            base = file.parents[node.level - 1].joinpath(*parts)
            for target in (base, *(base / alias.name for alias in node.names)):
                for path in (target.with_suffix(".py"), target / "__init__.py"):
                    if path.is_file():
                        yield path, parts[0] in GENERATED
