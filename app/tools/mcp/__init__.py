"""Tools of MCP servers, through the official client: configured by a file, offered only by name."""
