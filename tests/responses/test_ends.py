"""Every way a response can end, and what is left of it, by OpenAI's SDK."""

from __future__ import annotations

import time

import httpx2 as httpx
import pytest
from openai import APIError, NotFoundError, OpenAI

from tests.responses.reading import Reader
from tests.support.stack import Stack

ECHO = "scripted/echo"


@pytest.mark.parametrize(
    ("script", "last", "status", "reason"),
    [
        ("Not all of it\n!finish length", "response.incomplete", "incomplete", "max_output_tokens"),
        ("I would rather not\n!finish content_filter", "response.incomplete", "incomplete", "content_filter"),
        ("Some\n!error 400", "response.failed", "failed", None),
    ],
)
def test_every_end_has_its_event(client: OpenAI, script: str, last: str, status: str, reason: str | None) -> None:
    with client.responses.create(model=ECHO, input=script, stream=True) as stream:
        reader = Reader().read(stream)
    assert reader.types[-1] == last
    final = reader.final
    assert final is not None
    assert final.status == status
    assert (final.incomplete_details.reason if final.incomplete_details else None) == reason
    if reason is None:
        assert final.error is not None
        assert final.error.code == "invalid_prompt"
        assert final.error.message
    else:
        assert final.output[-1].to_dict()["status"] == "incomplete"
    assert client.responses.retrieve(final.id) == final


def test_cancelling_ends_a_stream(client: OpenAI) -> None:
    stream = client.responses.create(model=ECHO, input="!delay 0.05\n!words 2000", stream=True, background=True)
    reader = Reader().read(stream, most=8)
    assert reader.first is not None
    id_ = reader.first.id
    client.responses.cancel(id_)
    reader.read(stream)
    assert reader.final is not None
    assert (reader.final.id, reader.final.status) == (id_, "cancelled")
    assert reader.types[-1] == "response.incomplete"
    again = client.responses.cancel(id_)
    assert again == reader.final == client.responses.retrieve(id_)
    assert again.output_text == reader.text != ""


def test_a_response_that_has_ended_stays_as_it_ended(client: OpenAI) -> None:
    response = client.responses.create(model=ECHO, input="done")
    assert client.responses.cancel(response.id) == response


def test_a_deleted_response_is_no_more(client: OpenAI) -> None:
    response = client.responses.create(model=ECHO, input="done")
    client.responses.delete(response.id)
    for gone in (client.responses.retrieve, client.responses.cancel, client.responses.delete):
        with pytest.raises(NotFoundError):
            gone(response.id)


def test_what_is_not_stored_is_gone_at_its_end(client: OpenAI, raw: httpx.Client) -> None:
    response = client.responses.create(model=ECHO, input="forget me", store=False)
    assert response.output_text == "forget me"
    with pytest.raises(NotFoundError):
        client.responses.retrieve(response.id)
    assert raw.get("/api/threads").json()["data"] == []


def test_a_revoked_key_ends_its_streams(client: OpenAI, raw: httpx.Client, stack: Stack) -> None:
    key = raw.post("/api/keys", json={"name": "short"}).json()
    with (
        OpenAI(base_url=f"{stack.url}/v1", api_key=key["key"], max_retries=0) as mine,
        mine.responses.create(model=ECHO, input="!delay 0.05\n!words 1000", stream=True) as stream,
    ):
        reader = Reader().read(stream, most=5)
        assert raw.delete(f"/api/keys/{key['id']}").status_code == 204
        began = time.monotonic()
        with pytest.raises(APIError) as ended:
            reader.read(stream)
    assert time.monotonic() - began < 5
    assert ended.value.code == "interrupted"
    assert reader.first is not None
    assert client.responses.cancel(reader.first.id).status == "cancelled"
