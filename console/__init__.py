"""Where people stand: the `sametask` command, the IDE's MCP server, the report browser."""
