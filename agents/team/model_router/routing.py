"""Sending each query to a weak or a strong model by its difficulty: cost, quality and latency of it.

- `predictive`: a query of difficulty >= threshold goes to the strong model, any other to the weak one; one call each. Ong
  et al., "RouteLLM: Learning to Route LLMs with Preference Data" (2024), section 2: a score and a cost threshold.
- `cascade`: the weak model is called first, and where that will not do the strong one after it: Chen, Zaharia and Zou,
  "FrugalGPT" (2023), section 3, "LLM cascade". Both calls are paid and waited for. That the difficulty stands in for
  FrugalGPT's judge of the weak answer is ours.

Ours: the probability of a good answer is linear in difficulty. Money is in US dollars, times are in milliseconds.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random


@dataclass(frozen=True, slots=True)
class Ask:
    """A query, as far as routing is concerned."""

    difficulty: float
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A model: prices per million tokens, quality at difficulty 0 and 1, time to the first and per token."""

    input_price: float
    output_price: float
    easiest_quality: float
    hardest_quality: float
    first_token_ms: float
    ms_per_output_token: float

    def answer(self, ask: Ask) -> Outcome:
        cost = (ask.input_tokens * self.input_price + ask.output_tokens * self.output_price) / 1e6
        quality = (1 - ask.difficulty) * self.easiest_quality + ask.difficulty * self.hardest_quality
        # Rounding may put the sum a last digit above 1.
        return Outcome(cost, min(1.0, quality), self.first_token_ms + ask.output_tokens * self.ms_per_output_token)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a query, or the whole of several, comes to: dollars, probability of a good answer, milliseconds."""

    cost: float
    quality: float
    latency_ms: float

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(self.cost + other.cost, self.quality + other.quality, self.latency_ms + other.latency_ms)


NOTHING = Outcome(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Router:
    """Two models, and whether the weak one is always called first."""

    weak: Candidate
    strong: Candidate
    cascade: bool

    def escalated(self, ask: Ask) -> Outcome:
        """What a query comes to that is answered by the strong model."""
        last = self.strong.answer(ask)
        if not self.cascade:
            return last
        first = self.weak.answer(ask)
        return Outcome(first.cost + last.cost, last.quality, first.latency_ms + last.latency_ms)

    def route(self, ask: Ask, threshold: float) -> tuple[bool, Outcome]:
        """Whether the strong model answers, and what that comes to."""
        if ask.difficulty >= threshold:
            return True, self.escalated(ask)
        return False, self.weak.answer(ask)


class Sweep:
    """The totals of many thresholds over the same queries: sorted and summed once, so that each is one search.

    Shape: at a threshold, the sums over all queries as an `Outcome`, and how many of them the strong model answers.
    """

    def __init__(self, asks: Iterable[Ask], router: Router) -> None:
        ordered = sorted(asks, key=lambda ask: ask.difficulty)
        self._difficulties = [ask.difficulty for ask in ordered]
        self._easier = list(accumulate(map(router.weak.answer, ordered), initial=NOTHING))
        self._harder = list(accumulate(map(router.escalated, reversed(ordered)), initial=NOTHING))

    def __len__(self) -> int:
        return len(self._difficulties)

    def at(self, threshold: float) -> tuple[Outcome, int]:
        weak_count = bisect_left(self._difficulties, threshold)
        strong_count = len(self) - weak_count
        return self._easier[weak_count] + self._harder[strong_count], strong_count


def synthetic_queries(seed: int, count: int) -> list[Ask]:
    """Made-up queries; the same values always give the same ones. Difficulties follow Beta(2, 3): most are easy."""
    # Only `random()` is drawn from: its sequence for a seed is the one that Python promises to keep. The second smallest of
    # four uniform numbers follows Beta(2, 3).
    draw = Random(seed).random
    return [
        Ask(sorted((draw(), draw(), draw(), draw()))[1], 50 + int(draw() * 1950), 20 + int(draw() * 780)) for _ in range(count)
    ]


def spread(count: int) -> Sequence[float]:
    """`count` thresholds from 0 (all go to the strong model), evenly up to 1, and last 2 (none does)."""
    return [*(index / max(1, count - 2) for index in range(count - 1)), 2.0]
