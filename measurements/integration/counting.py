"""What one module of integration code amounts to, counted from its syntax, so that layout and comments do not matter.

- lines: logical lines, which are the statements of Python's grammar (`ast.stmt`) except docstrings (any statement that is
  only a string), `pass` and `...`. `class X:`, each of its fields, `def`, `async with`, an import and a `return` are 1 each,
  however many physical lines they take; `else`, `except` and `finally` are parts of their statement.
- tokens: of Python's tokenizer, without comments, line ends, indentation, docstrings, and a comma before a closing bracket
  (it says only how the formatter wrapped the line).
- names: distinct names of libraries and generated code that the author must know: what is imported from one; what is reached
  through an imported name (`httpx.AsyncClient`); and every attribute of another value (`.raise_for_status`), except those
  that the specimen's own classes define. The standard library's do not count, nor do names of keyword arguments.
- schema_fields: annotated fields of classes written by hand.
- complexity: cognitive complexity.
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import reduce
from itertools import pairwise

from .complexity import cognitive_complexity

GENERATED = ("generated", "proto")
"""The packages of ours that hold generated code: what a relative import takes from them is a library's name."""

_LAYOUT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}


@dataclass(frozen=True)
class Count:
    """Counts of one or more modules; their sum has each name once."""

    lines: int = 0
    tokens: int = 0
    names: frozenset[str] = field(default=frozenset())
    schema_fields: int = 0
    complexity: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(
            self.lines + other.lines,
            self.tokens + other.tokens,
            self.names | other.names,
            self.schema_fields + other.schema_fields,
            self.complexity + other.complexity,
        )


def count(*sources: str, own: frozenset[str] = frozenset()) -> Count:
    """The count of these modules together. `own` are attributes that the specimen's classes in other modules define."""
    own = own.union(*(own_attributes(source) for source in sources))
    return reduce(Count.__add__, (_count(source, own) for source in sources), Count())


def _count(source: str, own: frozenset[str]) -> Count:
    tree = ast.parse(source)
    return Count(
        lines=logical_lines(source),
        tokens=_tokens(source, tree),
        names=frozenset(_names(tree, own)),
        schema_fields=sum(1 for _ in _fields(tree)),
        complexity=cognitive_complexity(tree),
    )


def logical_lines(source: str) -> int:
    return sum(isinstance(node, ast.stmt) and not _empty(node) for node in ast.walk(ast.parse(source)))


def own_attributes(source: str) -> frozenset[str]:
    """What the classes of a module define: fields and methods."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        for member in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef):
                found.add(member.name)
            targets = member.targets if isinstance(member, ast.Assign) else [getattr(member, "target", None)]
            found.update(target.id for target in targets if isinstance(target, ast.Name))
    return frozenset(found)


def _is_string(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _empty(node: ast.AST) -> bool:
    is_ellipsis = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and node.value.value is ...
    return isinstance(node, ast.Pass) or _is_string(node) or is_ellipsis


def _tokens(source: str, tree: ast.AST) -> int:
    docstrings = [
        ((node.lineno, node.col_offset), (node.end_lineno or 0, node.end_col_offset or 0))
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and _is_string(node)
    ]
    kept = [
        token.string
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type not in _LAYOUT and not any(start <= token.start < end for start, end in docstrings)
    ]
    wrapping = sum(token == "," and after in (")", "]", "}") for token, after in pairwise(kept))
    return len(kept) - wrapping


def _fields(tree: ast.AST) -> Iterator[ast.AnnAssign]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield from (member for member in node.body if isinstance(member, ast.AnnAssign))


def _names(tree: ast.AST, own: frozenset[str]) -> Iterator[str]:
    imports = _Imports(tree)
    yield from imports.names
    inner: set[int] = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or id(node) in inner:
            continue
        # The outermost attribute of a chain comes first: a.b.c is one name where a is a library's module.
        chain, root = [node], node.value
        while isinstance(root, ast.Attribute):
            inner.add(id(root))
            chain.append(root)
            root = root.value
        if isinstance(root, ast.Name) and root.id in imports.bound:
            if imports.bound[root.id]:
                yield ast.unparse(node)
        else:
            yield from (f".{part.attr}" for part in chain if part.attr not in own)


class _Imports:
    """`bound`: each name that an import binds, and whether it is a library's; `names`: those that are imported by name."""

    def __init__(self, tree: ast.AST) -> None:
        self.bound: dict[str, bool] = {}
        self.names: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    top = alias.name.partition(".")[0]
                    self.bound[alias.asname or top] = top not in sys.stdlib_module_names
            elif isinstance(node, ast.ImportFrom):
                top = (node.module or "").partition(".")[0]
                library = top in GENERATED if node.level else top not in sys.stdlib_module_names
                self.bound |= {alias.asname or alias.name: library for alias in node.names}
                self.names |= {alias.name for alias in node.names if library}
