"""A2A over its JSON-RPC binding with the official SDK's client, and pydantic models by hand."""

VARIANT = "a2a-jsonrpc"
LABEL = "a2a-jsonrpc"
