"""MCP over Streamable HTTP with the official SDK's client, and pydantic models by hand."""

VARIANT = "mcp-http"
LABEL = "mcp-http"
