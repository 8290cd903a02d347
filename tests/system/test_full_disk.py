"""A full disk: what is refused is not there, what runs goes on, and room is all that is needed."""

from __future__ import annotations

import resource
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest
from sqlalchemy import make_url

from tests.system.accepting import accepted, insist, said, say, stored
from tests.system.posting import words
from tests.system.scene import MakeScene, Scene

pytestmark = pytest.mark.chaos

only_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class TmpFs:
    """A file system of 8 MB, filled by a file."""

    def __init__(self, disk: Path) -> None:
        self._filler = disk / "filler"

    def fill(self, _: Scene) -> None:
        """Leave no room."""
        with self._filler.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"x" * 4_096)

    def free(self, _: Scene) -> None:
        """Make room again."""
        self._filler.unlink()


class Limit:
    """No process may make a file longer than the database's are, which is how a full disk looks to it."""

    def __init__(self, disk: Path) -> None:
        self._disk = disk

    def fill(self, scene: Scene) -> None:
        """Leave no room."""
        self._set(scene, max(path.stat().st_size for path in self._disk.iterdir()) + 4_096)

    def free(self, scene: Scene) -> None:
        """Make room again."""
        self._set(scene, resource.RLIM_INFINITY)

    def _set(self, scene: Scene, most: int) -> None:
        for name in ("web", "worker"):
            process = psutil.Process(scene.stack.processes[name].pid)
            for one in (process, *process.children(recursive=True)):
                resource.prlimit(one.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))


@pytest.fixture(params=["tmpfs", "limit"])
def full_disk(request: pytest.FixtureRequest, tmp_path: Path, database_url: str) -> Iterator[TmpFs | Limit]:
    """The database in a folder of its own, its old name a link to it: on a small file system where root may mount
    one, and under a limit on the size of files, which anybody may set.
    """
    disk, database = tmp_path / "small", tmp_path / "holdfast.db"
    disk.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(disk)]
    mounted = request.param == "tmpfs" and not subprocess.run(mounting, capture_output=True, check=False).returncode
    if request.param == "tmpfs" and not mounted:
        pytest.skip("nobody but root may mount a file system")
    try:
        shutil.move(database, disk / "holdfast.db")
        database.symlink_to(disk / "holdfast.db")
        yield TmpFs(disk) if mounted else Limit(disk)
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.fault("F21")
@only_sqlite
def test_a_full_disk_refuses_posts_and_stores_nothing_until_there_is_room(
    full_disk: TmpFs | Limit, make_scene: MakeScene
) -> None:
    with make_scene() as scene:
        ada = scene.user()
        reply = scene.post(ada, "running", model="openai/fake-t150-r25")
        watchers = scene.watch(ada, reply)
        for client in watchers:
            scene.first_token_after(client, 0)
        texts, refused = ["running"], []
        full_disk.fill(scene)
        for number in range(500):  # there is room left in the write-ahead log
            content = f"meanwhile {number} {'x' * 5_000}"
            answer = say(ada, content, str(number))
            if answer.status_code == 202:
                accepted(scene, ada, str(number), answer)
            (texts if answer.status_code == 202 else refused).append(content)
            if len(refused) == 5:
                break
        assert len(refused) == 5
        assert said(scene) == dict.fromkeys(texts, 1)
        assert ada.client.get(f"/api/messages/{reply.id}").status_code == 200
        assert ada.client.get("/api/threads").status_code == 200
        full_disk.free(scene)
        for content in refused:
            insist(scene, ada, content, content[:100])
        scene.settle(60)
        assert said(scene) == dict.fromkeys([*texts, *refused], 1)
        assert stored(ada, reply)["content"] == words(150)
        assert [client.text(reply.id) for client in watchers] == [words(150)] * 3
        with closing(sqlite3.connect(str(make_url(scene.stack.database_url).database))) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
