"""gunicorn's settings, but for the number of processes: it reads WEB_CONCURRENCY itself.

It imports nothing of the app: that must happen in the worker, after gevent patched it.
"""

from __future__ import annotations

import os
import signal
from typing import Any

import gevent

from workers import garbage, leash

_LOOK_SECONDS = 0.1


def _address(host: str, port: str) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


bind = _address(os.environ.get("HOST") or "127.0.0.1", os.environ.get("PORT") or "8000")
worker_class = "gevent"
worker_connections = 20_000  # 10,000 open streams and room for the requests beside them
graceful_timeout = 3  # open streams end at once, below; what is waited for here is idle keep-alive connections
timeout = 30  # an event loop blocked this long is restarted
keepalive = 75  # longer than the idle time of the usual proxies
preload_app = False
control_socket_disable = True  # its default path is shared by all copies of a user, and nothing here uses it
forwarded_allow_ips = ""  # TRUSTED_PROXIES decides in the app whose X-Forwarded-* are believed
accesslog = None  # the app logs requests itself
loglevel = "warning"


def post_fork(_server: Any, worker: Any) -> None:
    """Without its master, killed with SIGKILL, a worker would keep the address for seconds from whoever comes after."""
    leash.end_with_parent(worker.ppid, signal.SIGKILL)
    garbage.collect_nothing_yet()  # the app is loaded next


def post_worker_init(worker: Any) -> None:
    """The app is loaded: watch for the worker's end from its own event loop."""
    garbage.collect_seldom()
    gevent.spawn(_end_streams_with, worker)


def worker_exit(_server: Any, worker: Any) -> None:
    """Streams whose requests are over are not among what gunicorn waits for, which may have ended before we looked."""
    _end_streams(worker)


def _end_streams_with(worker: Any) -> None:
    """gunicorn would wait for open streams until graceful_timeout; ended, their clients reconnect elsewhere."""
    while worker.alive:
        gevent.sleep(_LOOK_SECONDS)
    _end_streams(worker)


def _end_streams(worker: Any) -> None:
    extensions = getattr(worker.wsgi, "extensions", {})  # empty where the app could not be loaded
    for name in ("sockets", "hub"):  # sockets first: a WebSocket tells its client why
        if name in extensions:
            extensions[name].close()
