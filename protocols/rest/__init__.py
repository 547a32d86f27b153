"""REST: one HTTP operation per skill, described by OpenAPI, followed by Server-Sent Events or by polling."""

from ..variants import Variant

ORDER = 10
VARIANTS = (
    Variant(
        name="rest",
        protocol="rest",
        revision="OpenAPI 3.1",
        transport="HTTP/1.1, JSON and SSE",
        title="REST (OpenAPI 3.1 over HTTP/1.1, SSE)",
        server="rest.server:serve",
        client="rest.client:connect",
        url="http://{http}",
        library="httpx 0.28 gives up after 5 s without a byte and tries nothing again; the comments of a server on a silent"
        " stream, one in 15 s, come too late for it.",
        default_timeout_s=5.0,
        ping_s=15.0,
        fingerprint=r"(GET|POST|PUT|DELETE) /(?!\.well-known)((?! jsonrpc=| mcp-| a2a-).)*",
    ),
)
