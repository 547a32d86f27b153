"""Every variant there is: protocol + revision + transport, found by looking into each protocol's folder.

A protocol's folder exports `VARIANTS`, a tuple of `Variant`. Its server and client halves are named, not imported, so that
`sametask --help` and a server of one protocol do not pay for the libraries of all of them.
"""

from __future__ import annotations

import asyncio
import pkgutil
import re
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol, cast

from ..agents.errors import InvalidInput, Unavailable
from .client import MAX_MESSAGE_BYTES, Connect
from .webhook_settings import WebhookSettings

if TYPE_CHECKING:
    from ..agents.engine import TaskEngine


@dataclass(frozen=True)
class Bind:
    """Where a server listens. Listener i of a variant takes `port + i`; port 0 takes any free port.

    `advertise` maps a listener's name to the `host:port` that clients shall be told instead of the bound one (behind a
    proxy or a relay), wherever the protocol tells clients addresses. `store` is the engine's URL, for a server that keeps
    its tasks itself, beside it. `webhooks` says where webhooks may go, and how patiently they are delivered.
    """

    host: str = "127.0.0.1"
    port: int = 0
    advertise: Mapping[str, str] = field(default_factory=dict[str, str])
    max_message_bytes: int = MAX_MESSAGE_BYTES
    store: str = ""
    webhooks: WebhookSettings = field(default_factory=WebhookSettings)

    def port_of(self, listener: int) -> int:
        return self.port + listener if self.port else 0


@dataclass(frozen=True)
class Endpoint:
    """A running server: the `url` a client connects to, and the bound `host:port` of each listener by name. On pipes,
    `closed` is set once the peer has closed them.
    """

    url: str
    listeners: Mapping[str, str]
    closed: asyncio.Event | None = None


class Serve(Protocol):
    """The server half of a variant: `async with serve(engine, bind) as endpoint`; leaving the block drains and stops.

    Raises: Unavailable when the port cannot be bound.
    """

    def __call__(self, engine: TaskEngine, bind: Bind) -> AbstractAsyncContextManager[Endpoint]: ...


@dataclass(frozen=True)
class Variant:
    """Protocol + revision + transport: the thing that is compared.

    `server` and `client` are `module:function` below this package. `listeners` names the sockets its server opens; a
    variant without listeners runs as a child of its client, on pipes. `url` is the form of its address, with one
    `{listener}` per name. `fingerprint` is a regular expression for one exchange on its wire, as the taps write it down: its
    own match it in full and another protocol's do not; empty where there is no wire. `lacks` says, for each ability that the
    protocol does not have, which section of its specification decides it.

    `library` says in one sentence what its library's client does with a long task out of the box. `default_timeout_s`: after
    how many seconds without a byte that client takes its connection for lost; None: never. `ping_s`: how often the server
    writes something on a stream that has nothing to tell, where that is a byte to the client's timeout; None: never.

    `stock_of` makes it a row to compare against: it names the variant whose wire it speaks, with a server as its library
    brings it, which keeps its tasks itself and never uses the engine. `extends` names the variant that this one is with an
    extension of ours on top, never measured as one with it. `needs` are the modules of the `stock` extra without
    which it cannot be served.
    """

    name: str
    protocol: str
    revision: str
    transport: str
    title: str
    server: str
    client: str
    url: str
    fingerprint: str
    listeners: tuple[str, ...] = ("http",)
    lacks: Mapping[str, str] = field(default_factory=dict[str, str])
    library: str = ""
    default_timeout_s: float | None = None
    ping_s: float | None = None
    stock_of: str = ""
    extends: str = ""
    needs: tuple[str, ...] = ()

    @property
    def missing(self) -> str:
        """Why it cannot be served here; empty where it can."""
        absent = [module for module in self.needs if find_spec(module) is None]
        return f"{' and '.join(absent)} is not installed; pip install 'sametask[stock]' brings it" if absent else ""

    @property
    def default_silence_s(self) -> float | None:
        """How long a task that is followed may be silent until the library's own client gives it up; None: for ever. Who
        scales that client's timeouts shortens them and not the pings: what holds for ever here then holds no more.
        """
        pinged = self.ping_s is not None and self.default_timeout_s is not None and self.ping_s < self.default_timeout_s
        return None if pinged else self.default_timeout_s

    def serve(self) -> Serve:
        """Raises: Unavailable where a module that it needs is not installed."""
        if self.missing:
            raise Unavailable(f"{self.name}: {self.missing}")
        return cast(Serve, _load(self.server))

    def connect(self) -> Connect:
        return cast(Connect, _load(self.client))

    def speaks(self, line: str) -> bool:
        """Whether the fingerprint of an exchange is of this variant."""
        return bool(self.fingerprint) and re.fullmatch(self.fingerprint, line) is not None

    def address(self, listeners: Mapping[str, str]) -> str:
        """The url of a server whose listeners are reached at these `host:port`s."""
        return self.url.format_map(listeners)


def _load(reference: str) -> object:
    module, _, name = reference.partition(":")
    return getattr(import_module(f".{module}", __package__), name)


def variants() -> dict[str, Variant]:
    """Every variant by name, in the order of their folders' `ORDER`."""
    folders: list[tuple[int, tuple[Variant, ...]]] = []
    assert __package__ is not None
    for found in pkgutil.iter_modules(import_module(__package__).__path__):
        if found.ispkg:
            folder = import_module(f".{found.name}", __package__)
            folders.append((folder.ORDER, folder.VARIANTS))
    return {variant.name: variant for _, group in sorted(folders, key=lambda f: f[0]) for variant in group}


def variant(name: str) -> Variant:
    """The variant of that name.

    Raises: InvalidInput, listing the names there are.
    """
    known = variants()
    if name not in known:
        raise InvalidInput("variant", name, "accepted: one of: " + ", ".join(known))
    return known[name]
