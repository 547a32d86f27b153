"""MCP 2025-11-25 over Streamable HTTP with the official SDK's client, and pydantic models by hand."""

VARIANT = "mcp-http-2025"
LABEL = "mcp-http-2025"
