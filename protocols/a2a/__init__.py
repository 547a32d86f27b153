"""A2A 1.0 (Agent2Agent): agent cards on HTTP; messages, tasks and their streams on a binding of the protocol."""

from dataclasses import replace

from ..variants import Variant

ORDER = 30

LACKS = {
    "event_replay": "A2A 1.0 section 3.1.6: SubscribeToTask takes a task id and no cursor; it begins with the task"
    " as it stands, and updates missed before are not sent again",
    "event_numbers": "A2A 1.0 sections 4.2.1 and 4.2.2: update events carry no id and no number",
}

_EXTENDED = {"event_replay", "event_numbers"}
"""What our resume extension brings, see docs/a2a-resume-extension.md."""
_GRPC = r"grpc /lf\.a2a\.v1\.A2AService/\w+ .*a2a-version=1\.0"
_ON_GRPC = (
    "a2a-sdk 1.3 on a plain channel of grpcio 1.85 sets no deadline and sends no keepalive: it waits for ever, also for a peer"
    " that went without a word; a call that has reached the server is not tried again."
)
_ON_HTTP = (
    "a2a-sdk 1.3 on httpx 0.28 gives up after 5 s without a byte and tries nothing again; the comments of a server on a silent"
    " stream, one in 15 s, come too late for it."
)
_CARD = r"GET /\.well-known/agent-card\.json .*"


def _variant(name: str, transport: str, title: str, client: str, fingerprint: str) -> Variant:
    return Variant(
        name=name,
        protocol="a2a",
        revision="1.0",
        transport=transport,
        title=f"A2A 1.0 ({title})",
        server="a2a.server:serve",
        client=f"a2a.client:{client}",
        url="http://{http}",
        fingerprint=f"{_CARD}|{fingerprint}",
        listeners=("http", "grpc"),
        lacks=LACKS,
        library=_ON_GRPC if transport == "gRPC" else _ON_HTTP,
        default_timeout_s=None if transport == "gRPC" else 5.0,
        ping_s=None if transport == "gRPC" else 15.0,
    )


_PLAIN_GRPC = _variant("a2a-grpc", "gRPC", "gRPC binding, agent card on HTTP", "connect_grpc", _GRPC)

VARIANTS = (
    _PLAIN_GRPC,
    replace(
        _PLAIN_GRPC,
        name="a2a-grpc+resume",
        title="A2A 1.0 with our resume extension (gRPC binding)",
        client="a2a.resuming_client:connect_grpc_resuming",
        fingerprint=f"{_CARD}|{_GRPC} a2a-extensions=urn:sametask:a2a:resume:1",
        lacks={ability: section for ability, section in LACKS.items() if ability not in _EXTENDED},
        extends="a2a-grpc",
    ),
    _variant(
        "a2a-jsonrpc",
        "JSON-RPC",
        "JSON-RPC binding",
        "connect_jsonrpc",
        r"POST /a2a application/json -> .*a2a-version=1\.0( jsonrpc=\w+)?",
    ),
    _variant(
        "a2a-http",
        "HTTP+JSON",
        "HTTP+JSON binding",
        "connect_http",
        r"(GET|POST|DELETE) /a2a/v1/(message:|tasks\b|extendedAgentCard).* -> .*a2a-version=1\.0",
    ),
)
