"""A part of the cells of a run, measured by itself: on another machine, or another day."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass

from ..agents.errors import InvalidInput
from .samples import Sample

MOST = 10_000


@dataclass(frozen=True)
class Part:
    """Part `number` of `of`, from 1.

    A cell is in it by a hash of its name alone, so that no order and no machine moves it. Variants are not in that name: what
    is compared with each other is measured in one part. Nor is the trial, which is added: each part has as many trials of a
    cell as every other, give or take one.
    """

    number: int = 1
    of: int = 1

    @classmethod
    def read(cls, text: str) -> Part:
        """`i/n` as a person types it. Raises: InvalidInput."""
        found = re.fullmatch(r"([1-9][0-9]{0,5})/([1-9][0-9]{0,5})", text.strip())
        number, of = (int(found[1]), int(found[2])) if found else (1, 0)
        if not number <= of <= MOST:
            raise InvalidInput("shard", text, f"accepted: i/n, i from 1 to n, n up to {MOST}, e.g. 1/2")
        return cls(number, of)

    @property
    def named(self) -> str:
        return f"{self.number}/{self.of}"

    @property
    def first(self) -> bool:
        return self.number == 1

    def holds(self, blank: Sample) -> bool:
        """Whether that sample is to be measured in this part."""
        cell = json.dumps([blank.metric, blank.cell], sort_keys=True).encode()
        return (int.from_bytes(hashlib.sha256(cell).digest()[:8]) + blank.trial) % self.of == self.number - 1


WHOLE = Part()
