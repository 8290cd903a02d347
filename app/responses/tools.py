"""The tools of a request: functions that its sender executes, and ours by the names of MCP servers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from app.responses import complaints
from app.responses.complaints import Complaint, unsupported

# The label of our built-in tools; a configured MCP server's is its name there.
OURS = "holdfast"
_MOST = 128
_MODES = ("auto", "none", "required")

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Choice = str | dict[str, str]


class Function(BaseModel):
    """A function that whoever asks executes. What else a client may say of it changes nothing."""

    model_config = ConfigDict(strict=True)

    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None

    def public(self) -> dict[str, Any]:
        """As OpenAI shows it."""
        return {"type": "function"} | self.model_dump()


class Server(BaseModel):
    """An MCP server of this installation, or our own tools."""

    model_config = ConfigDict(strict=True)

    server_label: Name
    server_url: str | None = None
    connector_id: str | None = None
    allowed_tools: list[Name] | None = None

    def names(self) -> list[str]:
        """Its tools, as replies name them."""
        prefix = "" if self.server_label == OURS else f"{self.server_label}__"
        return [f"{prefix}{name}" for name in (self.allowed_tools or ["*"])]


@dataclass(frozen=True, slots=True)
class Offer:
    """What a reply is offered: functions, the names of our tools, and how it shall choose."""

    functions: list[Function]
    ours: list[str]
    choice: Choice
    shown: list[dict[str, Any]]


def offer(tools: list[Any], choice: Any) -> Offer:
    """The offer that `tools` and `tool_choice` describe. Raises Complaint."""
    if len(tools) > _MOST:
        raise Complaint(f"'tools' may have at most {_MOST} entries.", param="tools", code="invalid_value")
    functions, ours, shown = list[Function](), list[str](), list[dict[str, Any]]()
    for place, tool in enumerate(tools):
        read = _read(tool, f"tools[{place}]")
        if isinstance(read, Function):
            functions.append(read)
            shown.append(read.public())
        else:
            ours += read.names()
            shown.append({"type": "mcp", "server_label": read.server_label, "allowed_tools": read.allowed_tools})
    if len({function.name for function in functions}) < len(functions):
        raise Complaint("'tools' names a function twice.", param="tools", code="invalid_value")
    allowed, chosen = _chosen(choice, functions)
    return Offer(allowed, ours, chosen, shown)


def _read(tool: Any, param: str) -> Function | Server:
    """One tool. Raises Complaint."""
    try:
        return _shaped(tool, param)
    except ValidationError as error:
        raise complaints.invalid(error, param) from None


def _shaped(tool: Any, param: str) -> Function | Server:
    type_ = tool.get("type") if isinstance(tool, dict) else None
    if type_ == "function":
        return Function.model_validate(tool)
    if type_ != "mcp":
        raise unsupported(
            f"{param}.type", f"{str(type_)[:100]!r} is no tool of this server; there are 'function' and 'mcp'."
        )
    server = Server.model_validate(tool)
    if server.server_url is not None or server.connector_id is not None:
        raise unsupported(
            f"{param}.server_url",
            "only MCP servers that this installation is configured with are reached; name one by its server_label.",
        )
    return server


def _chosen(choice: Any, functions: list[Function]) -> tuple[list[Function], Choice]:
    """The functions that may be called, and how to choose among them."""
    if choice is None:
        return functions, "auto"
    if isinstance(choice, str):
        return functions, _mode(choice, "tool_choice")
    type_ = choice.get("type") if isinstance(choice, dict) else None
    if type_ == "function":
        return functions, {"name": _known(choice.get("name"), functions)}
    if type_ == "allowed_tools":
        return _allowed(choice, functions), _mode(choice.get("mode", "auto"), "tool_choice.mode")
    raise unsupported("tool_choice", "it may be 'auto', 'none', 'required', a function, or allowed_tools of functions.")


def _mode(mode: Any, param: str) -> str:
    if mode not in _MODES:
        raise Complaint(f"Invalid '{param}': must be auto, none or required.", param=param, code="invalid_value")
    return str(mode)


def _allowed(choice: dict[str, Any], functions: list[Function]) -> list[Function]:
    listed = choice.get("tools")
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise Complaint("Invalid 'tool_choice.tools': must be a list of tools.", param="tool_choice.tools")
    names = {_known(one.get("name"), functions) for one in listed}
    return [function for function in functions if function.name in names]


def _known(name: Any, functions: list[Function]) -> str:
    if not any(function.name == name for function in functions):
        raise Complaint(
            f"Tool choice {str(name)[:100]!r} not found in 'tools' parameter.",
            param="tool_choice",
            code="invalid_value",
        )
    return str(name)
