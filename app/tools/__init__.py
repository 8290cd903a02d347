"""What a model may call: tools as typed functions and MCP servers; knows no database, no door and no chat."""
