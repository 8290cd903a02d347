from __future__ import annotations

import socket
import threading

import pytest

from app.llm.call import SILENT, Call, Watch
from app.llm.errors import CallCut, ProviderSilent
from tests.support.stack import until


def test_the_first_reason_of_a_cut_stays() -> None:
    call = Call(1, 1)
    call.cut("cancelled")
    call.cut(SILENT)
    with pytest.raises(CallCut, match="cancelled"):
        call.check()


def test_a_socket_that_comes_after_the_cut_is_shut_at_once() -> None:
    call = Call(1, 1)
    call.cut("cancelled")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with pytest.raises(CallCut):
            call.attach(ours)
        assert theirs.recv(1) == b""


def test_the_message_of_a_silence_says_which_deadline_it_was() -> None:
    call = Call(first_token_seconds=7, between_tokens_seconds=3)
    call.cut(SILENT)
    with pytest.raises(ProviderSilent, match="7 s before its first word"):
        call.check()
    call.touch()
    with pytest.raises(ProviderSilent, match="3 s in mid-reply"):
        call.check()


def wait_for_cut(call: Call) -> None:
    until(lambda: call.cut_reason == SILENT, what="the cut of a silent call")


def test_one_watch_ends_only_the_calls_that_are_silent() -> None:
    watch, silent, busy = Watch(interval_seconds=0.01), Call(0.1, 0.1), Call(60, 60)
    with watch.over(silent), watch.over(busy):
        wait_for_cut(silent)
    assert busy.cut_reason is None


def watching() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "call-watch"}


def test_a_watch_takes_new_calls_after_it_had_none() -> None:
    watch, before = Watch(interval_seconds=0.01), watching()
    for _ in range(3):
        call = Call(0.05, 0.05)
        with watch.over(call):
            wait_for_cut(call)
        until(lambda: not watch._arrived.is_set(), what="the watch at rest")
    assert len(watching() - before) == 1
