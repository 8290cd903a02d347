from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.tools.errors import ToolsConfigError
from app.tools.mcp.config import load


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tools.json"


def test_a_file_names_servers_with_secrets_from_the_environment(file: Path) -> None:
    servers = {
        "files": {"command": "files-server", "args": ["--root", "${HOME}"], "env": {"TOKEN": "a${FILES}b"}},
        "my_wiki-2": {"url": "https://wiki.example/mcp", "headers": {"Authorization": "Bearer ${WIKI}"}},
    }
    file.write_text(json.dumps({"servers": servers}))
    loaded = load(file, {"FILES": "1", "WIKI": "w", "HOME": "/root"})
    assert loaded["files"].env == {"TOKEN": "a1b"}
    assert loaded["files"].args == ("--root", "${HOME}"), "only env and headers hold secrets"
    assert loaded["my_wiki-2"].headers == {"Authorization": "Bearer w"}
    assert loaded["my_wiki-2"].timeout_seconds == 20


def test_secrets_do_not_show_when_a_server_is_printed(file: Path) -> None:
    file.write_text(
        '{"servers": {"a": {"command": "x", "env": {"T": "canary"}},'
        '"b": {"url": "https://b.example/?key=canary", "headers": {"T": "canary"}}}}'
    )
    assert "canary" not in repr(load(file, {}))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "Invalid JSON: EOF while parsing an object at line 1 column 1."),
        ("[]", "Input should be an object."),
        ("{}", "servers: field required."),
        ('{"servers": {}, "other": 1}', "other: extra inputs are not permitted."),
        ('{"servers": {"a": {}}}', "servers.a: needs either a command or a url."),
        ('{"servers": {"a": {"command": "x", "url": "http://x"}}}', "servers.a: needs either a command or a url."),
        (
            '{"servers": {"a": {"url": "nowhere"}}}',
            "servers.a.url: input should be a valid URL, relative URL without a",
        ),
        ('{"servers": {"a": {"url": "file:///etc"}}}', "servers.a.url: uRL scheme should be 'http' or 'https'."),
        ('{"servers": {"a": {"command": "x", "headers": {"A": "b"}}}}', "servers.a: headers belong to a url."),
        ('{"servers": {"a": {"url": "http://x", "env": {"A": "b"}}}}', "servers.a: args and env belong to a command."),
        ('{"servers": {"a": {"command": "x", "timeout_seconds": 0}}}', "servers.a.timeout_seconds: input should be gr"),
        ('{"servers": {"a": {"command": "x", "env": {"A": 1}}}}', "servers.a.env.A: input should be a valid string."),
        ('{"servers": {"a": {"command": "x", "wait": 1}}}', "servers.a.wait: extra inputs are not permitted."),
        ('{"servers": {"a__b": {"command": "x"}}}', "servers.a__b: a name has letters, digits, - and single _ inside."),
        ('{"servers": {"a b": {"command": "x"}}}', "servers.a b: a name has letters, digits, - and single _ inside."),
        (
            '{"servers": {"a": {"command": "x", "env": {"A": "${NO_SUCH}"}}}}',
            "servers.a.env.A: the environment has no variable NO_SUCH.",
        ),
    ],
)
def test_a_mistake_is_told_in_one_sentence_with_file_and_field(file: Path, text: str, sentence: str) -> None:
    file.write_text(text)
    with pytest.raises(ToolsConfigError) as wrong:
        load(file, {})
    assert str(wrong.value).startswith(f"{file}: {sentence}")
    assert "\n" not in str(wrong.value)


def test_a_file_that_is_not_there_is_said_so(file: Path) -> None:
    with pytest.raises(ToolsConfigError, match=r"tools.json: cannot be read: No such file or directory."):
        load(file, {})


def test_a_mistake_does_not_tell_the_secret_beside_it(file: Path) -> None:
    file.write_text('{"servers": {"a": {"url": "http://x", "headers": {"Authorization": ["canary"]}}}}')
    with pytest.raises(ToolsConfigError) as wrong:
        load(file, {})
    assert "canary" not in str(wrong.value)
