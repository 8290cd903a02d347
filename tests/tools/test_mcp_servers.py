from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from app.tools.context import ToolContext
from app.tools.errors import ToolFailed, ToolTimeout, ToolUnavailable
from app.tools.mcp import connection
from app.tools.mcp.config import Server
from app.tools.mcp.servers import Servers
from app.tools.outcome import Done
from app.tools.running import Call, Runner
from tests.support.copy import ROOT
from tests.tools.conftest import NOW, MakeContext
from tests.tools.mcp_process import PROGRAM, HttpServer

CONTEXT = ToolContext("u", "t", NOW)

MakeServers = Callable[..., Servers]


def child(**values: object) -> Server:
    return Server.model_validate({"command": sys.executable, "args": (PROGRAM, "stdio"), **values})


def remote(url: str, **values: object) -> Server:
    return Server.model_validate({"url": url, **values})


def call(servers: Servers, name: str, context: ToolContext = CONTEXT, /, **arguments: object) -> str:
    tool = servers.listing([name]).tools[name]
    outcome = tool.call(tool.validated(json.dumps(arguments)), context)
    assert isinstance(outcome, Done)
    return outcome.result


@pytest.fixture(scope="module")
def http_server() -> Iterator[HttpServer]:
    with HttpServer() as server:
        yield server


@pytest.fixture(scope="module", params=["stdio", "http", "old"])
def servers(request: pytest.FixtureRequest) -> Iterator[Servers]:
    """A server called `here`: as a child, over HTTP, and over HTTP with the sessions of older servers."""
    with ExitStack() as stack:
        if request.param == "stdio":
            here = child(approval=("slow",))
        else:
            here = remote(stack.enter_context(HttpServer(request.param)).url, approval=("slow",))
        made = Servers({"here": here})
        stack.callback(made.close)
        yield made


@pytest.fixture
def make_servers() -> Iterator[MakeServers]:
    """Servers of the test's own, closed at its end."""
    with ExitStack() as stack:

        def make(**servers: Server) -> Servers:
            made = Servers(servers)
            stack.callback(made.close)
            return made

        yield make


def test_the_tools_of_a_server_are_listed_with_what_a_model_needs_to_know(servers: Servers) -> None:
    listing = servers.listing(["here__*"])
    add = listing.tools["here__add"]
    assert (add.description, add.parameters["required"]) == ("Add two numbers.", ["a"])
    assert add.parameters["properties"]["b"]["default"] == 1
    assert len(listing.tools) == 11
    assert listing.missing == {}


def test_hints_and_the_file_say_what_may_be_repeated_and_what_needs_a_yes(servers: Servers) -> None:
    tools = servers.listing(["here__*"]).tools
    assert {name for name, tool in tools.items() if tool.idempotent} == {"here__add"}
    assert {name for name, tool in tools.items() if tool.approval} == {"here__erase", "here__slow"}


def test_only_what_is_allowed_is_listed(servers: Servers) -> None:
    listing = servers.listing(["here__add", "calculator", "there__*", "here__nonsense"])
    assert set(listing.tools) == {"here__add"}
    assert listing.missing == {"there__*": "no MCP server is called 'there'"}
    assert servers.listing(None).tools == {}


def test_a_tool_is_called_with_its_arguments(servers: Servers) -> None:
    assert call(servers, "here__add", a=2, b=3) == "5"
    assert call(servers, "here__erase", path="x") == "erased x"


def test_a_tool_that_says_it_failed_has_failed(servers: Servers) -> None:
    with pytest.raises(ToolFailed, match="no such thing"):
        call(servers, "here__fail", reason="no such thing")


def test_arguments_that_the_server_does_not_like_are_its_to_refuse(servers: Servers) -> None:
    with pytest.raises(ToolFailed, match="valid integer"):
        call(servers, "here__add", a="many")


def test_pictures_are_described(servers: Servers) -> None:
    assert call(servers, "here__picture") == "A dot:\n\n[image/png of about 402 bytes, not included]"


def test_a_long_result_is_cut_as_any_other(servers: Servers) -> None:
    tool = servers.listing(["here__much"]).tools["here__much"]
    (ended,) = Runner().run([Call("a", tool, {"characters": 1_000_000})], CONTEXT)
    assert isinstance(ended.outcome, Done)
    assert ended.outcome.result.endswith("… cut at 20,000 characters of 1,000,000.")


def test_a_result_beyond_all_bounds_over_http_is_said_so(make_servers: MakeServers) -> None:
    with HttpServer("old") as server, pytest.raises(ToolUnavailable, match="exceeded the 8000000 byte limit"):
        call(make_servers(here=remote(server.url)), "here__much", characters=5_000_000)


def test_calls_of_several_threads_go_side_by_side(servers: Servers) -> None:
    slow = servers.listing(["here__slow"]).tools["here__slow"]
    started = time.monotonic()
    ends = list(Runner().run([Call(str(n), slow, {"seconds": 0.5}) for n in range(6)], CONTEXT))
    assert [ended.outcome for ended in ends] == [Done("slept")] * 6
    assert time.monotonic() - started < 2.5


def test_a_call_takes_no_longer_than_the_reply_has_left(servers: Servers, make_context: MakeContext) -> None:
    started = time.monotonic()
    with pytest.raises(ToolTimeout, match=r"The MCP server 'here' did not end slow within 0.3 s."):
        call(servers, "here__slow", make_context(seconds_left=0.3), seconds=30)
    assert time.monotonic() - started < 5
    assert call(servers, "here__add", a=1) == "2", "the session goes on"


def test_a_cancelled_reply_does_not_wait_for_its_call(servers: Servers, make_context: MakeContext) -> None:
    cancelled = threading.Event()
    threading.Timer(0.2, cancelled.set).start()
    started = time.monotonic()
    with pytest.raises(ToolFailed, match="cancelled"):
        call(servers, "here__slow", make_context(cancelled=cancelled.is_set), seconds=15)
    assert time.monotonic() - started < 5


def test_one_session_serves_every_call(servers: Servers) -> None:
    assert len({call(servers, "here__process") for _ in range(3)}) == 1


def test_a_child_gets_its_own_variables_and_not_ours(
    make_servers: MakeServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    servers = make_servers(here=child(env={"TOKEN": "t0k3n"}))
    assert call(servers, "here__environment", name="TOKEN") == "t0k3n"
    assert call(servers, "here__environment", name="OPENAI_API_KEY") == "not set"


def test_a_remote_server_gets_the_headers(make_servers: MakeServers, http_server: HttpServer) -> None:
    servers = make_servers(here=remote(http_server.url, headers={"Authorization": "Bearer t0k3n"}))
    assert call(servers, "here__header", name="authorization") == "Bearer t0k3n"


def test_a_child_that_dies_in_the_middle_is_told_and_the_next_call_starts_it_anew(make_servers: MakeServers) -> None:
    servers = make_servers(here=child())
    first = call(servers, "here__process")
    with pytest.raises(ToolUnavailable, match="The MCP server 'here' does not answer: it went away in the middle"):
        call(servers, "here__die")
    assert call(servers, "here__process") != first


def test_a_child_that_died_between_two_calls_is_started_anew_without_anybody_noticing(
    make_servers: MakeServers,
) -> None:
    servers = make_servers(here=child())
    process = psutil.Process(int(call(servers, "here__process")))
    process.kill()
    process.wait()
    tool = servers.listing(["here__process"]).tools["here__process"]
    assert tool.call({}, CONTEXT) != Done(str(process.pid))


@pytest.mark.parametrize("kind", ["http", "old"])
def test_a_remote_server_that_was_started_anew_is_used_again(make_servers: MakeServers, kind: str) -> None:
    with HttpServer(kind) as server:
        servers = make_servers(here=remote(server.url))
        tool = servers.listing(["here__process"]).tools["here__process"]
        first = tool.call({}, CONTEXT)
        server.kill()
        server.start()
        assert tool.call({}, CONTEXT) != first


@pytest.mark.parametrize("kind", ["http", "old"])
def test_a_remote_server_that_dies_in_the_middle_is_told_and_the_next_call_goes_to_the_new_one(
    make_servers: MakeServers, kind: str
) -> None:
    with HttpServer(kind) as server:
        servers = make_servers(here=remote(server.url))
        with pytest.raises(ToolUnavailable, match="The MCP server 'here' does not answer"):
            call(servers, "here__die")
        server.kill()
        server.start()
        assert call(servers, "here__add", a=1) == "2"


def answered(servers: Servers) -> str | None:
    """The process that answers, if one does."""
    try:
        return call(servers, "here__process")
    except (KeyError, ToolTimeout, ToolUnavailable):
        return None


def test_a_server_that_hangs_is_left_for_a_new_one(
    make_servers: MakeServers, make_context: MakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_CHECK_SECONDS", 0.5)
    servers = make_servers(here=child())
    first = call(servers, "here__process")
    hang = servers.listing(["here__hang"]).tools["here__hang"]
    with pytest.raises(ToolTimeout, match=r"did not end hang within 0.5 s"):
        hang.call({}, make_context(seconds_left=0.5))
    late = time.monotonic() + 60
    while answered(servers) in {None, first}:
        assert time.monotonic() < late, "it kept to the server that hangs"
    servers.close()
    assert not psutil.pid_exists(int(first)), "the server that hangs was left running"


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        (Server(command="/no/such/program"), r"its command cannot be started \(No such file or directory\)"),
        (Server(command=sys.executable, args=("-c", "pass")), r"it refused the session \(Connection closed\)"),
        (remote("http://127.0.0.1:9/mcp"), "it cannot be reached"),
        (
            Server(command=sys.executable, args=("-c", "import time; time.sleep(60)"), timeout_seconds=2),
            "it gave no sign within 2 s",
        ),
    ],
    ids=["no program", "ends at once", "refused", "silent"],
)
def test_a_server_that_is_down_is_said_so_quickly_and_does_not_keep_the_others(
    make_servers: MakeServers, server: Server, reason: str
) -> None:
    both = make_servers(down=server, here=child())
    listing = both.listing(["down__*", "down__add", "here__add"])
    assert set(listing.tools) == {"here__add"}
    assert set(listing.missing) == {"down__*", "down__add"}
    assert re.search(reason, listing.missing["down__*"])
    started = time.monotonic()
    assert set(both.listing(["down__*"]).missing) == {"down__*"}
    assert time.monotonic() - started < 1, "for a while it is not asked again"


def test_only_servers_that_are_asked_for_are_started(make_servers: MakeServers, tmp_path: Path) -> None:
    mark = tmp_path / "started"
    servers = make_servers(marked=Server(command="touch", args=(str(mark),)), here=child())
    assert set(servers.listing(["here__add"]).tools) == {"here__add"}
    assert not mark.exists()
    servers.listing(["marked__*"])
    assert mark.exists()


def test_closing_ends_the_children_and_a_later_use_starts_them_again(make_servers: MakeServers) -> None:
    servers = make_servers(here=child())
    process = psutil.Process(int(call(servers, "here__process")))
    servers.close()
    psutil.wait_procs([process], timeout=10)
    assert not process.is_running()
    assert call(servers, "here__process") != str(process.pid)


def test_the_children_of_a_process_end_with_it() -> None:
    code = (
        "from tests.tools.test_mcp_servers import *\n"
        "print(call(Servers({'here': child()}), 'here__process'), flush=True)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not psutil.pid_exists(int(done.stdout))
    assert done.stderr == ""
