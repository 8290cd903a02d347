"""What a process that writes replies needs around it, made ready in the order that lets it begin."""

from __future__ import annotations

import platform
from collections.abc import Callable
from uuid import UUID

from flask import Flask

from app import redis_client
from app.chat.keeping import Keeper
from app.chat.workshop import Workshop
from app.config import Settings
from app.jobs.presence import Presence
from app.llm.call import Watch
from app.stream.flusher import Flusher
from app.stream.signals import CancelListener
from app.tools.running import Runner
from workers.servers import listing


def open_workshop(app: Flask, settings: Settings, apart: Callable[[UUID], object] | None) -> Workshop:
    """A workshop with a lease, which hears cancels."""
    platform.platform()  # known from now on: OpenAI's SDK asks before its first call, and each time starts a process
    presence = Presence(app, settings)
    # Its own connection: a flush must not wait behind anything else.
    flusher = Flusher(
        redis_client.connected(settings.redis_url, settings.redis_timeout_seconds, connections=2), settings
    )
    runner = Runner(settings.hanging_tools)
    workshop = Workshop(settings, presence, flusher, Watch(), Keeper(app, settings), runner, listing(settings), apart)
    presence.start()
    CancelListener(app.extensions["redis"], lambda job_id: presence.cancel(UUID(job_id))).start()
    return workshop
