"""One reply in a process of its own: `python -m workers.alone JOB_ID`, for one that has crashed its workers."""

from __future__ import annotations

import signal
import sys
import threading
from queue import SimpleQueue
from uuid import UUID

import structlog

from app import create_worker_app
from app.chat import replying
from app.config import current_settings
from app.jobs.presence import Presence
from workers.workshop import open_workshop

log = structlog.get_logger(__name__)


def main(job_id: UUID) -> None:
    """Write the reply, or hand it over at SIGTERM. The lease is this process's own, and so is the crash."""
    settings = current_settings()
    app = create_worker_app(settings)
    with app.app_context():
        workshop = open_workshop(app, settings, apart=None)
        _drain_at_sigterm(workshop.presence)
        structlog.contextvars.bind_contextvars(job_id=str(job_id))
        log.info("writing one reply alone", lease=str(workshop.presence.lease_id))
        replying.process_message(workshop, job_id)
        workshop.presence.leave()


def _drain_at_sigterm(presence: Presence) -> None:
    """In a thread of its own: the main thread, which runs handlers, may hold the locks that draining needs."""
    told: SimpleQueue[int] = SimpleQueue()  # the one queue that a handler may put into, whatever it interrupts

    def drain() -> None:
        told.get()
        presence.drain()

    threading.Thread(target=drain, name="drain", daemon=True).start()
    signal.signal(signal.SIGTERM, lambda number, _: told.put(number))


if __name__ == "__main__":
    main(UUID(sys.argv[1]))
