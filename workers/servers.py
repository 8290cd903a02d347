"""The MCP servers of a worker. Their client is loaded only where some are configured: it costs 40 MB and a second."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from app.chat.toolbox import Listing, no_servers
from app.config import Settings
from app.tools.errors import ToolsConfigError


def listing(settings: Settings) -> Listing:
    """What MCP_CONFIG's servers offer. A wrong file ends the process, with a sentence and exit code 2."""
    if settings.mcp_config is None:
        return no_servers
    try:
        servers = _servers(settings.mcp_config)
    except ToolsConfigError as error:
        sys.stderr.write(f"MCP_CONFIG: {error}\n")
        sys.exit(2)

    def listed(names: tuple[str, ...]) -> Any:
        found = servers.listing(names)
        return found.tools, found.missing

    return listed


def _servers(path: Path) -> Any:
    configured = import_module("app.tools.mcp.config").load(path, os.environ)
    return import_module("app.tools.mcp.servers").Servers(configured)
