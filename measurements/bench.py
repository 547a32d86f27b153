"""The bench: real servers in processes of their own, each behind its taps, and the clients that call them."""

from __future__ import annotations

import contextlib
import shlex
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path

from ..agents.contract import Roster
from ..agents.engine import TaskEngine
from ..agents.events import TaskState
from ..agents.runtime import open_engine
from ..protocols.client import AgentClient, ClientSettings
from ..protocols.server_process import ServerOptions, ServerProcess, server_process
from ..protocols.variants import Variant
from .cases import BUNDLED, Cases
from .samples import Sample
from .wire.recording import Recording
from .wire.stdio import StdioTap
from .wire.tap import Tap, WireTap

TEAM: tuple[str, ...] = ()


@dataclass(frozen=True)
class Effort:
    """How much a suite measures. Units: `delays_ms` are injected round-trip times; `deadline_s` is when a task counts as
    hung; `load_s` is how long a stretch of load is; `outage_s` is how long a fault takes away what it gives back; `scale`
    multiplies the long waits of a scenario, and its thousands. `lanes` is how many variants are timed at once, each by a
    server and a client of its own; `stock` says whether stock rows are measured without being named, and `whole` whether
    every cell of a metric is.
    """

    name: str
    repeats: int
    trials: int
    delays_ms: tuple[float, ...] = (0.0, 10.0, 20.0, 40.0)
    deadline_s: float = 20.0
    load_s: float = 1.0
    outage_s: float = 2.0
    scale: float = 1.0
    lanes: int = 1
    stock: bool = False
    whole: bool = False


SUITES = {
    "quick": Effort("quick", repeats=3, trials=2, outage_s=0.5, scale=0.1, lanes=2),
    "full": Effort("full", repeats=10, trials=20, deadline_s=60.0, load_s=2.0, stock=True, whole=True),
}


@dataclass(frozen=True)
class Spare:
    """A server that runs, and what stops it."""

    server: ServerProcess
    running: contextlib.AsyncExitStack


class Station:
    """One variant's server behind its taps. Clients that `open()` makes go through the taps; `recording` has what passed."""

    def __init__(self, variant: Variant, engine: str, agents: tuple[str, ...], settings: ClientSettings) -> None:
        self.variant, self.recording = variant, Recording()
        self.taps: dict[str, Tap] = {}
        self._engine, self._agents, self._settings = engine, agents, settings
        self._server: ServerProcess | None = None
        self._store: TaskEngine
        self._stack = contextlib.AsyncExitStack()
        self._running = contextlib.AsyncExitStack()

    @property
    def url(self) -> str:
        """Where clients connect: the taps."""
        if self._stdio is not None:
            return "stdio:" + shlex.join(self._stdio.command)
        return self.variant.address({name: tap.address for name, tap in self.taps.items()})

    def open(self, settings: ClientSettings | None = None) -> AbstractAsyncContextManager[AgentClient]:
        """A new client of this variant."""
        return self.variant.connect()(self.url, settings or self._settings)

    def set_delay(self, delay_ms: float) -> None:
        """From now on every tap adds this round-trip time."""
        for tap in self.taps.values():
            tap.delay_ms = delay_ms

    async def ended(self, task_id: str) -> None:
        """Return once that task is terminal, as its store says: beside the wire, so that nobody's counts move. A server that
        keeps its tasks itself is asked, by another client whose connections are not recorded.
        """
        if self.variant.stock_of:
            delay_ms = max(tap.delay_ms for tap in self.taps.values())
            self.set_delay(0.0)
            with self.recording.aside():
                async with self.open() as other:
                    await other.wait(task_id)
            self.set_delay(delay_ms)
            return
        async for _ in self._store.events(task_id):
            pass

    async def busy(self) -> bool:
        """Whether a task runs, or will when the server is back, as the store says; of one that keeps its tasks itself nobody
        knows, and over pipes a server that has gone is back only with the next client.
        """
        if self._stdio is not None and not self._stdio.alive:
            return False
        states = () if self.variant.stock_of else await self._store.list()
        return not self.up or any(task.state in (TaskState.SUBMITTED, TaskState.WORKING) for task in states)

    async def kill(self) -> float:
        """SIGKILL to the server. Yields the monotonic time in seconds at which it was sent."""
        if self._stdio is not None:
            at = time.monotonic()
            self._stdio.kill()
            return at
        assert self._server is not None
        self._away()
        at = time.monotonic()
        await self._server.kill()
        await self._running.aclose()
        return at

    async def stop(self) -> None:
        """SIGTERM to the server, and SIGKILL where it does not drain; return when it is gone."""
        if self._stdio is not None:
            await self._stdio.stop()
            return
        assert self._server is not None
        await self._server.stop()
        self._away()
        await self._running.aclose()

    async def spare(self) -> Spare:
        """Another server on the same store, which no client is led to. Raises: Unavailable when it does not come up."""
        running = contextlib.AsyncExitStack()
        return Spare(await running.enter_async_context(server_process(self._options)), running)

    def take_over(self, spare: Spare) -> None:
        """From now on clients are led to that one; the one before is gone."""
        self._server, self._running = spare.server, spare.running
        for name, tap in self.taps.items():
            assert isinstance(tap, WireTap)
            tap.target = spare.server.endpoints[self.variant.name].listeners[name]

    @property
    def pid(self) -> int | None:
        """The server's process; None while there is none."""
        if self._stdio is not None:
            return self._stdio.pid
        return self._server.pid if self._server is not None and self.up else None

    @property
    def up(self) -> bool:
        """Whether the server's process lives. Over pipes that is the next client's affair."""
        return self._stdio is not None or (self._server is not None and self._server.process.returncode is None)

    async def start(self) -> None:
        """Start the server (again) on the same store. Over pipes the next client does that."""
        if self._stdio is not None:
            return
        await self._running.aclose()
        self.take_over(await self.spare())

    def _away(self) -> None:
        for tap in self.taps.values():
            assert isinstance(tap, WireTap)
            tap.target = None  # a dead server's port refuses; so does the tap, until the new one is there

    @property
    def _options(self) -> ServerOptions:
        advertise = {name: tap.address for name, tap in self.taps.items()}
        own = ("127.0.0.1",)  # where a scenario listens for webhooks
        return ServerOptions((self.variant,), self._engine, self._agents, advertise=advertise, allow_webhooks=own)

    @property
    def _stdio(self) -> StdioTap | None:
        tap = self.taps.get("stdio")
        return tap if isinstance(tap, StdioTap) else None

    async def __aenter__(self) -> Station:
        async with contextlib.AsyncExitStack() as stack:
            if self.variant.listeners:
                for name in self.variant.listeners:
                    self.taps[name] = await stack.enter_async_context(WireTap(recording=self.recording, name=name))
            else:
                options = ServerOptions((self.variant,), self._engine, self._agents)
                tap = StdioTap(options.command, recording=self.recording)
                self.taps["stdio"] = await stack.enter_async_context(tap)
            # Without agents this engine takes no task over: it only reads.
            self._store = await stack.enter_async_context(open_engine(self._engine, Roster([])))
            stack.push_async_callback(self._end)
            await self.start()
            self._stack = stack.pop_all()
        return self

    async def _end(self) -> None:
        await self._running.aclose()

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()


@dataclass(frozen=True)
class Bench:
    """What a metric measures with. `progress(done, total, text)` is told by the metric as it goes.

    Shape: `variants` are those asked for; those without a server of their own (inproc) have no wire to measure, and a stock
    one whose library is not installed none either. `wanted` says of a blank sample whether it is (still) to be measured.
    """

    variants: tuple[Variant, ...]
    effort: Effort
    seed: int
    scratch: Path
    progress: Callable[[float, float, str], None] = field(default=lambda done, total, text: None)
    settings: ClientSettings = ClientSettings()
    cases: Cases = BUNDLED
    wanted: Callable[[Sample], bool] = field(default=lambda sample: True)

    @property
    def wired(self) -> list[Variant]:
        return [variant for variant in self.variants if variant.server and not variant.missing]

    def without_wire(self, metric: str, cells: Sequence[dict[str, str]]) -> list[Sample]:
        """A `not_testable` sample for each cell of each variant that has no wire, or whose library is not installed."""
        reason = "it is called in the same process: there is no wire and no server to break"
        return [
            Sample(
                metric=metric,
                variant=variant.name,
                cell=dict(cell),
                status="not_testable",
                reason=variant.missing or reason,
                at=time.time(),
            )
            for variant in self.variants
            if not variant.server or variant.missing
            for cell in cells
        ]

    def station(self, variant: Variant, agents: tuple[str, ...] = TEAM, *, engine: str = "") -> Station:
        """A station with a store of its own, unless `engine` names one.

        Raises: Unavailable when the server does not come up.
        """
        if not engine:
            folder = Path(tempfile.mkdtemp(prefix=f"{variant.name}-", dir=self.scratch))
            engine = f"sqlite:///{folder / 'tasks.db'}"
        return Station(variant, engine, agents, self.settings)
