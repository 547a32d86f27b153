"""`sametask mcp`: the MCP server that Claude and IDEs start, to ask for tasks, comparisons and reports in conversation."""

from .serving import Options, run_mcp_server

__all__ = ["Options", "run_mcp_server"]
