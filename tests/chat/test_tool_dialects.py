"""Replies that call tools of real providers' dialects, over HTTP: the fake refuses what real ones refuse."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import update

from app.chat import sending
from app.chat.sending import Draft
from app.chat.workshop import Workshop
from app.database import transaction
from app.models import Message, Status
from tests.chat.conftest import MakeWorkshop
from tests.chat.test_replying import posted, status, written
from tests.chat.tooling import asking_for, calls_of, steps_of
from tests.provider import FakeProvider
from tests.support import rows


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProvider]:
    with FakeProvider() as fake:
        yield fake


@pytest.fixture
def workshop(make_workshop: MakeWorkshop, provider: FakeProvider) -> Workshop:
    return make_workshop(
        openai_base_url=provider.openai_url,
        openai_api_key=SecretStr("sk-test"),
        anthropic_base_url=provider.anthropic_url,
        anthropic_api_key=SecretStr("sk-test"),
    )


def by(model_id: str, job_id: UUID) -> UUID:
    """The same job, to be written by another model than this process offers."""
    with transaction() as session:
        session.execute(update(Message).where(Message.job_id == job_id).values(model_id=model_id))
    return job_id


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_parallel_calls_are_made_answered_and_remembered(workshop: Workshop, user_id: UUID, dialect: str) -> None:
    wanted = asking_for(["calculator", "clock"])
    job_id = by(f"{dialect}/fake-t3-calc", posted(user_id, "Calculate.", **wanted))
    reply = written(workshop, job_id)
    assert (status(job_id), reply.error) == (Status.COMPLETED, None)
    calculated, told = calls_of(job_id)
    assert (calculated.call_id, calculated.result, told.name) == ("call_calc_1", "42", "clock")
    assert reply.content == f"w1 w2 w3\n\n42 {' '.join((told.result or '').split())}"
    assert [step.finish_reason for step in steps_of(job_id)] == ["tool_calls", "stop"]
    assert all(step.request_id for step in steps_of(job_id))

    next_ = sending.send_message(user_id, Draft("Thanks.", rows.job(job_id).thread_id, **wanted)).reply.job_id
    assert next_ is not None
    assert written(workshop, by(f"{dialect}/fake-t2", next_)).content == "w1 w2"


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_a_thread_with_tool_calls_goes_on_without_tools(workshop: Workshop, user_id: UUID, dialect: str) -> None:
    job_id = by(f"{dialect}/fake-t3-calc", posted(user_id, "Calculate.", **asking_for(["calculator", "clock"])))
    written(workshop, job_id)
    draft = Draft("Thanks.", rows.job(job_id).thread_id, parameters={"tools": []})
    next_ = sending.send_message(user_id, draft).reply.job_id
    assert next_ is not None
    assert written(workshop, by(f"{dialect}/fake-t2", next_)).content == "w1 w2"


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
@pytest.mark.parametrize("broken", ["badtool", "truncatedtool"])
def test_arguments_that_are_no_json_are_never_run_nor_sent_back(
    workshop: Workshop, user_id: UUID, dialect: str, broken: str
) -> None:
    job_id = by(f"{dialect}/fake-t3-{broken}-x1", posted(user_id, "Calculate.", **asking_for(["clock"])))
    assert written(workshop, job_id).content == "w1 w2 w3"
    assert calls_of(job_id) == []
