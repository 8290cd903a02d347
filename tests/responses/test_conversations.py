"""Conversations and their items by OpenAI's SDK; the same threads through /api."""

from __future__ import annotations

from typing import Any

import httpx2 as httpx
import pytest
from openai import AsyncOpenAI, NotFoundError, OpenAI

from tests.responses.conftest import Run
from tests.responses.reading import uuid_of

ECHO = "scripted/echo"


def texts(client: OpenAI, conversation_id: str, **query: Any) -> list[tuple[str, str]]:
    found = client.conversations.items.list(conversation_id, **query)
    return [(item.role, item.content[0].text) for item in found if item.type == "message"]


def test_a_conversation_is_made_read_changed_and_deleted(client: OpenAI, raw: httpx.Client) -> None:
    made = client.conversations.create(metadata={"topic": "a"}, items=[{"role": "user", "content": "Hello"}])
    assert (made.object, made.metadata) == ("conversation", {"topic": "a"})
    assert client.conversations.retrieve(made.id) == made
    assert client.conversations.update(made.id, metadata={"topic": "b"}).metadata == {"topic": "b"}
    thread = raw.get(f"/api/threads/{uuid_of(made.id)}").json()
    assert thread["metadata"] == {"topic": "b"}
    deleted = client.conversations.delete(made.id)
    assert (deleted.id, deleted.deleted) == (made.id, True)
    with pytest.raises(NotFoundError):
        client.conversations.retrieve(made.id)
    assert raw.get(f"/api/threads/{uuid_of(made.id)}").status_code == 404


def test_responses_stand_in_their_conversation(client: OpenAI, raw: httpx.Client) -> None:
    conversation = client.conversations.create()
    client.responses.create(model=ECHO, input="one", conversation=conversation.id)
    second = client.responses.create(model=ECHO, input="two", conversation={"id": conversation.id})
    assert second.conversation is not None
    assert second.conversation.id == conversation.id
    expected = [("user", "one"), ("assistant", "one"), ("user", "two"), ("assistant", "two")]
    assert texts(client, conversation.id, order="asc") == expected
    assert texts(client, conversation.id) == expected[::-1]
    path = raw.get(f"/api/threads/{uuid_of(conversation.id)}/messages").json()["data"]
    assert [(message["role"], message["content"]) for message in path] == expected


def test_a_thread_of_api_is_a_conversation(client: OpenAI, raw: httpx.Client) -> None:
    posted = raw.post("/api/messages", json={"content": "from api", "model": ECHO}).json()
    raw.get(f"/api/messages/{posted['reply']['id']}?wait=20")
    id_ = "conv_" + posted["thread"]["id"].replace("-", "")
    assert texts(client, id_, order="asc") == [("user", "from api"), ("assistant", "from api")]
    client.responses.create(model=ECHO, input="from v1", conversation=id_)
    path = raw.get(f"/api/threads/{posted['thread']['id']}/messages").json()["data"]
    assert [message["content"] for message in path] == ["from api", "from api", "from v1", "from v1"]


def test_pages_of_items_go_through_replies_with_several(client: OpenAI) -> None:
    conversation = client.conversations.create()
    script = "!reason hm\nLet me see.\n" + '!tool f {"a": 1}\n!tool f {"a": 2}'
    tool: Any = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}, "strict": False}
    client.responses.create(model=ECHO, input=script, conversation=conversation.id, tools=[tool])
    whole = [item.id for item in client.conversations.items.list(conversation.id, order="asc", limit=100)]
    assert len(whole) == len(set(whole)) == 5
    for limit in (1, 2, 3):
        for order, expected in (("asc", whole), ("desc", whole[::-1])):
            found = client.conversations.items.list(conversation.id, order=order, limit=limit)
            assert [item.id for item in found] == expected
    for item_id in whole:
        item = client.conversations.items.retrieve(item_id, conversation_id=conversation.id)
        assert item.id == item_id


def test_items_are_put_in_and_taken_out(client: OpenAI) -> None:
    conversation = client.conversations.create()
    items: Any = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "What is the time?"},
        {"type": "function_call", "call_id": "c1", "name": "time", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "noon"},
        {"role": "assistant", "content": "It is noon."},
    ]
    added = client.conversations.items.create(conversation.id, items=items)
    assert [item.type for item in added.data] == [
        "message", "message", "function_call", "function_call_output", "message",
    ]  # fmt: skip
    assert added.first_id == added.data[0].id
    listed = client.conversations.items.list(conversation.id, order="asc")
    assert [item.to_dict() for item in listed] == [item.to_dict() for item in added.data]
    client.conversations.items.delete(str(added.data[1].id), conversation_id=conversation.id)
    left = [item.id for item in client.conversations.items.list(conversation.id, order="asc")]
    assert left == [item.id for item in added.data if item.id != added.data[1].id]
    with pytest.raises(NotFoundError):
        client.conversations.items.retrieve(str(added.data[1].id), conversation_id=conversation.id)
    answered = client.responses.create(model=ECHO, input="!heard", conversation=conversation.id)
    assert answered.status == "completed"


def test_the_asynchronous_client_does_the_same(run: Run[Any]) -> None:
    async def work(client: AsyncOpenAI) -> list[str]:
        conversation = await client.conversations.create(items=[{"role": "user", "content": "Hello"}])
        await client.responses.create(model=ECHO, input="again", conversation=conversation.id)
        found = client.conversations.items.list(conversation.id, order="asc")
        listed = [item.content[0].text async for item in found if item.type == "message"]
        await client.conversations.delete(conversation.id)
        return listed

    assert run(work) == ["Hello", "again", "again"]


def test_a_conversation_is_made_once_for_a_key(raw: httpx.Client) -> None:
    first, again = (
        raw.post("/v1/conversations", json={"metadata": {"a": "b"}}, headers={"Idempotency-Key": "k"}) for _ in range(2)
    )
    assert first.content == again.content
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(raw.get("/api/threads").json()["data"]) == 1
