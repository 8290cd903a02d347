from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import insert

from app.auth import principal
from app.chat import finishing, watching
from app.chat.keeping import Keeper
from app.chat.toolbox import no_servers
from app.chat.workshop import Workshop
from app.database import transaction
from app.extensions import redis, settings
from app.ids import new_id
from app.jobs.presence import Presence
from app.jobs.reaper import Reaper
from app.llm.call import Watch
from app.models import ApiKey
from app.stream.flusher import Flusher
from app.stream.hub import Hub
from app.tools.running import Runner
from tests.support import rows
from tests.support.own_valkey import own_valkey
from tests.support.shared_app import app, make_app, shared_app, shared_database_url, shared_settings

__all__ = ["app", "make_app", "own_valkey", "shared_app", "shared_database_url", "shared_settings"]

MakeWorkshop = Callable[..., Workshop]


@pytest.fixture
def user_id(app: Flask) -> UUID:
    return rows.a_user(name="Ada")


def a_key(user_id: UUID) -> str:
    """A valid API key of the user's, as streams name their credentials."""
    id_ = new_id()
    with transaction() as session:
        session.execute(insert(ApiKey).values(id=id_, user_id=user_id, name="k", prefix="hf_", key_hash=str(id_)))
    return f"key:{id_}"


@pytest.fixture
def hub(app: Flask) -> Iterator[Hub]:
    """The readers' side of a web process."""
    made = Hub(app, settings(), redis(), partial(watching.look, principal.owners))
    yield made
    made.close()


@pytest.fixture
def reaper(app: Flask) -> Reaper:
    return Reaper(app, settings(), finishing.end_abandoned, finishing.announce)


@pytest.fixture
def make_workshop(app: Flask) -> Iterator[MakeWorkshop]:
    """What a worker process has, beating fast; keyword arguments replace settings."""
    presences: list[Presence] = []

    def make(**changed: object) -> Workshop:
        values = {"lease_seconds": 60, "heartbeat_seconds": 0.02, "provider_retries": 2} | changed
        wanted = settings().model_copy(update=values)
        presences.append(Presence(app, wanted))
        presences[-1].start()
        return Workshop(
            settings=wanted,
            presence=presences[-1],
            flusher=Flusher(redis(), wanted),
            watch=Watch(0.02),
            keeper=Keeper(app, wanted),
            runner=Runner(),
            listing=no_servers,
            apart=None,
        )

    yield make
    for presence in presences:
        presence.leave()


@pytest.fixture
def workshop(make_workshop: MakeWorkshop) -> Workshop:
    return make_workshop()
