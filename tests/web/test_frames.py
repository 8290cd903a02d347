"""A thread's events as HTML frames: /sse, without a browser."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import pytest
from selectolax.lexbor import LexborHTMLParser, LexborNode

from app.chat import finishing, notices, reading
from app.chat.objects import MessageObject
from app.stream import events
from app.stream.events import Event
from app.web.frames import Frames
from tests.chat.branches import begun, ending
from tests.web.conftest import MakeSite
from tests.web.thread_page import ThreadPage, one
from tests.web.visitor import Visitor


@pytest.fixture
def page(visitor: Visitor) -> ThreadPage:
    return ThreadPage(visitor)


def snapshot(page: ThreadPage, cursor: str = "1-0") -> Event:
    shown = reading.path(page.user_id, page.sent.thread.id, limit=50, cursor=None)
    fields = {"thread": {}, "messages": [message.public() for message in shown.items]}
    return Event(events.THREAD_SNAPSHOT, str(page.sent.thread.id), fields=fields, cursor=cursor)


def delta(reply: MessageObject, offset: int, text: str, cursor: str, attempt: int = 1) -> Event:
    fields = {"offset": offset, "text": text}
    return Event(events.DELTA, str(reply.thread_id), str(reply.id), attempt, fields, cursor)


def waited(items: Iterable[Event | None]) -> Iterator[Event | None]:
    """A silence (None) lasts until what waits is due."""
    for item in items:
        if item is None:
            time.sleep(0.06)
        yield item


def frames(page: ThreadPage, *items: Event | None) -> list[tuple[str, LexborHTMLParser]]:
    """What comes of these events, without the first frame and heartbeats: each frame's id, and its HTML."""
    with page.visitor.client.application.test_request_context("/sse"):
        made = Frames(page.user_id, page.sent.thread.id)
        out = [frame.decode() for frame in made.of(waited(items))]
    assert out[0].startswith("retry: 1000\nevent: ready\n")
    return [taken_apart(frame) for frame in out[1:] if not frame.startswith(":")]


def taken_apart(frame: str) -> tuple[str, LexborHTMLParser]:
    assert frame.endswith("\n\n")
    fields = [line.partition(": ") for line in frame[:-2].split("\n")]
    assert {name for name, _, _ in fields} <= {"id", "data"}
    id_ = next((value for name, _, value in fields if name == "id"), "")
    return id_, LexborHTMLParser("\n".join(value for name, _, value in fields if name == "data"))


def text_of(tree: LexborHTMLParser | LexborNode) -> tuple[str, list[str | None]]:
    grown = one(tree, "[data-grown]")
    return grown.text().strip(), [grown.attributes[f"data-{name}"] for name in ("start", "done", "length")]


def test_a_snapshot_is_the_page(page: ThreadPage) -> None:
    with page.meanwhile():
        first = snapshot(page)
    [(id_, tree)] = frames(page, first)
    assert id_ == "1-0"
    assert [node.attributes["id"] for node in tree.css("#messages > li")] == [
        f"message-{each.id}" for each in (page.sent.message, page.sent.reply)
    ]
    assert one(tree, "h1").text() == "hello"


def test_text_goes_out_block_by_block(page: ThreadPage) -> None:
    page.do(lambda: begun(page.sent))
    reply = page.sent.reply
    with page.meanwhile():
        first = snapshot(page)
    texts = ["one", "\n\ntwo", "\n\n```py\nthree"]
    offsets = [0, 3, 8]
    deltas = [delta(reply, offset, text, f"{offset + 2}-0") for offset, text in zip(offsets, texts, strict=True)]
    spaced = [item for event in deltas for item in (event, None)]
    found = frames(page, first, *spaced)[1:]
    assert [id_ for id_, _ in found] == ["2-0", "5-0", "10-0"]
    assert [text_of(tree) for _, tree in found] == [
        ("one", ["0", "0", "3"]),
        ("one\ntwo", ["0", "5", "8"]),
        ("two\nthree", ["5", "10", "21"]),
    ]
    assert one(found[-1][1], ".open").text().strip() == "three"


def test_what_comes_together_goes_out_together(page: ThreadPage) -> None:
    page.do(lambda: begun(page.sent))
    with page.meanwhile():
        first = snapshot(page)
    deltas = [delta(page.sent.reply, number, "x", f"{number + 2}-0") for number in range(40)]
    found = frames(page, first, *deltas, None)
    assert len(found) <= 4
    assert found[-1][0] == "41-0"
    assert text_of(found[-1][1])[0] == "x" * 40


def test_who_resumes_in_the_middle_gets_the_whole_text_once(page: ThreadPage) -> None:
    run = page.do(lambda: begun(page.sent))
    assert run is not None
    reply = page.sent.reply
    found = frames(page, delta(reply, 0, "one ", "5-0"), delta(reply, 4, "two ", "6-0"), None)
    assert [text_of(tree) for _, tree in found][-1] == ("one two", ["0", "0", "8"])


def test_a_new_attempt_begins_without_text_and_a_reset_replaces_it(page: ThreadPage) -> None:
    page.do(lambda: begun(page.sent))
    reply = page.sent.reply
    with page.meanwhile():
        first = snapshot(page)
    reset = Event(events.RESET, str(reply.thread_id), str(reply.id), 2, {"offset": 3, "text": "new"}, "5-0")
    found = frames(page, first, delta(reply, 0, "old", "4-0"), None, reset, None)
    assert text_of(found[-1][1]) == ("new", ["0", "0", "3"])
    assert one(found[-1][1], "[data-grown]").attributes["data-attempt"] == "2"


def test_a_reply_that_was_heard_of_runs_though_its_row_was_read_before(page: ThreadPage) -> None:
    with page.meanwhile():
        first = snapshot(page)
    renamed = Event(events.THREAD_UPDATED, str(page.sent.thread.id), fields={"thread": {}}, cursor="3-0")
    [*_, (_, tree)] = frames(page, first, delta(page.sent.reply, 0, "one", "2-0"), renamed, None)
    shown = one(tree, f"#message-{page.sent.reply.id}").attributes
    assert (shown["data-attempt"], shown["data-status"]) == ("1", "processing")


def test_an_end_is_the_message_as_the_page_shows_it(page: ThreadPage) -> None:
    page.do(lambda: finishing.finish(begun(page.sent), ending("# done")))
    ended = page.do(lambda: reading.get(page.user_id, page.sent.reply.id))
    with page.meanwhile():
        first = snapshot(page)
    found = frames(page, first, notices.message_event(events.COMPLETED, ended).at("9-0"))
    id_, tree = found[-1]
    assert id_ == "9-0"
    message = one(tree, ".message")
    assert message.attributes["data-status"] == "completed"
    assert one(message, ".text").html == one(page.seen(ended.id), ".text").html
    assert one(tree, ".text h1").text() == "done"
    assert tree.css("[data-part=siblings], [data-part=refusal]") == []


def test_a_new_message_brings_the_list_once_for_all_that_is_new(page: ThreadPage) -> None:
    with page.meanwhile():
        first = snapshot(page)
    more = page.say("and then")
    created = [
        notices.message_event(events.CREATED, each).at(f"{at}-0") for at, each in ((5, more.message), (6, more.reply))
    ]
    found = frames(page, first, *created, None)
    assert [id_ for id_, _ in found] == ["1-0", "6-0"]
    assert len(found[-1][1].css("#messages > li")) == 4


def test_what_a_page_with_a_cursor_does_not_know_brings_the_list(page: ThreadPage) -> None:
    page.do(lambda: finishing.finish(begun(page.sent), ending("done")))
    ended = page.do(lambda: reading.get(page.user_id, page.sent.reply.id))
    [(id_, tree)] = frames(page, notices.message_event(events.COMPLETED, ended).at("9-0"), None)
    assert id_ == "9-0"
    assert len(tree.css("#messages > li")) == 2


def test_an_end_that_stands_in_no_log_is_no_cursor(page: ThreadPage) -> None:
    with page.meanwhile():
        first = snapshot(page)
    page.do(lambda: finishing.finish(begun(page.sent), ending("done")))
    ended = page.do(lambda: reading.get(page.user_id, page.sent.reply.id))
    found = frames(page, first, notices.message_event(events.COMPLETED, ended).at(events.END_CURSOR))
    assert [id_ for id_, _ in found] == ["1-0", "1-0"]


def test_events_that_change_nothing_here_send_nothing(page: ThreadPage) -> None:
    with page.meanwhile():
        first = snapshot(page)
    reply = page.sent.reply
    thought = Event(events.REASONING, str(reply.thread_id), str(reply.id), 1, {"offset": 0, "text": "hm"}, "5-0")
    assert len(frames(page, first, thought, None)) == 1


def test_somebody_signed_out_is_told_so_and_not_sent_elsewhere(make_site: MakeSite) -> None:
    response = make_site().test_client().get("/sse/01935a3e-0000-7000-8000-000000000000")
    assert response.status_code == 401
    assert "signed out" in response.text


def test_somebody_elses_thread_is_not_found(page: ThreadPage) -> None:
    eve = Visitor(page.visitor.client.application.test_client())
    eve.sign_up()
    address = page.address.replace("/chat/", "/sse/")
    assert eve.client.get(address, headers={"Last-Event-ID": "garbage"}).status_code == 404
    with page.visitor.client.get(address, buffered=False) as mine:
        assert (mine.status_code, mine.mimetype) == (200, "text/event-stream")
        assert mine.headers["Cache-Control"] == "no-cache, no-transform"
