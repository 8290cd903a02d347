"""The harness of the fault suite itself: once without any fault, and once with clients that are cut again and again."""

from __future__ import annotations

import time

import pytest

from tests.clients import Client
from tests.clients.transcript import Transcript, lines
from tests.support.stack import until
from tests.system.posting import words
from tests.system.scene import MakeScene


def cuts(client: Client) -> int:
    return len([line for line in lines(client.transcript.path) if line.get("note", "").startswith("cut")])


def test_without_a_fault_all_watchers_end_with_the_stored_text(make_scene: MakeScene) -> None:
    with make_scene(proxied={"redis", "provider"}) as scene:
        ada = scene.user()
        reply = scene.post(ada, "hello", model="openai/fake-t100-r50")
        watchers = scene.watch(ada, reply)
        thread = scene.watch_thread(ada, reply)
        assert scene.first_token_after(watchers.sse, time.time()) < 5
        scene.settle(60)
        stored = ada.client.get(f"/api/messages/{reply.id}").json()
        assert (stored["status"], stored["content"]) == ("completed", words(100))
        assert {client.text(reply.id) for client in (*watchers, thread)} == {stored["content"]}
        assert [call["tokens"] for call in scene.provider.wait_for("closed")] == [100]
        assert scene.proxies["redis"].answered
        assert scene.proxies["provider"].connections == 1
    assert "G4" in scene.report


def test_with_the_web_connection_cut_again_and_again_they_do_too(make_scene: MakeScene) -> None:
    with make_scene(proxied={"web"}) as scene:
        ada = scene.user()
        reply = scene.post(ada, "hello", model="openai/fake-t200-r50")
        watchers = scene.watch(ada, reply)
        for count in range(1, 11):
            scene.first_token_after(watchers.sse, time.time())
            scene.proxies["web"].cut()
            until(lambda count=count: cuts(watchers.sse) >= count, what=f"cut number {count}")
        scene.settle(60)
        stored = ada.client.get(f"/api/messages/{reply.id}").json()
        assert (stored["status"], stored["content"]) == ("completed", words(200))
        assert [client.text(reply.id) for client in watchers] == [stored["content"]] * 3


def test_what_has_not_settled_and_what_the_checker_finds_is_named(make_scene: MakeScene) -> None:
    with make_scene(check=False) as scene:
        ada = scene.user()
        reply = scene.post(ada, "hello", model="openai/fake-silence")
        sse, _, _ = scene.watch(ada, reply)
        with pytest.raises(AssertionError, match=f"(?s){sse.name}.*reply {reply.id} is"):
            scene.settle(1)
        scene.poster(ada).cancel(reply.id).result(15)
        scene.settle(30)
        scene.check()
        liar = Transcript(scene.transcripts / "liar.jsonl")
        liar.write(open={"client": "liar", "via": "polling", "user_id": ada.id, "scope": "message", "id": reply.id})
        liar.write(end={"texts": {reply.id: "never said"}, "statuses": {reply.id: "cancelled"}})
        liar.close()
        with pytest.raises(AssertionError, match=f"(?s)the checker found.*G4 .*{reply.id}"):
            scene.check()
