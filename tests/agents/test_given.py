"""What a caller gives has the JSON type that its schema tells."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import Field, ValidationError
from sametask.agents.events import MAX_INTEGER, Given


class Box(Given):
    count: int = 0
    size: float = 0.0
    ids: list[int] = Field(default=[])
    sizes: list[float] = Field(default=[])
    inner: list[Box] = Field(default=[])


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ({"count": 2.0}, Box(count=2)),
        ({"count": float(MAX_INTEGER)}, Box(count=MAX_INTEGER)),
        ({"size": 2}, Box(size=2.0)),
        ({"size": 1e300}, Box(size=1e300)),
        ({"ids": [1, 2.0]}, Box(ids=[1, 2])),
        ({"sizes": [1, 2.0, 0.5]}, Box(sizes=[1.0, 2.0, 0.5])),
        ({"inner": [{"count": 1.0}]}, Box(inner=[Box(count=1)])),
    ],
)
def test_a_number_is_taken_as_json_schema_takes_it(given: dict[str, Any], taken: Box):
    assert Box.model_validate(given) == taken
    assert all(type(item) is int for item in Box.model_validate(given).ids)


@pytest.mark.parametrize(
    "given",
    [
        {"count": "2"},
        {"count": True},
        {"count": 1.5},
        {"count": 1e300},
        {"size": "2"},
        {"size": False},
        {"ids": ["1"]},
        {"ids": [True]},
        {"ids": [0.5]},
        {"ids": "12"},
    ],
)
def test_what_is_no_number_there_is_refused(given: dict[str, Any]):
    with pytest.raises(ValidationError):
        Box.model_validate(given)
