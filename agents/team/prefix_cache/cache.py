"""A content-addressed prefix cache: what is kept, what is found again, what is evicted first.

A block's id stands for everything up to and including its tokens (vLLM: hash of the parent block's hash and the block's own
tokens), so a prompt is found up to its first missing block and no further. A block is *in use* while a request that needs
it is being processed; only blocks not in use can be evicted, the least recently freed first. A request's blocks are freed
from its last to its first, so that the tail of a prefix goes before its head.

Source: vLLM, "Automatic Prefix Caching" (design document of the v1 KV cache manager); Kwon et al., SOSP 2023.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Held:
    """Blocks that a request holds until it gives them back, and what getting them took. All counts are of blocks."""

    ids: Sequence[int]
    hit_blocks: int
    evicted_blocks: int


class PrefixCache:
    """At most `capacity` blocks (None: unlimited), each by its id."""

    def __init__(self, capacity: int | None = None) -> None:
        self.capacity = capacity
        self._in_use: dict[int, int] = {}
        self._free: OrderedDict[int, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._in_use) + len(self._free)

    def __contains__(self, block: int) -> bool:
        return block in self._in_use or block in self._free

    def hits(self, ids: Sequence[int]) -> int:
        """How many of a prompt's blocks are found: those before its first missing one."""
        in_use, free = self._in_use, self._free
        for count, block in enumerate(ids):
            if block not in free and block not in in_use:
                return count
        return len(ids)

    def acquire(self, ids: Sequence[int]) -> Held | None:
        """Take a prompt's distinct blocks into use, evicting as needed; give them back with `release`.

        None when there is no room because others hold too much. A prompt longer than the whole cache gets its first
        `capacity` blocks, once nobody else holds any.
        """
        in_use, free, capacity = self._in_use, self._free, self.capacity
        found = self.hits(ids)
        if capacity is not None and len(in_use) + len(ids) > capacity:
            if not in_use:
                ids = ids[:capacity]
            elif len(in_use) + sum(block not in in_use for block in ids) > capacity:
                return None
        for block in ids:
            if block in in_use:
                in_use[block] += 1
            else:
                # A block behind the first missing one may still be there: it is taken over, but it was no hit.
                free.pop(block, None)
                in_use[block] = 1
        evicted = 0
        if capacity is not None:
            while len(in_use) + len(free) > capacity:
                free.popitem(last=False)
                evicted += 1
        return Held(ids, found, evicted)

    def release(self, held: Held) -> None:
        """Give a request's blocks back, the last one first; they stay cached until they are evicted."""
        in_use, free = self._in_use, self._free
        for block in reversed(held.ids):
            if (users := in_use[block]) > 1:
                in_use[block] = users - 1
            else:
                del in_use[block]
                free[block] = None
