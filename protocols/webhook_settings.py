"""What a server may be told about webhooks."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from .webhook_targets import Resolve, Targets, resolve


@dataclass(frozen=True)
class WebhookSettings:
    """`targets`: where webhooks may go. A delivery that is not accepted within `attempt_timeout_s` has failed; the next one
    follows after `first_delay_s`, twice that, and so on up to `longest_delay_s`, each spread out by up to half; after
    `give_up_s` of failures alone the webhook has failed. `concurrent_count` deliveries run at once; `ca_file` replaces the
    public certificate authorities. `clock` gives seconds since the Unix epoch, `spread` a number within 0 and 1.
    """

    targets: Targets = field(default_factory=Targets)
    attempt_timeout_s: float = 15.0
    first_delay_s: float = 1.0
    longest_delay_s: float = 600.0
    give_up_s: float = 3 * 86_400.0
    concurrent_count: int = 32
    ca_file: str = ""
    resolver: Resolve = resolve
    clock: Callable[[], float] = time.time
    spread: Callable[[], float] = random.random

    def delay_s(self, failed_count: int, retry_after_s: float | None) -> float:
        """How long to wait after that many failures in a row, at least as long as the receiver asked for (RFC 9110 section
        10.2.3), but never longer than until it is given up.
        """
        doubled = min(self.longest_delay_s, self.first_delay_s * 2 ** min(failed_count - 1, 32))
        delay = doubled * (1 + self.spread() / 2)
        return min(self.give_up_s, max(delay, retry_after_s or 0.0))
