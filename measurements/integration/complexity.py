"""Cognitive complexity of Python source.

Source: G. Ann Campbell, "Cognitive Complexity: a new way of measuring understandability", SonarSource, version 1.7, whose
rules for Python's constructs are: +1 for each if, elif, else, conditional expression, loop (its else too), except, match,
sequence of like boolean operators and direct recursion; and for if, conditional expression, loop, except and match +1 more
for each of these, or function or lambda, around it. `with`, `try`, `finally`, early return and comprehensions are free.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

_LOOPS = (ast.For, ast.AsyncFor, ast.While)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def cognitive_complexity(tree: ast.AST) -> int:
    return _all(ast.iter_child_nodes(tree), 0, "")


def _all(nodes: Iterable[ast.AST], nesting: int, function: str) -> int:
    return sum(_of(node, nesting, function) for node in nodes)


def _of(node: ast.AST, nesting: int, function: str) -> int:
    if isinstance(node, ast.If):
        return 1 + nesting + _if(node, nesting, function)
    if isinstance(node, _LOOPS):
        head = [node.test] if isinstance(node, ast.While) else [node.target, node.iter]
        own = 1 + nesting + bool(node.orelse)
        return own + _all(head, nesting, function) + _all([*node.body, *node.orelse], nesting + 1, function)
    if isinstance(node, ast.IfExp | ast.ExceptHandler | ast.Match):
        return 1 + nesting + _all(ast.iter_child_nodes(node), nesting + 1, function)
    if isinstance(node, _FUNCTIONS):
        inner = nesting + 1 if function else nesting  # a function nests only inside another one
        return _all(node.decorator_list, nesting, function) + _all(node.body, inner, node.name)
    if isinstance(node, ast.Lambda):
        return _of(node.body, nesting + 1, function)
    own = int(isinstance(node, ast.BoolOp) or _calls(node, function))
    return own + _all(ast.iter_child_nodes(node), nesting, function)


def _calls(node: ast.AST, function: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == function


def _if(node: ast.If, nesting: int, function: str) -> int:
    """The test and branches of an if that has been counted: elif and else cost 1 and no nesting."""
    total = _of(node.test, nesting, function) + _all(node.body, nesting + 1, function)
    match node.orelse:
        case []:
            return total
        case [ast.If() as other] if other.col_offset == node.col_offset:
            return total + 1 + _if(other, nesting, function)
        case _:
            return total + 1 + _all(node.orelse, nesting + 1, function)
