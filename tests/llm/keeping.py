"""A provider that keeps its connections open, and tells them apart by the client's port."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer

from tests.provider.behaviour import Behaviour
from tests.provider.dialect import Counts
from tests.provider.openai_dialect import OpenAIDialect
from tests.support.serving import Quiet, serving

_COUNTS = Counts.of([], Behaviour())


class Keeping(ThreadingHTTPServer):
    """Answers each call with "w1 w2", in the way that its model's name says."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[int] = []
        self.ended: list[int] = []
        self.may_go_on = threading.Event()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])


class _Handler(Quiet):
    protocol_version = "HTTP/1.1"
    server: Keeping
    dialect = OpenAIDialect()

    def do_POST(self) -> None:
        """One call."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.asked.append(self.client_address[1])
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self._chunk(self.dialect.opening(_COUNTS) + self.dialect.token("w1"))
        if "waits" in body:
            assert self.server.may_go_on.wait(10)
        self._chunk(self.dialect.token(" w2") + self.dialect.ending("stop", _COUNTS))
        if "never" in body:
            assert self.server.may_go_on.wait(10)
        self._chunk(b"")
        self.close_connection = "closes" in body

    def finish(self) -> None:
        """The connection has ended."""
        super().finish()
        self.server.ended.append(self.client_address[1])

    def _chunk(self, content: bytes) -> None:
        with contextlib.suppress(ConnectionError):  # who was cut does not listen
            self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))
            self.wfile.flush()


@contextlib.contextmanager
def keeping(tls: ssl.SSLContext | None = None) -> Iterator[Keeping]:
    """Serve for the length of the block."""
    server = Keeping()
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    with serving(server):
        try:
            yield server
        finally:
            server.may_go_on.set()
