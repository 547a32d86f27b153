"""MCP 2025-11-25 over stdio with the official SDK's client, and pydantic models by hand."""

VARIANT = "mcp-stdio-2025"
LABEL = "mcp-stdio-2025"
