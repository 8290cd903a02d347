"""The file that names the MCP servers.

    {"servers": {
        "files":  {"command": "files-server", "args": ["--root", "/srv"], "env": {"TOKEN": "${FILES_TOKEN}"},
                   "approval": ["delete"]},
        "wiki":   {"url": "https://wiki.example/mcp", "headers": {"Authorization": "Bearer ${WIKI_TOKEN}"},
                   "timeout_seconds": 5}
    }}

A server is a command, which is started as a child and spoken to over its standard input and output, or a URL, which is
spoken to over streamable HTTP. `${NAME}` in `env` and `headers` is the variable NAME of the environment, so that
secrets need not stand in the file. Of the environment a child is given those of `env` and a few like PATH.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field, ValidationError, model_validator

from app.tools.errors import ToolsConfigError

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+(_[A-Za-z0-9-]+)*$", max_length=32)]


class Server(BaseModel):
    """One server. `timeout_seconds` is for connecting, listing and every call; `approval` names tools of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    command: str | None = Field(None, min_length=1)
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = Field(default_factory=dict, repr=False)
    url: AnyHttpUrl | None = Field(None, repr=False)
    headers: Mapping[str, str] = Field(default_factory=dict, repr=False)
    timeout_seconds: float = Field(20, gt=0, le=600)
    approval: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_way_to_reach_it(self) -> Server:
        if (self.command is None) == (self.url is None):
            raise ValueError("needs either a command or a url")
        if self.url is None and self.headers:
            raise ValueError("headers belong to a url")
        if self.command is None and (self.args or self.env):
            raise ValueError("args and env belong to a command")
        return self


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    servers: dict[Name, Server]


def load(path: Path, environment: Mapping[str, str]) -> Mapping[str, Server]:
    """The servers in the file at `path`, by name.

    Raises ToolsConfigError with one sentence that names the file and the field; it never repeats a value.
    """
    try:
        file = _File.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ToolsConfigError(f"{path}: cannot be read: {error.strerror}.") from None
    except ValidationError as error:
        raise ToolsConfigError(f"{path}: {_sentence(error)}") from None
    return {name: _filled(server, f"{path}: servers.{name}", environment) for name, server in file.servers.items()}


def _filled(server: Server, place: str, environment: Mapping[str, str]) -> Server:
    changed: dict[str, Any] = {}
    for field in ("env", "headers"):
        values: Mapping[str, str] = getattr(server, field)
        changed[field] = {key: _with(environment, value, f"{place}.{field}.{key}") for key, value in values.items()}
    return server.model_copy(update=changed)


def _with(environment: Mapping[str, str], value: str, place: str) -> str:
    def variable(found: re.Match[str]) -> str:
        if found[1] not in environment:
            raise ToolsConfigError(f"{place}: the environment has no variable {found[1]}.")
        return environment[found[1]]

    return _VARIABLE.sub(variable, value)


def _sentence(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in problem["loc"] if part != "[key]")
    message = problem["msg"].removeprefix("Value error, ").rstrip(".")
    if problem["type"] == "string_pattern_mismatch":
        message = "a name has letters, digits, - and single _ inside"
    return f"{place}: {message[:1].lower()}{message[1:]}." if place else f"{message}."
