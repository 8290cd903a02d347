"""The harness of the fault suite: a stack, a provider, clients that write transcripts, proxies, and the checker.

with make_scene(workers=2, proxied={"redis"}, LEASE_SECONDS="3") as scene:
    ada = scene.user()
    reply = scene.post(ada, "hello", model="openai/fake-t200-r50")
    watchers = scene.watch(ada, reply)
    ...faults through scene.stack, scene.provider and scene.proxies...
    scene.settle(60)

When the block ends without an exception the checker reads everything; what it finds fails the test.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from uuid import uuid4

import httpx2 as httpx

from tests.clients import Access, Client, Polling, Posted, Poster, PubSub, SseReply, SseThread
from tests.provider.process import ProviderProcess
from tests.proxy import Proxy
from tests.support.reader import ENDED
from tests.support.stack import until
from tests.system import staging
from tests.system.staging import MODEL, SceneStack

MakeScene = Callable[..., AbstractContextManager["Scene"]]
C = TypeVar("C", bound=Client)
POST_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class User:
    """Somebody with an account; `client` goes to the web process without a proxy."""

    id: str
    key: str
    client: httpx.Client


class Watchers(NamedTuple):
    """One client of each kind on the same reply."""

    sse: SseReply
    polling: Polling
    pubsub: PubSub


class Scene:
    """One test's world. Made by the fixture `make_scene`."""

    def __init__(self, stack: SceneStack, provider: ProviderProcess, proxies: dict[str, Proxy]) -> None:
        self.stack = stack
        self.provider = provider
        self.proxies = proxies
        self.transcripts = stack.folder / "transcripts"
        self.watchers: list[Client] = []
        self.posted: dict[str, User] = {}
        self.faults_ended: float | None = None  # for the checker's G1, in time.time()
        self.evidence = ["--canary", staging.MODEL_KEY]  # more arguments of the checker; tests add to them
        self.report = ""
        self._users: list[User] = []
        self._posters: dict[str, Poster] = {}

    @property
    def url(self) -> str:
        """Where clients find the web process: through its proxy, if it has one."""
        proxy = self.proxies.get("web")
        return f"http://127.0.0.1:{proxy.port}" if proxy else self.stack.url

    def user(self) -> User:
        """A new user."""
        client = self.stack.user(f"{uuid4().hex}@example.com")
        key = client.headers["Authorization"].removeprefix("Bearer ")
        user = User(client.get("/api/me").json()["id"], key, client)
        self._users.append(user)
        return user

    def access(self, user: User) -> Access:
        """What a client of tests/clients needs to act for the user."""
        return Access(self.url, user.key, user.id, self.stack.redis_url)

    def post(self, user: User, content: str, *, model: str = MODEL, **more: Any) -> Posted:
        """Post a message, repeating it until it is answered; anything but 202 fails. `settle` waits for its reply."""
        posted = self.poster(user).post(content, model=model, **more).result(POST_SECONDS)
        assert posted.status == 202, posted.body
        self.expect(user, posted)
        return posted

    def expect(self, user: User, posted: Posted) -> None:
        """Let `settle` wait for a reply that was posted otherwise."""
        self.posted[posted.id] = user

    def poster(self, user: User, *, new: bool = False) -> Poster:
        """The user's poster, or with `new` one more, to post at the same time."""
        if new or user.id not in self._posters:
            poster = Poster(self.access(user), self.transcripts).start()
            self._posters[poster.name if new else user.id] = poster
            return poster
        return self._posters[user.id]

    def watch(self, user: User, posted: Posted) -> Watchers:
        """One client of each kind on the reply, started."""
        access, folder = self.access(user), self.transcripts
        watchers = Watchers(
            SseReply(access, folder, posted.id),
            Polling(access, folder, posted.id),
            PubSub(access, folder, posted.thread_id, posted.id),
        )
        return Watchers(*map(self.add, watchers))

    def watch_thread(self, user: User, *posted: Posted) -> SseThread:
        """One client of the stream of their thread, until all of them have ended."""
        replies = [one.id for one in posted]
        return self.add(SseThread(self.access(user), self.transcripts, posted[0].thread_id, replies))

    def add(self, client: C) -> C:
        """Start a client that `settle` shall wait for."""
        self.watchers.append(client)
        return client.start()

    def settle(self, seconds: float = 60) -> None:
        """Wait until every watcher has ended and every posted reply is terminal; fails with what is missing."""
        deadline = time.monotonic() + seconds
        missing = [complaint for client in self.watchers if (complaint := _complaint(client, deadline))]
        running = self._running()
        while running and time.monotonic() < deadline:
            time.sleep(0.1)
            running = self._running()
        missing += [f"reply {id_} is {status}" for id_, status in running.items()]
        assert not missing, f"not settled within {seconds} s:\n" + "\n".join(missing)

    def seconds_until(self, condition: Callable[[], Any], seconds: float = 30, what: str = "it") -> float:
        """How long it takes from now until the condition holds; fails when it does not within `seconds`."""
        began = time.monotonic()
        until(condition, seconds, what)
        return time.monotonic() - began

    def first_token_after(self, client: Client, moment: float, seconds: float = 30) -> float:
        """Seconds from `moment` (of time.time()) until the client learnt text that it had not known before."""
        found = client.wait_for(lambda: [at for at in client.tokens if at > moment], seconds)
        return float(found[0] - moment)

    def restart_valkey_empty(self) -> None:
        """Kill Valkey, and what it kept, and start it again."""
        self.stack.kill("valkey")
        shutil.rmtree(self.stack.folder / "valkey", ignore_errors=True)
        self.stack.start_valkey()

    def check(self) -> None:
        """Let the checker read database, log, transcripts and calls; whatever it finds fails the test."""
        code, report = self.verdicts()
        assert code == 0, f"the checker found:\n{report}"

    def verdicts(self, *, faults_ended: float | None = None) -> tuple[int, str]:
        """The checker's exit code, and what it printed, which is also `report`. Ends the posters."""
        for poster in self._posters.values():
            poster.join(POST_SECONDS)
        ended = faults_ended or self.faults_ended
        more = [*self.evidence, *(["--faults-ended", str(ended)] if ended else [])]
        code, self.report = staging.checked(self.stack, self.provider, self.transcripts, more)
        return code, self.report

    def _running(self) -> dict[str, str]:
        """The posted replies that have not ended, as far as the web process says."""
        statuses = {id_: _status(user.client, id_) for id_, user in self.posted.items()}
        return {id_: status for id_, status in statuses.items() if status not in ENDED}

    def _clients(self) -> list[Client]:
        return [*self.watchers, *self._posters.values()]

    def _stop(self) -> None:
        for client in self._clients():
            client.stop()

    def _leave(self) -> None:
        """After all servers have gone, so that nobody is left waiting for one."""
        for client in self._clients():
            client.leave()
        for user in self._users:
            user.client.close()


@contextmanager
def running_scene(
    folder: Path, database_url: str, *, workers: int, proxied: set[str], check: bool, settings: dict[str, str]
) -> Iterator[Scene]:
    """Start everything, and end it with the block; without an exception, and with `check`, the checker comes last."""
    (folder / "logs").mkdir(parents=True)
    with ExitStack() as parts:
        provider = parts.enter_context(ProviderProcess(folder / "calls.jsonl"))
        stack = SceneStack(folder, database_url, {})
        targets = staging.targets(stack, provider)
        assert proxied <= targets.keys(), f"no proxy can stand before {proxied - targets.keys()}"
        proxies = {place: parts.enter_context(Proxy("127.0.0.1", targets[place])) for place in proxied}
        stack.settings |= staging.addresses(stack, provider, proxies) | settings
        scene = Scene(stack, provider, proxies)
        parts.callback(scene._leave)
        parts.callback(stack.end)
        parts.callback(scene._stop)
        staging.start(stack, workers)
        yield scene
        if check:
            scene.check()


def _complaint(client: Client, deadline: float) -> str | None:
    """What is wrong with a watcher that shall have ended by then."""
    try:
        client.join(deadline - time.monotonic())
    except AssertionError as error:
        return str(error)
    return None if client.ended else f"{client} was stopped"


def _status(client: httpx.Client, reply_id: str) -> str:
    try:
        answer = client.get(f"/api/messages/{reply_id}")
    except httpx.HTTPError as error:
        return f"unknown: {error!r}"
    return str(answer.json()["status"]) if answer.status_code == 200 else f"unknown: {answer.status_code}"
