"""A worker process in miniature: claims one job, writes its stream until it is stopped, and says what it sees.

Run as `python -m tests.jobs.writing_child DATABASE_URL REDIS_URL JOB_ID LEASE_SECONDS`; each line it prints is JSON.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import select

from app import create_worker_app
from app.config import Settings
from app.database import reading, transaction
from app.extensions import redis
from app.jobs import lifecycle
from app.jobs.presence import Presence
from app.jobs.run import Run, Stopped
from app.models import Message, Status
from app.stream.flusher import Flusher
from app.stream.score import Score
from app.stream.writer import Writer


def say(**what: object) -> None:
    print(json.dumps(what), flush=True)


def main(database_url: str, redis_url: str, job_id: str, lease_seconds: str) -> None:
    seconds = float(lease_seconds)
    urls = {"database_url": database_url, "redis_url": redis_url, "secret_key": SecretStr("only for tests")}
    settings = Settings(_env_file=None, lease_seconds=seconds, heartbeat_seconds=seconds / 4, **urls)
    app = create_worker_app(settings)
    with app.app_context():
        presence = Presence(app, settings)
        presence.start()
        lease_id = presence.lease_id
        assert lease_id is not None
        with transaction() as session:
            claim = lifecycle.claim(session, UUID(job_id), lease_id, 60, 3)
        assert claim is not None
        with reading() as session:
            message_id = session.scalars(select(Message.id).where(Message.job_id == claim.job_id)).one()
        with presence.running(claim) as run:
            say(lease=str(lease_id))
            ids = (str(claim.thread_id), str(message_id), claim.attempt)
            may_write = partial(presence.holds, claim.lease_id)
            write(run, Writer(Flusher(redis(), settings), *ids, may_write=may_write, score=Score(2)))
            with transaction() as session:
                finished = lifecycle.finish(session, claim, Status.COMPLETED)
        say(stopped=run.why, finished=finished, holds=presence.holds(claim.lease_id))
        presence.leave()


def write(run: Run, writer: Writer) -> None:
    try:
        while True:
            writer.delta("x")
            run.sleep(0.01)
    except Stopped:
        for _ in range(20):  # whatever it says from here on must stay here
            writer.delta("late")
            writer.settle(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
