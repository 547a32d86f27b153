"""MCP: one tool per skill. Long skills go through the tasks extension in 2026-07-28 (SEP-2663), and are calls that wait in
2025-11-25, resumed with `Last-Event-ID`.
"""

from ..variants import Variant

ORDER = 20

_REVISION = "2026-07-28"
_REVISION_2025 = "2025-11-25"
_LACKS_2025 = {
    "webhooks": "what a server tells goes down a stream that its client has opened (2025-11-25, basic/transports, Listening for"
    " Messages from the Server)",
    "event_replay": "Last-Event-ID gives back what one call's stream has missed; a new call starts its own (2025-11-25,"
    " basic/transports, Resumability and Redelivery)",
    "event_numbers": "notifications/progress carries no sequence number (2025-11-25, basic/utilities/progress)",
    "artifact_events": "no partial results: artifacts arrive inside the final result (2025-11-25, server/tools)",
}
_LACKS = {
    "webhooks": "notifications/tasks go down the stream of a subscription, and nowhere else (SEP-2663, Task Status"
    " Notifications)",
    "event_replay": "no event log: tasks/get and notifications/tasks tell the newest status only (SEP-2663, Task Polling)",
    "event_numbers": "a status carries no sequence number (SEP-2663, Tasks)",
    "every_progress": "progress is the newest statusMessage (SEP-2663, Tasks); notifications/progress is not for tasks",
    "artifact_events": "no partial results: artifacts arrive inside the final result (SEP-2663, Task Status)",
    "cancel_errors": "tasks/cancel is cooperative and acknowledges an ended task too (SEP-2663, Task Cancellation)",
    "answer_errors": "tasks/update ignores a key that is not outstanding (SEP-2663, Task Update Requests)",
    "state_submitted": "a task that has not started is `working` (SEP-2663, Task Status)",
}

_ON_HTTP = (
    "mcp 2.3 gives up after 300 s without a byte and asks for nothing again; the server's pings on a silent stream, one in 15"
    " s, let it wait for ever."
)
_ON_HTTP_2025 = (
    "mcp 2.3 takes a stream for broken after 300 s without a byte and asks for its rest with Last-Event-ID, twice; the server's"
    " pings on a silent stream, one in 15 s, let it wait for ever."
)
_ON_PIPES = "mcp 2.3 sets no timeout on a pipe: it waits for an answer as long as the server's process keeps its end open."

VARIANTS = (
    Variant(
        name="mcp-http",
        protocol="mcp",
        revision=_REVISION,
        transport="Streamable HTTP",
        title="MCP 2026-07-28 (Streamable HTTP, tasks extension)",
        server="mcp.server:serve_http",
        client="mcp.client:connect_http",
        url="http://{http}/mcp",
        fingerprint=rf"POST /mcp .* mcp-protocol-version={_REVISION} .*jsonrpc=\S+",
        library=_ON_HTTP,
        default_timeout_s=300.0,
        ping_s=15.0,
        lacks=_LACKS,
    ),
    Variant(
        name="mcp-stdio",
        protocol="mcp",
        revision=_REVISION,
        transport="stdio",
        title="MCP 2026-07-28 (stdio, tasks extension)",
        server="mcp.server:serve_stdio",
        client="mcp.client:connect_stdio",
        url="stdio:",
        fingerprint=rf"stdio \S+ {_REVISION}",
        listeners=(),
        library=_ON_PIPES,
        lacks=_LACKS,
    ),
    Variant(
        name="mcp-http-2025",
        protocol="mcp",
        revision=_REVISION_2025,
        transport="Streamable HTTP",
        title="MCP 2025-11-25 (Streamable HTTP, sessions)",
        server="mcp.server:serve_http",
        client="mcp.client_2025:connect_http",
        url="http://{http}/mcp",
        fingerprint=rf"(POST|GET|DELETE) /mcp .*(mcp-protocol-version={_REVISION_2025}.*|jsonrpc=initialize)",
        library=_ON_HTTP_2025,
        default_timeout_s=300.0,
        ping_s=15.0,
        lacks=_LACKS_2025,
    ),
    Variant(
        name="mcp-stdio-2025",
        protocol="mcp",
        revision=_REVISION_2025,
        transport="stdio",
        title="MCP 2025-11-25 (stdio)",
        server="mcp.server:serve_stdio",
        client="mcp.client_2025:connect_stdio",
        url="stdio:",
        fingerprint=rf"stdio \S+ {_REVISION_2025}",
        listeners=(),
        library=_ON_PIPES,
        lacks=_LACKS_2025,
    ),
)
