"""MCP 2026-07-28: one tool per skill, long skills through the tasks extension (`io.modelcontextprotocol/tasks`, SEP-2663)."""

from ..variants import Variant

ORDER = 20

_REVISION = "2026-07-28"
_LACKS = {
    "event_replay": "no event log: tasks/get and notifications/tasks tell the newest status only (SEP-2663, Task Polling)",
    "event_numbers": "a status carries no sequence number (SEP-2663, Tasks)",
    "every_progress": "progress is the newest statusMessage (SEP-2663, Tasks); notifications/progress is not for tasks",
    "artifact_events": "no partial results: artifacts arrive inside the final result (SEP-2663, Task Status)",
    "cancel_errors": "tasks/cancel is cooperative and acknowledges an ended task too (SEP-2663, Task Cancellation)",
    "answer_errors": "tasks/update ignores a key that is not outstanding (SEP-2663, Task Update Requests)",
    "state_submitted": "a task that has not started is `working` (SEP-2663, Task Status)",
}

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
        lacks=_LACKS,
    ),
)
