"""What can go wrong with a tool; every message is a sentence fit for the model and for people."""

from __future__ import annotations


class ToolError(Exception):
    """The tool could not do it. `code` is stable for programs; `retryable`: the same call may work later."""

    code = "tool_error"
    retryable = False


class BadArguments(ToolError):
    """The arguments do not fit the tool's parameters; nothing was run."""

    code = "bad_arguments"


class UnknownTool(ToolError):
    """No tool of this name exists or was offered."""

    code = "unknown_tool"


class ToolFailed(ToolError):
    """The tool ran and could not do what was asked, or its result is of no use."""

    code = "tool_failed"


class ToolTimeout(ToolError):
    """The tool did not end within its time; what it did until then is unknown."""

    code = "tool_timeout"
    retryable = True


class ToolsBusy(ToolError):
    """Too many tools of this process hang; nothing was run."""

    code = "tools_busy"
    retryable = True


class ToolUnavailable(ToolError):
    """The server that offers the tool does not answer."""

    code = "tool_unavailable"
    retryable = True


class ToolsConfigError(ToolError):
    """The file of MCP servers is wrong; the message names the file and the field."""

    code = "tools_config"
