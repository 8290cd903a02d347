"""gunicorn's settings. It imports nothing of the app: that must happen in the worker, after gevent patched it."""

from __future__ import annotations

import os


def _address(host: str, port: str) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


bind = _address(os.environ.get("HOST") or "127.0.0.1", os.environ.get("PORT") or "8000")
worker_class = "gevent"
workers = 1  # holds thousands of open streams; further ones are further copies behind a proxy
worker_connections = 10_000
graceful_timeout = 5  # open streams end themselves; nothing else takes so long
timeout = 30  # an event loop blocked this long is restarted
keepalive = 75  # longer than the idle time of the usual proxies
preload_app = False
control_socket_disable = True  # its default path is shared by all copies of a user, and nothing here uses it
forwarded_allow_ips = ""  # TRUSTED_PROXIES decides in the app whose X-Forwarded-* are believed
accesslog = None  # the app logs requests itself
loglevel = "warning"
