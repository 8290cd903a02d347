"""One connection on a real socket: what it hears, what it says, how long it bears silence, and every way to end."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from wsproto.events import CloseConnection, Ping, Pong, TextMessage

from app.stream import websocket
from app.stream.websocket import Connection, Gone, Unreadable
from tests.sockets.peer import Peer
from tests.support.stack import until

LONGEST = 1_000
BEAT_SECONDS = 5.0


class Pair:
    """A connection, its client, and the thread that receives."""

    def __init__(self, beat_seconds: float = BEAT_SECONDS) -> None:
        self._ours, theirs = socket.socketpair()
        self.peer = Peer(theirs)
        self.connection = Connection(self._ours, longest=LONGEST, beat_seconds=beat_seconds)
        self.heard: list[str] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def serve(self) -> Pair:
        """Answer every message with itself until the end, as a door would."""
        self._thread.start()
        return self

    def ended(self, seconds: float = 10) -> tuple[int, str]:
        """How it ended."""
        self._thread.join(seconds)
        assert not self._thread.is_alive(), "it has not ended"
        assert self.connection.ending is not None
        return self.connection.ending

    def close(self) -> None:
        """Let go of both sockets."""
        self.peer.sock.close()
        if self._thread.ident is not None:
            self._thread.join(10)
        self._ours.close()

    def _serve(self) -> None:
        with suppress(Gone):
            while True:
                self._answer()
        self.connection.finish()

    def _answer(self) -> None:
        try:
            self.heard.append(self.connection.receive())
            self.connection.send(self.heard[-1])
        except Unreadable as error:
            self.connection.send(error.code)
            self.connection.offended()


@pytest.fixture
def pairs() -> Iterator[list[Pair]]:
    made: list[Pair] = []
    yield made
    for pair in made:
        pair.close()


@pytest.fixture
def pair(pairs: list[Pair]) -> Pair:
    pairs.append(Pair())
    return pairs[0].serve()


def frame(opcode: int, payload: bytes, *, fin: bool = True, masked: bool = True, rsv: int = 0) -> bytes:
    """A frame's bytes, as wrong as they shall be."""
    head = struct.pack("!B", (fin << 7) | (rsv << 4) | opcode)
    if len(payload) < 126:
        head += struct.pack("!B", (masked << 7) | len(payload))
    else:
        head += struct.pack("!BH", (masked << 7) | 126, len(payload))
    return head + (b"\0\0\0\0" if masked else b"") + payload


def test_messages_go_both_ways_whole_and_in_order(pair: Pair) -> None:
    for text in ("", "one", "ünïcödé 🎈", "x" * LONGEST):
        pair.peer.say(text)
        assert pair.peer.text() == text
    until(lambda: (pair.connection.received, pair.connection.sent) == (4, 4), what="the count")


def test_a_message_in_fragments_is_one_with_control_frames_between(pair: Pair) -> None:
    half = "ö".encode()
    pair.peer.raw(frame(1, b"frag" + half[:1], fin=False))
    pair.peer.raw(frame(9, b"are you there"))
    pair.peer.raw(frame(0, half[1:] + b"ment", fin=True))
    assert pair.peer.hear() == Pong(b"are you there")
    assert pair.peer.text() == "fragöment"


def test_a_frame_that_trickles_in_byte_by_byte_is_heard(pair: Pair) -> None:
    for byte in frame(1, b"slowly"):
        pair.peer.raw(bytes([byte]))
    assert pair.peer.text() == "slowly"


def test_messages_sent_just_before_leaving_are_still_heard(pair: Pair) -> None:
    pair.peer.raw(frame(1, b"one") + frame(1, b"two") + frame(8, struct.pack("!H", 1000)))
    assert pair.ended() == (1000, "left by the client")
    assert pair.heard[0] == "one"


def test_binary_and_long_messages_are_told_of_and_it_goes_on(pair: Pair) -> None:
    pair.peer.raw(frame(2, b"\0\1"))
    assert pair.peer.text() == "unsupported_media_type"
    pair.peer.say("x" * (LONGEST + 1))
    assert pair.peer.text() == "payload_too_large"
    pair.peer.say("still here")
    assert pair.peer.text() == "still here"


def test_unreadable_messages_one_after_the_other_end_it(pair: Pair) -> None:
    for _ in range(10):
        pair.peer.raw(frame(2, b"\0"))
    assert [pair.peer.text() for _ in range(10)] == ["unsupported_media_type"] * 10
    code, _ = pair.peer.ending()
    assert code == websocket.POLICY
    pair.peer.send(CloseConnection(code))
    assert pair.ended()[0] == websocket.POLICY


def test_a_message_without_end_ends_it(pair: Pair) -> None:
    with suppress(ConnectionError):
        for number in range(12 * LONGEST // 100):
            pair.peer.raw(frame(1 if number == 0 else 0, b"x" * 100, fin=False))
    assert pair.peer.text() == "payload_too_large"
    assert pair.peer.ending()[0] == websocket.POLICY


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(frame(1, b"x", masked=False), 1002, id="not masked"),
        pytest.param(frame(3, b""), 1002, id="an unknown opcode"),
        pytest.param(frame(1, b"x", rsv=4), 1002, id="a reserved bit"),
        pytest.param(frame(9, b"x" * 126), 1002, id="a long ping"),
        pytest.param(frame(9, b"x", fin=False), 1002, id="half a ping"),
        pytest.param(frame(0, b"x"), 1002, id="a continuation of nothing"),
        pytest.param(frame(1, b"\xff\xfe"), 1007, id="text that is no UTF-8"),
        pytest.param(frame(1, b"\xed\xa0\x80"), 1007, id="half a surrogate pair"),
        pytest.param(frame(8, b"\x03"), 1002, id="half a close code"),
        pytest.param(frame(8, struct.pack("!H", 1005)), 1002, id="a close code that none may send"),
        pytest.param(frame(8, struct.pack("!H", 1000) + b"\xff"), 1007, id="a reason that is no UTF-8"),
    ],
)
def test_who_breaks_the_protocol_is_told_why_and_closed(pair: Pair, data: bytes, code: int) -> None:
    pair.peer.raw(data)
    assert pair.peer.ending()[0] == code
    assert pair.ended()[0] == code


@pytest.mark.parametrize(("payload", "code"), [(b"", 1005), (struct.pack("!H", 1001) + b"bye", 1001)])
def test_a_client_that_leaves_is_answered_and_let_go(pair: Pair, payload: bytes, code: int) -> None:
    pair.peer.raw(frame(8, payload))
    assert pair.ended() == (code, "left by the client")
    assert pair.peer.ending()[0] == code
    assert pair.peer.sock.recv(1) == b""


def test_a_client_that_is_cut_off_ends_it(pair: Pair) -> None:
    pair.peer.sock.close()
    assert pair.ended() == (websocket.ABNORMAL, "cut")
    with pytest.raises(Gone):
        pair.connection.send("anybody?")


def test_pings_are_answered_with_what_they_carry(pair: Pair) -> None:
    pair.peer.send(Ping(b"marco"))
    assert pair.peer.hear() == Pong(b"marco")


def test_a_silent_client_is_asked_and_one_that_answers_stays(pairs: list[Pair]) -> None:
    pairs.append(Pair(beat_seconds=0.05))
    pair = pairs[0].serve()
    for _ in range(5):
        assert isinstance(pair.peer.hear(), Ping)
        pair.peer.send(Pong())
    pair.peer.say("here")
    assert pair.peer.text() == "here"


def test_one_that_does_not_answer_is_taken_for_dead(pairs: list[Pair]) -> None:
    pairs.append(Pair(beat_seconds=0.05))
    assert pairs[0].serve().ended() == (websocket.ABNORMAL, "silent")


def test_ended_from_another_thread_it_says_why_and_hears_nothing_more(pair: Pair) -> None:
    pair.connection.close(websocket.RESTART, "restarting")
    assert pair.peer.ending() == (websocket.RESTART, "restarting")
    pair.peer.raw(frame(1, b"too late"))
    pair.peer.send(CloseConnection(websocket.RESTART))
    assert pair.ended() == (websocket.RESTART, "restarting")
    assert pair.heard == []
    assert pair.peer.sock.recv(1) == b""


def test_the_first_reason_counts(pair: Pair) -> None:
    pair.connection.close(websocket.RESTART, "restarting")
    pair.connection.close(websocket.POLICY, "revoked")
    assert pair.peer.ending() == (websocket.RESTART, "restarting")


def test_one_that_does_not_say_goodbye_is_not_waited_for_long(pair: Pair) -> None:
    began = time.monotonic()
    pair.connection.close(websocket.RESTART, "restarting")
    assert pair.ended() == (websocket.RESTART, "restarting")
    assert time.monotonic() - began < 3


def test_one_that_takes_nothing_can_be_ended_all_the_same(pair: Pair) -> None:
    sender = threading.Thread(target=_send_until_gone, args=[pair.connection], daemon=True)
    sender.start()
    _wait_until_stuck(pair.connection)
    began = time.monotonic()
    pair.connection.close(websocket.RESTART, "restarting")
    assert pair.ended() == (websocket.RESTART, "restarting")
    assert time.monotonic() - began < 4
    sender.join(5)
    assert not sender.is_alive()


def test_one_that_takes_nothing_is_borne_only_so_long(pairs: list[Pair], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "_STALL_SECONDS", 0.3)
    pairs.append(Pair(beat_seconds=0.2))
    pair = pairs[0].serve()
    _send_until_gone(pair.connection)
    assert pair.ended() == (websocket.ABNORMAL, "stalled")


def test_a_slow_one_gets_everything(pair: Pair) -> None:
    texts = [f"{number}: " + "x" * 50_000 for number in range(40)]
    sender = threading.Thread(target=lambda: [pair.connection.send(text) for text in texts], daemon=True)
    sender.start()
    _wait_until_stuck(pair.connection)
    assert [pair.peer.text() for _ in texts] == texts
    sender.join(5)


def test_many_may_send_at_once_and_no_frame_is_mixed_with_another(pair: Pair) -> None:
    def send(name: int) -> None:
        for number in range(50):
            pair.connection.send(f"{name} {number} " + str(name) * 5_000)

    senders = [threading.Thread(target=send, args=[name], daemon=True) for name in range(4)]
    for sender in senders:
        sender.start()
    heard = [pair.peer.text().split(" ") for _ in range(200)]
    for name in range(4):
        assert [int(number) for sender, number, _ in heard if sender == str(name)] == list(range(50))
    assert all(payload == name * 5_000 for name, _, payload in heard)


def _send_until_gone(connection: Connection) -> None:
    with suppress(Gone):
        while True:
            connection.send("x" * 100_000)


def _wait_until_stuck(connection: Connection) -> None:
    """Until its client has taken nothing for a moment."""
    sent, since = -1, time.monotonic()
    while time.monotonic() - since < 0.2:
        if connection.sent != sent:
            sent, since = connection.sent, time.monotonic()
        time.sleep(0.01)


def test_what_is_sent_can_be_anything_that_is_text(pair: Pair) -> None:
    pair.connection.send("\0\ud7ff\U0010ffff\n")
    event = pair.peer.hear()
    assert isinstance(event, TextMessage)
    assert event.data == "\0\ud7ff\U0010ffff\n"
