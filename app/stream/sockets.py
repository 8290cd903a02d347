"""The open WebSockets of this process, whoever they speak to: counted, checked, logged and ended."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from uuid import UUID

import structlog
from flask import Flask, Response, current_app, request
from sqlalchemy.exc import SQLAlchemyError

from app.config import Settings
from app.stream import websocket
from app.stream.upgrade import Switching
from app.stream.websocket import Connection, Gone

log = structlog.get_logger(__name__)

# What is done with a connection for as long as it is open; it may return or raise Gone.
Serve = Callable[[Connection], None]


class Sockets:
    """The registry. `valid` says which of some credentials may still be used: one query for all connections."""

    def __init__(self, app: Flask, settings: Settings, valid: Callable[[set[str]], Container[str]]) -> None:
        self._app = app
        self._settings = settings
        self._valid = valid
        self._open: dict[Connection, str] = {}
        self._lock = threading.Lock()
        self._started = False
        self._closed = False

    @property
    def count(self) -> int:
        """How many are open."""
        return len(self._open)

    def close(self) -> None:
        """End every connection of this process, now and from now on; their clients connect again elsewhere."""
        self._closed = True
        for connection in self._all():
            connection.close(websocket.RESTART, "restarting")

    def connection(self, sock: socket.socket) -> Connection:
        """A connection on `sock`, whose handshake is done."""
        settings = self._settings
        return Connection(sock, longest=settings.max_body_bytes, beat_seconds=settings.heartbeat_comment_seconds)

    @contextmanager
    def holding(self, connection: Connection, credential: str) -> Iterator[None]:
        """Count the connection as open, and end it when its credential has become worthless."""
        self._start()
        with self._lock:
            self._open[connection] = credential
        if self._closed:
            connection.close(websocket.RESTART, "restarting")
        try:
            yield
        finally:
            with self._lock:
                del self._open[connection]

    def _all(self) -> dict[Connection, str]:
        with self._lock:
            return dict(self._open)

    def _start(self) -> None:
        # Not in __init__: the thread must belong to the process that serves, not to one that forks it.
        with self._lock:
            if self._started:
                return
            self._started = True
        threading.Thread(target=self._look_always, name="sockets-look", daemon=True).start()

    def _look_always(self) -> None:
        while not self._closed:
            time.sleep(self._settings.recheck_seconds)
            found = self._all()
            if not found:
                continue
            try:
                with self._app.app_context():
                    valid = self._valid(set(found.values()))
            except SQLAlchemyError as error:
                log.warning("look at the database failed", error=type(error).__name__)
                continue
            except Exception:
                log.exception("look at the database failed")  # the next one shall be tried: it guards access
                continue
            for connection, credential in found.items():
                if credential not in valid:
                    connection.close(websocket.POLICY, "signed out or revoked")


def accept(user_id: UUID, credential: str, serve: Serve) -> Response:
    """The answer that makes the present request a WebSocket of this user, and runs `serve` until it ends.

    It runs within the request's context. Raises HTTPException (400, 426) for what is no such request.
    """
    found = sockets()

    def run(sock: socket.socket) -> None:
        connection = found.connection(sock)
        with found.holding(connection, credential), _logged(found, connection, user_id):
            _run(serve, connection)

    return Switching(run)


def sockets() -> Sockets:
    """Those of the current application."""
    found: Sockets = current_app.extensions["sockets"]
    return found


def _run(serve: Serve, connection: Connection) -> None:
    try:
        serve(connection)
    except Gone:
        pass
    except SQLAlchemyError as error:
        log.warning("database unavailable", error=type(error).__name__)
        connection.close(websocket.TRY_LATER, "the database is busy")
    except Exception:
        log.exception("connection failed unexpectedly")
        connection.close(websocket.INTERNAL_ERROR, "internal error")
    finally:
        connection.finish()


@contextmanager
def _logged(found: Sockets, connection: Connection, user_id: UUID) -> Iterator[None]:
    began = time.monotonic()
    rule = request.url_rule.rule if request.url_rule is not None else None
    with structlog.contextvars.bound_contextvars(connection_id=str(connection.id)):
        about = {"route": rule, "user_id": str(user_id)}
        log.info("socket opened", **about, open=found.count)
        try:
            yield
        finally:
            code, reason = connection.ending or (websocket.ABNORMAL, "")
            log.info(
                "socket closed",
                **about,
                code=code,
                reason=reason,
                seconds=round(time.monotonic() - began, 3),
                events=connection.sent,
                received=connection.received,
                lag_ms=round(connection.lag_ms),
                open=found.count - 1,
            )
