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
        fingerprint=r"(GET|POST|PUT|DELETE) /(?!\.well-known)((?! jsonrpc=| mcp-| a2a-).)*",
    ),
)
