"""The connection of one model call: its sockets can be cut by any thread, its event stream is read cheaply."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.request import getproxies

import httpx2

from app.llm import event_stream
from app.llm.call import Call
from app.llm.connections import CONNECT_SECONDS, Idle
from app.llm.errors import ProviderError
from app.llm.transport import BODY, Body, Transport

if TYPE_CHECKING:
    import ssl

END = "[DONE]"
# No limit for reading: the Watch ends silent calls, by their content.
_TIMEOUT = httpx2.Timeout(None, connect=CONNECT_SECONDS)
_idle = Idle()


class Event(NamedTuple):
    """One server-sent event: its name ("message" where it has none) and its JSON."""

    name: str
    body: Any


@contextmanager
def client_for(call: Call) -> Iterator[httpx2.Client]:
    """A client for this one call, whose connections the call can cut.

    Behind a proxy, which the usual variables name, it is httpx2's own transport that finds the way.
    """
    if is_proxied():
        with ExitStack() as stack:
            client = stack.enter_context(httpx2.Client(verify=_tls(), timeout=_TIMEOUT))
            client.event_hooks = {"request": [_Attach(call, stack).to_request]}
            yield client
    else:
        with httpx2.Client(transport=Transport(call, _tls, _idle), timeout=_TIMEOUT) as client:
            yield client


def read(response: httpx2.Response, take: Callable[[Event], bool]) -> None:
    """Give `take` each event, until it returns true, or to the end of the stream or to `[DONE]`.

    It is called in the thread that reads for all calls, and must not wait; in the call's own behind a proxy, where the
    body is compressed, and on systems without epoll. Raises what it raises, httpx2.TransportError for whatever the
    network does, httpx2.SSEError for a response that is no event stream, and ValueError for an event that is not JSON.
    Parsing dicts here costs 5 µs a token where the SDKs' objects cost 80.
    """
    event_stream.check(response)
    reader = event_stream.Reader()

    def is_over(part: bytes) -> bool:
        return any(data.startswith(END) or take(Event(name, json.loads(data))) for name, data in reader.feed(part))

    body = response.extensions.get(BODY)
    if sys.platform == "linux" and isinstance(body, Body) and "content-encoding" not in response.headers:
        body.attend(is_over)
    else:
        any(is_over(part) for part in response.iter_bytes())


class _Attach:
    """Hands the socket of a request to its call as soon as it is connected, before TLS and before the first byte."""

    def __init__(self, call: Call, stack: ExitStack) -> None:
        self._call = call
        self._stack = stack

    def to_request(self, request: httpx2.Request) -> None:
        self._call.check()
        request.extensions["trace"] = self._on_network

    def _on_network(self, event: str, info: dict[str, Any]) -> None:
        if event.endswith("connect_tcp.complete"):
            stream = info["return_value"]
            # A duplicate, because TLS takes the descriptor over; shutting either down ends the connection of both.
            duplicate: socket.socket = stream.get_extra_info("socket").dup()
            self._stack.callback(duplicate.close)
            try:
                self._call.attach(duplicate)
            except ProviderError:
                stream.close()
                raise


@cache
def is_proxied() -> bool:
    """Whether the environment names a proxy. Looked through once: that takes as long as to claim a reply."""
    proxies = getproxies()
    return any(proxies.get(scheme) for scheme in ("http", "https", "all"))


@cache
def _tls() -> ssl.SSLContext:
    """One for the process: reading the certificates takes 10 to 20 ms."""
    return httpx2.create_ssl_context()
