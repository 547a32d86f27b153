"""Where webhooks may go: every class of address that is refused, when it is given and when it is connected to."""

from __future__ import annotations

import httpcore
import pytest
from sametask.agents.errors import InvalidInput
from sametask.protocols.webhook_connecting import CheckedBackend, TargetRefused
from sametask.protocols.webhook_targets import Targets, check_url, is_public

REFUSED = {
    "private": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"],
    "loopback": ["127.0.0.1", "127.255.255.254", "::1"],
    "link-local": ["169.254.169.254", "fe80::1", "fe80::1%eth0"],
    "unique local": ["fc00::1", "fd00:ec2::254"],
    "site-local": ["fec0::1"],
    "shared (CGNAT)": ["100.64.0.1", "100.100.100.200", "100.127.255.255"],
    "multicast": ["224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"],
    "unspecified": ["0.0.0.0", "0.1.2.3", "::"],
    "broadcast and reserved": ["255.255.255.255", "240.0.0.1"],
    "protocol assignments": ["192.0.0.1", "192.0.0.192", "192.88.99.1", "2001::1", "64:ff9b:1::1"],
    "documentation": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"],
    "benchmarking": ["198.18.0.1", "198.19.255.255", "2001:2::1"],
    "IPv4 in IPv6": ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe"],
    "6to4 of a private address": ["2002:7f00:1::", "2002:c0a8:101::1"],
    "discard": ["100::1"],
}
ADDRESSES = [address for group in REFUSED.values() for address in group]
PUBLIC = ["8.8.8.8", "1.1.1.1", "100.63.255.255", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


def resolving(*answers: list[str]):
    """A resolver that gives these answers in turn, the last one for ever."""
    left = list(answers)

    async def resolve(host: str, port: int) -> list[str]:
        return left.pop(0) if len(left) > 1 else left[0]

    return resolve


class Connected(Exception):
    """Thrown instead of connecting, with the address."""


def backend(targets: Targets, resolver, *, secure: bool = True) -> CheckedBackend:
    checked = CheckedBackend(targets, secure=secure, resolver=resolver)

    class Refusing:
        async def connect_tcp(self, host: str, *_: object) -> None:
            raise Connected(host)

    checked._backend = Refusing()
    return checked


@pytest.mark.parametrize("address", ADDRESSES)
async def test_an_address_that_is_not_public_is_refused_when_given_and_when_connected_to(address):
    assert not is_public(address)
    host = f"[{address.partition('%')[0]}]" if ":" in address else address
    for url in (f"https://{host}/x", "https://name.example/x"):
        with pytest.raises(InvalidInput, match=r"^url: .* is not accepted; accepted: an https URL of a public address"):
            await check_url(url, Targets(), resolving([address]))
    with pytest.raises(TargetRefused):
        await backend(Targets(), resolving([address])).connect_tcp("name.example", 443)


@pytest.mark.parametrize("address", PUBLIC)
async def test_a_public_address_is_accepted(address):
    assert is_public(address)
    await check_url("https://name.example/x", Targets(), resolving([address]))
    with pytest.raises(Connected, match=address):
        await backend(Targets(), resolving([address])).connect_tcp("name.example", 443)


async def test_a_name_that_also_has_a_private_address_is_refused_and_only_its_public_one_is_connected_to():
    both = resolving(["127.0.0.1", "8.8.8.8"])
    with pytest.raises(InvalidInput):
        await check_url("https://both.example/", Targets(), both)
    with pytest.raises(Connected, match=r"^8\.8\.8\.8$"):
        await backend(Targets(), both).connect_tcp("both.example", 443)


async def test_a_name_that_is_rebound_after_it_was_accepted_is_refused_at_connect():
    rebinding = resolving(["8.8.8.8"], ["127.0.0.1"])
    await check_url("https://rebound.example/", Targets(), rebinding)
    with pytest.raises(TargetRefused, match=r"rebound\.example"):
        await backend(Targets(), rebinding).connect_tcp("rebound.example", 443)


async def test_the_refusal_does_not_tell_what_a_name_is_inside():
    with pytest.raises(InvalidInput) as refused:
        await check_url("https://db.internal/", Targets(), resolving(["10.1.2.3"]))
    assert "10.1.2.3" not in refused.value.message
    with pytest.raises(TargetRefused) as at_connect:
        await backend(Targets(), resolving(["10.1.2.3"])).connect_tcp("db.internal", 443)
    assert "10.1.2.3" not in str(at_connect.value)


@pytest.mark.parametrize(
    "url",
    ["", "x", "ftp://8.8.8.8/", "file:///etc/passwd", "https://", "https:///x", "//8.8.8.8/", "https://user:pw@8.8.8.8/",
     "http://8.8.8.8/", "https://8.8.8.8/" + "x" * 2048, "https://8.8.8.8:99999/", "https://a\x00b/", "javascript:1"],
)  # fmt: skip
async def test_a_url_that_is_none_or_not_https_is_refused(url):
    with pytest.raises(InvalidInput, match=r"^url: ") as refused:
        await check_url(url, Targets(), resolving(["8.8.8.8"]))
    assert "accepted" in refused.value.details
    assert "pw" not in refused.value.message


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "localhost", "LOCALHOST.", "[::ffff:7f00:1]"])
async def test_another_spelling_of_loopback_is_refused_by_what_it_resolves_to(host):
    with pytest.raises(InvalidInput):
        await check_url(f"https://{host}/", Targets())


async def test_a_host_without_an_address_is_refused():
    async def nobody(host: str, port: int) -> list[str]:
        raise OSError("Name or service not known")

    with pytest.raises(InvalidInput, match="a host that has an address"):
        await check_url("https://nobody.example/", Targets(), nobody)
    with pytest.raises(httpcore.ConnectError):
        await backend(Targets(), nobody).connect_tcp("nobody.example", 443)


@pytest.mark.parametrize(
    ("allowed", "host", "address", "accepted"),
    [
        ("127.0.0.0/8", "name.example", "127.0.0.1", True),
        ("127.0.0.0/8", "name.example", "::ffff:127.0.0.1", True),
        ("127.0.0.1", "name.example", "127.0.0.1", True),
        ("127.0.0.1", "name.example", "127.0.0.2", False),
        ("::1", "name.example", "::1", True),
        ("hooks.internal", "hooks.internal", "10.0.0.1", True),
        ("hooks.internal", "HOOKS.internal.", "10.0.0.1", True),
        ("hooks.internal", "other.internal", "10.0.0.1", False),
    ],
)
@pytest.mark.parametrize("secure", [True, False])
def test_what_is_configured_is_accepted_besides_over_http_as_well(allowed, host, address, accepted, secure):
    assert Targets.of([allowed]).accepts(host, address, secure=secure) is accepted


@pytest.mark.parametrize("secure", [True, False])
def test_plain_http_to_a_public_address_is_not_accepted(secure):
    assert Targets.of(["127.0.0.0/8"]).accepts("name.example", "8.8.8.8", secure=secure) is secure


@pytest.mark.parametrize("allowed", ["", "10.0.0.1/8", "10.0.0.0/33", "a/b", "*.example", "300.1.1.1", "http://x"])
def test_what_is_configured_wrongly_is_named(allowed):
    with pytest.raises(InvalidInput, match=r"^allow-webhook: .*a network"):
        Targets.of([allowed])
