"""Rows to compare against: what a team gets from a protocol's usual library as it comes, without our runtime underneath.

They run the same agents over the same wire as the variant that `stock_of` names. Whatever differs between the two is the
library's server and our adapter, not the protocol.
"""

from dataclasses import replace

from ..a2a import VARIANTS as A2A
from ..mcp import VARIANTS as MCP
from ..rest import VARIANTS as REST
from ..variants import Variant

ORDER = 90

_VARIANTS = {each.name: each for each in (*REST, *MCP, *A2A)}
_REST, _MCP, _A2A, _A2A_JSONRPC = (_VARIANTS[name] for name in ("rest", "mcp-http", "a2a-grpc", "a2a-jsonrpc"))

_RESTART = "tasks are asyncio tasks of the server's process, and nothing runs them again when it has died"
_REST_LACKS = {
    "webhooks": "FastAPI describes webhooks in its OpenAPI document, and sends none (fastapi, advanced/openapi-webhooks)",
    "idempotency": "FastAPI has no idempotency keys",
    "error_words": "FastAPI's own 422 body: a list of pydantic's complaints (fastapi, handling-errors)",
    "survives_restart": f"{_RESTART}; their table is a dict",
}
_MCP_LACKS = {
    **_MCP.lacks,
    "agents_told": "tools/list names tools, no agents (MCP 2026-07-28, server/tools)",
    "tasks": "a tool is one tools/call by default, without an id to follow, answer or cancel it by; fastmcp[tasks] is an extra",
    "idempotency": "FastMCP has no idempotency keys",
    "error_words": "FastMCP answers a wrong argument with pydantic's own text as a tool error",
    "survives_restart": "a tool's work belongs to its call: a cut connection is its cancel (MCP 2026-07-28, basic/transports)",
}
_A2A_LACKS = {
    **_A2A.lacks,
    "webhooks": "DefaultRequestHandler refuses push notifications unless it is given a store and a sender for them (a2a-sdk)",
    "idempotency": "two messages of one messageId are two tasks: DefaultRequestHandler does not compare them",
    "answer_errors": "an executor that raises fails its task (a2a-sdk, AgentExecutor): a wrong answer is asked again instead",
    "survives_restart": f"{_RESTART}; a database keeps their last state, and only that",
    "error_words": "GrpcHandler sends A2A's error classes and message, and not the server's own class",
}

VARIANTS: tuple[Variant, ...] = (
    replace(
        _REST,
        name="stock-fastapi",
        title="stock: a team's own FastAPI service, tasks in a dict",
        server="stock.fastapi_server:serve",
        client="stock.fastapi_client:connect",
        lacks=_REST_LACKS,
        stock_of="rest",
    ),
    replace(
        _MCP,
        name="stock-fastmcp",
        title="stock: FastMCP 4 with its defaults (no tasks)",
        server="stock.fastmcp_server:serve",
        client="stock.fastmcp_client:connect",
        lacks=_MCP_LACKS,
        stock_of="mcp-http",
        needs=("fastmcp",),
    ),
    replace(
        _A2A,
        name="stock-a2a-grpc",
        title="stock: a2a-sdk's DefaultRequestHandler, in memory",
        server="stock.a2a_server:serve",
        lacks=_A2A_LACKS,
        stock_of="a2a-grpc",
    ),
    replace(
        _A2A_JSONRPC,
        name="stock-a2a-jsonrpc",
        title="stock: a2a-sdk's JSON-RPC routes, in memory",
        server="stock.a2a_server:serve",
        lacks=_A2A_LACKS,
        stock_of="a2a-jsonrpc",
    ),
    replace(
        _A2A,
        name="stock-a2a-grpc-db",
        title="stock: a2a-sdk's DefaultRequestHandler, in a database",
        server="stock.a2a_server:serve_database",
        lacks=_A2A_LACKS,
        stock_of="a2a-grpc",
        needs=("sqlalchemy", "aiosqlite"),
    ),
)
