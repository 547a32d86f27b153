"""MCP over stdio with the official SDK's client, and pydantic models by hand."""

VARIANT = "mcp-stdio"
LABEL = "mcp-stdio"
