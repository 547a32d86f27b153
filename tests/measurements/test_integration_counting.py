"""Counting, against numbers counted by hand on small snippets."""

from __future__ import annotations

import ast

import pytest
from sametask.measurements.integration.complexity import cognitive_complexity
from sametask.measurements.integration.counting import Count, count

CLIENT = '''
"""What the module is for."""

import json

import httpx
from pydantic import BaseModel
from ..handwritten.plans import Plan
from ...generated.some_client import Endpoint


class Question(BaseModel):
    """A docstring."""

    text: str
    size: int = 3  # a comment


async def ask(client: httpx.AsyncClient, question: Question) -> Plan:
    response = await client.post(
        "/ask",
        json={"text": question.text},
    )
    if response.is_error:
        raise RuntimeError(json.dumps(response.headers.raw))
    return Plan.model_validate(response.content)
'''


def test_a_client_counted_by_hand() -> None:
    counted = count(CLIENT)
    assert counted.lines == 5 + 3 + 5, "imports; class and fields; def, assignment, if, raise, return"
    assert counted.names == {
        "httpx.AsyncClient",
        "BaseModel",
        "Endpoint",
        ".post",
        ".is_error",
        ".headers",
        ".raw",
        ".content",
    }, "neither json's, nor the fields of the module's own class, nor its own imports"
    assert (counted.schema_fields, counted.complexity) == (2, 1)


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("", 0),
        ('"""Docstring."""\n', 0),
        ("x = 1; y = 2", 2),
        ("x = [\n  1,\n  2,\n]", 1),
        ("from a import b, c", 1),
        ("class A:\n  pass", 1),
        ("class A:\n  ...", 1),
        ("class A:\n  x: int\n  '''What x is.'''\n  y: int = 1", 3),
        ("if a:\n  b\nelif c:\n  d\nelse:\n  e", 5),
        ("try:\n  a\nexcept E:\n  b\nfinally:\n  c", 4),
        ("async def f():\n  async with a as b:\n    return b", 3),
        ("@decorated\ndef f(): return 1", 2),
        ("x = 1 if a else 2", 1),
    ],
)
def test_logical_lines(source: str, lines: int) -> None:
    assert count(source).lines == lines


@pytest.mark.parametrize(
    ("source", "tokens"),
    [
        ("", 0),
        ("x = 1  # why", 3),
        ('"""Docs."""\nx = 1', 3),
        ("def f(a):\n    '''Docs\n    of f.'''\n    return a", 8),
        ("'one' 'line'; x = 1", 4),
        ("f(a, b)", 6),
        ("f(\n    a,\n    b,\n)", 6),
    ],
)
def test_tokens_do_not_depend_on_layout(source: str, tokens: int) -> None:
    assert count(source).tokens == tokens


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import os.path\nos.path.join('a')", set[str]()),
        ("import grpc.aio\ngrpc.aio.insecure_channel(x)", {"grpc.aio.insecure_channel"}),
        ("import httpx as h\nh.get(x).json()", {"h.get", ".json"}),
        ("from lib import a, b as c\na(c)", {"a", "b"}),
        ("from lib import a\na.one.two()", {"a", "a.one.two"}),
        ("from .....proto.x_pb2 import Plan\nPlan()", {"Plan"}),
        ("from .connection import call\ncall()", set[str]()),
        ("class A:\n  x: int\n  def m(self): return self.x\nA().m().y", {".y"}),
        ("f(base_url=1)", set[str]()),
        ("a.b.c\na.c", {".b", ".c"}),
    ],
)
def test_library_names(source: str, names: set[str]) -> None:
    assert count(source).names == names


@pytest.mark.parametrize(
    ("source", "complexity"),
    [
        ("a = f(b)", 0),
        ("if a:\n  pass\nelif b:\n  pass\nelse:\n  pass", 3),
        ("if a:\n  pass\nelse:\n  if b:\n    pass", 1 + 1 + 2),
        ("for a in b:\n  if c:\n    pass", 1 + 2),
        ("def f():\n  for a in b:\n    while c:\n      if d:\n        pass", 1 + 2 + 3),
        ("x = a and b and c", 1),
        ("x = a and b or c", 2),
        ("x = a and not (b and c)", 2),
        ("x = 1 if a else 2", 1),
        ("try:\n  a\nexcept E:\n  if b:\n    pass\nfinally:\n  c", 1 + 2),
        ("with a as b:\n  if c:\n    pass", 1),
        ("def f():\n  def g():\n    if a:\n      pass", 2),
        ("x = lambda: 1 if a else 2", 2),
        ("def f(n):\n  return f(n - 1)", 1),
        ("match a:\n  case 1:\n    if b:\n      pass", 1 + 2),
        ("x = [a for a in b if c]", 0),
    ],
)
def test_cognitive_complexity(source: str, complexity: int) -> None:
    assert cognitive_complexity(ast.parse(source)) == complexity


def test_the_white_papers_own_example() -> None:
    """SonarSource's `sumOfPrimes`, whose complexity of 7 includes 1 for a labelled continue, which Python lacks."""
    source = """
def sum_of_primes(max):
    total = 0
    for i in range(1, max):
        for j in range(2, i):
            if i % j == 0:
                break
        total += i
    return total
"""
    assert cognitive_complexity(ast.parse(source)) == 6


def test_counts_add_up_and_a_name_counts_once() -> None:
    one, other = "import lib\nlib.a()", "import lib\nlib.a(lib.b)"
    assert count(one) + count(other) == count(one, other)
    assert count(one, other).names == {"lib.a", "lib.b"}
    assert count(one) + Count() == count(one)


def test_a_field_of_another_modules_class_is_no_librarys_name() -> None:
    assert count("f().text").names == {".text"}
    assert count("f().text", own=frozenset({"text"})).names == set()
