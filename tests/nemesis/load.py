"""People who post, read in every way, and sometimes cancel, until they are told to stop."""

from __future__ import annotations

import random
import threading
from concurrent.futures import TimeoutError as NotAnswered

from tests.system.scene import POST_SECONDS, Scene

MODELS = (
    "openai/fake-t60-r30",
    "openai/fake-t150-r50",
    "openai/fake-t10-first800",
    "openai/fake-t40-r40-rst-at20-x1",
    "openai/fake-t30-r30-500ra1-x1",
    "openai/fake-t30-r30-reason",
    "anthropic/fake-t80-r40",
    "anthropic/fake-t30-r30-error-x1",
)
CANCELS = 0.15  # of the replies


class Person:
    """One person with a seed of their own, in a thread of their own."""

    def __init__(self, scene: Scene, seed: int) -> None:
        self.posts = 0
        self._scene = scene
        self._chance = random.Random(seed)
        self._user = scene.user()
        self._poster = scene.poster(self._user)
        self._told = threading.Event()
        self._thread = threading.Thread(target=self._live, name=f"person-{seed}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Post nothing more."""
        self._told.set()

    def join(self) -> None:
        """Wait until the last post is answered."""
        self._thread.join(POST_SECONDS * 2)
        assert not self._thread.is_alive(), "a post was never answered"

    def _live(self) -> None:
        thread_id = None
        while not self._told.is_set():
            thread_id = self._post(thread_id)
            self._told.wait(self._chance.uniform(0.3, 2.5))

    def _post(self, thread_id: str | None) -> str | None:
        """Post to the same thread as before, or to a new one; read the reply in one way or in all."""
        more = {"thread_id": thread_id} if thread_id and self._chance.random() < 0.5 else {}
        asked = self._poster.post(f"number {self.posts}", model=self._chance.choice(MODELS), **more)
        try:
            posted = asked.result(POST_SECONDS)
        except NotAnswered:
            return thread_id
        if posted.status != 202:
            return None
        self.posts += 1
        self._scene.expect(self._user, posted)
        self._scene.watch(self._user, posted)
        if self._chance.random() < CANCELS:
            self._told.wait(self._chance.uniform(0, 2))
            self._poster.cancel(posted.id)
        return posted.thread_id
