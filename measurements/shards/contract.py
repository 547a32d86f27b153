"""What the coordinator and the workers tell each other: a shard, what it gives, and the question what time it is."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import Field

from ...agents.events import Frozen
from ..bench import Effort
from ..metric import Block
from ..provenance import Revision
from ..run_folder import Host
from ..samples import Sample, Where

AGENT, SKILL = "measuring", "shard"
ACCEPTED = "accepted"
"""The artifact that says who measures; those of the blocks are called `block-0`, `block-1` ..."""
BLOCK = "block-"
BUSY = "busy"


class Release(Frozen):
    """Which source measures: two that differ are not measured together."""

    sametask: str
    revision: str

    @staticmethod
    def of(versions: Mapping[str, str], git: Revision | None) -> Release:
        return Release(sametask=versions.get("sametask", ""), revision=git.label() if git else "")


class Shard(Frozen):
    """One round of a metric: all that a machine needs to measure its blocks."""

    run: str = Field(max_length=100, description="the run's id")
    metric: str = Field(max_length=100, description="the metric's name")
    part: int = Field(ge=0, description="which round, from 0")
    of: int = Field(ge=1, description="how many rounds there are")
    seed: int = Field(description="the run's seed")
    effort: Effort = Field(description="how much a suite measures")
    variants: tuple[str, ...] = Field(max_length=100, description="the variants that are compared")
    blocks: tuple[Block, ...] = Field(max_length=1000, description="what is measured, each on a fresh server")
    release: Release = Field(description="which source has to measure it")


class Accepted(Frozen):
    worker: str


class BlockReport(Frozen):
    """What one block gave, on whichever machine measured it."""

    where: Where
    host: Host
    samples: tuple[Sample, ...] = Field(max_length=100)


class Done(Frozen):
    blocks: int = Field(description="how many blocks were measured")


class Clock(Frozen):
    """The coordinator's clock, for the exchange of that `nonce`. Units: milliseconds since the Unix epoch."""

    nonce: str
    at_ms: float


CLOCK_QUESTION = "What does the coordinator's clock say?"


def cell_of(sample: Sample) -> str:
    """What tells a sample from every other of its run."""
    return json.dumps([sample.metric, sample.variant, sample.cell, sample.trial], sort_keys=True)
