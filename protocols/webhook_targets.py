"""Where webhooks may go: a check on the URL when it is given, and on every address when it is connected to.

A caller who may name a URL may not thereby reach what only this host can reach (OWASP: server-side request forgery). The
address that was checked is the one that is connected to, so that a name which changes its mind in between gains nothing.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from ..agents.errors import InvalidInput

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a name and port, in the order in which to try them. Raises: OSError."""

MAX_URL_CHARACTERS = 2048
LAST_PORT = 65_535

# What `ipaddress` of every supported Python does not refuse by itself (IANA special-purpose registries, 2024).
_REFUSED = [
    *(ip_network(each) for each in ("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24")),
    *(ip_network(each) for each in ("2001::/23", "2001:db8::/32", "2620:4f:8000::/48", "3fff::/20")),
]
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64, _6TO4 = IPv6Network("64:ff9b::/96"), IPv6Network("2002::/16")
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?", re.IGNORECASE)


@dataclass(frozen=True)
class Targets:
    """Public addresses over https are accepted; `networks` and `hosts` besides, and these over plain http as well."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    hosts: frozenset[str] = frozenset()

    @classmethod
    def of(cls, allowed: Iterable[str]) -> Targets:
        """Those that `allowed` names, each a network (`10.0.0.0/8`), an address, or a host's name.

        Raises: InvalidInput.
        """
        networks: list[IPv4Network | IPv6Network] = []
        hosts: set[str] = set()
        for each in allowed:
            try:
                networks.append(ip_network(each))
            except ValueError:
                # What looks like a network and is none (host bits set, too long a prefix) is not taken for a name.
                if not _HOST.fullmatch(each) or each.replace(".", "").isdigit():
                    accepted = "accepted: a network (10.0.0.0/8), an address, or a host's name"
                    raise InvalidInput("allow-webhook", each, accepted) from None
                hosts.add(_name(each))
        return cls(tuple(networks), frozenset(hosts))

    def names(self, host: str, address: str) -> bool:
        """Whether this address, or the host's name, is one of those configured."""
        found = plain(address)
        return _name(host) in self.hosts or any(found in network for network in self.networks)

    def accepts(self, host: str, address: str, *, secure: bool) -> bool:
        return self.names(host, address) or (secure and is_public(address))


def _name(host: str) -> str:
    return host.lower().rstrip(".")


def plain(address: str) -> IPv4Address | IPv6Address:
    """The address that is meant: IPv4 within IPv6 (mapped, NAT64, 6to4) is IPv4, and a scope is no part of it."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return found.ipv4_mapped
        if found in _NAT64:
            return IPv4Address(int(found) & 0xFFFFFFFF)
        if found in _6TO4:
            return IPv4Address(int(found) >> 80 & 0xFFFFFFFF)
    return found


def is_public(address: str) -> bool:
    """Whether the address is one that anybody on the internet reaches: none of private, loopback, link-local, shared (CGNAT),
    multicast, unspecified, reserved, documentation or benchmarking.
    """
    found = plain(address)
    if isinstance(found, IPv6Address) and found not in _GLOBAL_UNICAST:
        return False
    if not found.is_global or found.is_multicast or found.is_reserved:
        return False
    return not any(found.version == network.version and found in network for network in _REFUSED)


async def resolve(host: str, port: int) -> list[str]:
    """By the host's own resolver."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # a label that is empty or too long, which IDNA does not encode
        raise OSError(str(error)) from None
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


_ACCEPTED = "accepted: an https URL of a public address; others where the server is started to allow them"


async def check_url(url: str, targets: Targets, resolver: Resolve = resolve, field: str = "url") -> None:
    """The URL as it is given, and every address that its host has now.

    Raises: InvalidInput, naming the field, the value and what is accepted.
    """
    import httpx  # here: whoever only reads the settings does not pay for it

    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise InvalidInput(field, url, f"{_ACCEPTED} ({str(error)[:80]})") from None
    host, secure = parsed.raw_host.decode("ascii").strip("[]"), parsed.scheme == "https"
    port = (443 if secure else 80) if parsed.port is None else parsed.port
    if parsed.scheme not in ("http", "https") or not host or not 0 < port <= LAST_PORT:
        raise InvalidInput(field, url, _ACCEPTED)
    if len(url) > MAX_URL_CHARACTERS:
        raise InvalidInput(field, url, f"accepted: up to {MAX_URL_CHARACTERS} characters")
    if parsed.userinfo:
        raise InvalidInput(field, f"{parsed.scheme}://...@{host}", "accepted: a URL without user and password")
    try:
        addresses = await resolver(host, port)
    except OSError as error:
        raise InvalidInput(field, url, f"accepted: a host that has an address ({error.strerror or error})") from None
    for address in addresses:
        if not targets.accepts(host, address, secure=secure):
            # Not which address: what a name is inside of this network is not told.
            why = "is not public" if not is_public(address) else "is public, and the URL plain http"
            raise InvalidInput(field, url, f"{_ACCEPTED} (an address of {host} {why})")
