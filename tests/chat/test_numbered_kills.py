"""A numbered stream that is left, and joined again after its reply's worker was killed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice, takewhile
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import select

from app import create_app
from app.auth import principal
from app.chat import numbered, watching
from app.config import Settings
from app.database import reading
from app.extensions import db, redis
from app.models import ApiKey
from app.stream.hub import Hub
from app.stream.output import Beat, Kind
from tests.conftest import MakeStack
from tests.stream.numbering import shape
from tests.support import hubs
from tests.support.stack import Stack

WORDS = 120
WHOLE = " ".join(f"w{number}" for number in range(1, WORDS + 1))


@contextmanager
def reader_of(stack: Stack) -> Iterator[Hub]:
    """The readers' side of another web process on the same database."""
    secret = SecretStr("only for tests")
    urls = {"database_url": stack.database_url, "redis_url": stack.redis_url, "data_dir": stack.folder}
    made = Settings(_env_file=None, secret_key=secret, scripted=True, heartbeat_comment_seconds=0.5, **urls)
    app = create_app(made)
    with app.app_context():
        hub = Hub(app, made, redis(), partial(watching.look, principal.owners))
        try:
            yield hub
        finally:
            hub.close()
            hubs.await_ended()
            redis().close()
            db.engine.dispose()


def test_a_stream_joined_again_after_kill_9_goes_on_and_says_the_same_as_the_row(make_stack: MakeStack) -> None:
    with make_stack(workers=2, LEASE_SECONDS="2", HEARTBEAT_SECONDS="0.4") as stack, reader_of(stack) as hub:
        client = stack.user()
        user_id = UUID(client.get("/api/me").json()["id"])
        body = {"content": f"!delay 0.05\n!words {WORDS}", "model": "scripted/echo"}
        reply_id = UUID(client.post("/api/messages", json=body).json()["reply"]["id"])
        with reading() as session:
            key = f"key:{session.scalars(select(ApiKey.id).where(ApiKey.user_id == user_id)).one()}"

        def follow(after: int) -> Iterator[Beat | None]:
            return numbered.follow(hub, user_id, key, reply_id, after)

        first = list(islice(filter(None, follow(-1)), 30))
        for name in ("worker", "worker2"):
            stack.kill(name)
        between = list(takewhile(lambda beat: beat is not None, follow(first[-1].number)))
        stack.start_worker("worker3")
        rest = list(filter(None, follow([*first, *between][-1].number)))
        told = numbered.read(user_id, reply_id)
        assert told.output.text == told.message.content == WHOLE
        assert [shape(beat) for beat in (*first, *between, *rest)] == [shape(beat) for beat in told.beats]
        assert [item.dropped for item in told.output.items] == [True, False]
        assert sum(beat.kind is Kind.BEGUN for beat in told.beats) == 1
        client.close()
