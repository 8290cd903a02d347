"""The README's session, run as pasted into bash against a running copy, and its other examples."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from app.stream.log import Keys
from tests.docs.conftest import Pasted
from tests.docs.documents import README, blocks, section
from tests.support.copy import ROOT
from tests.support.stack import until

WORDS = " ".join(f"w{number}" for number in range(1, 41))
LOCAL = section(README, "From this machine, without HTTP")


def events(stream: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in re.findall(r"^data: (.*)$", stream, re.MULTILINE)]


def test_registering_prints_an_api_key(pasted: Pasted) -> None:
    assert re.fullmatch(r"hf_[\w-]{40,}\n", pasted.registered)


def test_posting_prints_where_the_reply_will_be(pasted: Pasted) -> None:
    assert re.fullmatch(r"reply [0-9a-f-]{36} in thread [0-9a-f-]{36}\n", pasted.posted)


def test_polling_prints_the_finished_reply(pasted: Pasted) -> None:
    reply = json.loads(pasted.polled)
    assert (reply["status"], reply["content"]) == ("completed", WORDS)
    assert reply["completion_tokens"] > 0


def test_streaming_prints_the_reply_while_it_is_written(pasted: Pasted) -> None:
    told = events(pasted.streamed)
    assert told[0]["type"] == "message.reset"
    assert [event["type"] for event in told].count("message.delta") > 5
    assert told[-1]["type"] == "message.completed"
    assert told[-1]["message"]["content"] == WORDS
    assert told[-1]["thread_id"] == pasted.terminal.variable("THREAD")


def test_a_stream_rejoined_by_last_event_id_repeats_nothing(pasted: Pasted) -> None:
    """What the README says in words below the session."""
    last = re.findall(r"^id: (.*)$", pasted.streamed, re.MULTILINE)[-1]
    url, key = '"$BASE/api/messages/$REPLY/events"', '"Authorization: Bearer $KEY"'
    rejoined = pasted.terminal.paste(f"curl -sN -w '%{{http_code}}' {url} -H {key} -H 'Last-Event-ID: {last}'; echo")
    assert rejoined == "204\n"


def test_what_the_readme_says_is_served_is_served(pasted: Pasted) -> None:
    for path in re.findall(r"`\$BASE(/\S*)`", README.read_text()):
        code = pasted.terminal.paste(f'curl -sL -o /dev/null -w "%{{http_code}}" "$BASE{path}"; echo')
        assert (path, code) == (path, "200\n")


def test_ten_lines_of_redis_py_follow_a_thread(pasted: Pasted) -> None:
    [block] = blocks(LOCAL, "python")
    assert len([line for line in block.splitlines() if line]) <= 10
    with listening(pasted, [sys.executable, "-c", block]) as printed:
        post_again(pasted)
        lines = list(iter(lambda: printed.readline().strip(), "message.completed"))
    deltas = [line.split(" ", 1) for line in lines if line[0].isdigit()]
    assert lines[:3] == ["message.created", "message.created", "message.processing"]
    assert "".join(text for _, text in deltas).replace(" ", "") == WORDS.replace(" ", "")


def test_flask_listen_prints_a_threads_events(pasted: Pasted) -> None:
    with listening(pasted, ["bash", "-c", command("listen")]) as printed:
        post_again(pasted)
        types = [json.loads(printed.readline())["type"] for _ in range(4)]
    assert types == ["message.created", "message.created", "message.processing", "message.delta"]


def test_flask_send_prints_the_reply(pasted: Pasted) -> None:
    assert WORDS in pasted.terminal.paste(command("send"))


def test_openais_sdk_goes_on_with_the_same_reply_after_ctrl_c(pasted: Pasted, tmp_path: Path) -> None:
    [block] = blocks(section(README, "With OpenAI's own SDK"), "python")
    stack = pasted.terminal.stack
    # Slow enough to be interrupted: a busy machine takes seconds to import the SDK.
    here = block.replace("http://127.0.0.1:8000", stack.url).replace("local/smollm2", "openai/fake-t40-r5")
    # Whoever starts the tests in the background may have them, and all that they start, ignore Ctrl-C.
    heeding = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    program = [sys.executable, "-c", f"{heeding}\n{here}"]
    env = stack.env | {"KEY": pasted.registered.strip()}
    with subprocess.Popen(program, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as first:
        assert first.stdout is not None
        assert first.stderr is not None
        said = first.stdout.read(12)
        first.send_signal(signal.SIGINT)
        rest, complaint = first.stdout.read(), first.stderr.read()
    assert b"KeyboardInterrupt" in complaint, complaint.decode()
    again = subprocess.run(program, cwd=tmp_path, env=env, stdout=subprocess.PIPE, check=True)
    before, after = (said + rest).decode(), again.stdout.decode()
    assert len(before) < len(WORDS)
    # The last words may have been printed and not noted: those come twice.
    assert any(before[: len(before) - twice] + after == WORDS for twice in range(10)), (before, after)


def command(name: str) -> str:
    """The line of the README that calls `flask --app app NAME`."""
    [block] = blocks(LOCAL, "bash")
    [line] = [line for line in block.splitlines() if f"--app app {name} " in line]
    return line


def post_again(pasted: Pasted) -> None:
    posting = blocks(section(README, "A session with curl"), "bash")[3]
    assert "curl -sN" in posting.splitlines()[-1]
    pasted.terminal.paste("\n".join(posting.splitlines()[:-1]))


@contextmanager
def listening(pasted: Pasted, arguments: list[str]) -> Iterator[IO[str]]:
    """What a program prints that listens to the session's thread, from when it has subscribed; Ctrl-C ends it."""
    stack, thread_id = pasted.terminal.stack, pasted.terminal.variable("THREAD")
    channel = Keys(thread_id).channel
    with subprocess.Popen(
        arguments, cwd=ROOT, env=stack.env | {"THREAD": thread_id, "PYTHONUNBUFFERED": "1"}, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True, start_new_session=True,
    ) as program, stack.redis() as client:  # fmt: skip
        try:
            until(lambda: dict(client.pubsub_numsub(channel))[channel], what="the subscription")
            assert program.stdout is not None
            yield program.stdout
        finally:
            program.send_signal(signal.SIGINT)
