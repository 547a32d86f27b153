"""MCP's official conformance suite against our adapter."""
