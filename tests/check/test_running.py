"""The checker on a real, short run: nothing may be wrong, while it runs and when it is over."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time

from tests.support.copy import ROOT
from tests.system.scene import MakeScene, Scene


def flask_check(scene: Scene, *options: object) -> tuple[int, str]:
    command = [sys.executable, "-m", "flask", "--app", "app", "check", *map(str, options)]
    done = subprocess.run(command, cwd=ROOT, env=scene.stack.env, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_of_a_run_without_faults_everything_is_held(make_scene: MakeScene) -> None:
    began = time.time()
    with make_scene(check=False) as scene:
        ada = scene.user()
        slow = scene.post(ada, "Tell me a long story, please", model="openai/fake-t150-r50")
        following = scene.post(ada, "And then? Please go on", model="openai/fake-t20-r50", thread_id=slow.thread_id)
        dropped = scene.post(ada, "Something to be cancelled", model="openai/fake-t3000-r50")
        watchers = [*scene.watch(ada, slow), *scene.watch(ada, dropped), scene.watch_thread(ada, slow, following)]
        scene.first_token_after(watchers[3], 0)
        code, said = flask_check(scene)
        assert code == 0, said
        assert scene.poster(ada).cancel(dropped.id).result(10) in {200, 202}
        scene.settle(60)
        scene.poster(ada).join()
        evidence = ("--transcripts", scene.transcripts, "--provider", scene.provider.calls)
        logs = ("--logs", scene.stack.log("web").parent, "--canary", ada.key)
        code, said = flask_check(scene, *evidence, *logs, "--faults-ended", began)
        assert code == 0, said
        lines = {line.split()[0]: line for line in said.splitlines()}
        held = {name for name, line in lines.items() if "  held  " in line}
        assert held == {"G1", "G2", "G3", "G4", "G5", "G7", "G8", "G9", "G10", "G12"}, said
        for name, counted in {
            "G1": "3 replies, 3 accepted posts",
            "G2": "3 ends that clients saw",
            "G3": "3 provider calls",
            "G8": "1 cancels, 1 cancels that clients sent, 1 calls of cancelled replies",
            "G9": "1 posts in order",
        }.items():
            assert counted in lines[name], said
        assert "1 workers live, 0 lapsed leases hold jobs" in lines["G11"]
        assert "replies of providers" in on_a_terminal(scene, *evidence)


def on_a_terminal(scene: Scene, *options: object) -> str:
    """What it writes to a terminal while it works."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "flask", "--app", "app", "check", *map(str, options)]
    process = subprocess.Popen(command, cwd=ROOT, env=scene.stack.env, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    written = b""
    try:
        while chunk := os.read(ours, 4096):
            written += chunk
    except OSError:  # the other side has closed
        pass
    os.close(ours)
    assert process.wait(60) == 0
    return written.decode()
