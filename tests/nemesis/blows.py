"""How each fault of a plan is done to a scene, and undone."""

from __future__ import annotations

import signal
from collections.abc import Callable

from tests.system.scene import Scene

Undo = Callable[[], object]
Deed = Callable[[Scene, int], Undo]


def worker_of(scene: Scene, number: int) -> str:
    """The worker that a blow of this number falls on."""
    names = sorted(name for name in scene.stack.processes if name.startswith("worker"))
    return names[number % len(names)]


def strike(scene: Scene, fault: str, number: int) -> Undo:
    """Let the fault begin; what comes back ends it."""
    return _DEEDS[fault](scene, number)


def _end_process(number_of_signal: signal.Signals, part: str) -> Deed:
    def deed(scene: Scene, number: int) -> Undo:
        name = worker_of(scene, number) if part == "worker" else part
        scene.stack.kill(name, number_of_signal)
        # Not waiting until it is ready: that may take until another fault is over.
        return scene.stack.launch_web if part == "web" else lambda: scene.stack.launch_worker(name)

    return deed


def _freeze(part: str) -> Deed:
    def deed(scene: Scene, number: int) -> Undo:
        process = scene.stack.processes[worker_of(scene, number) if part == "worker" else part]
        process.send_signal(signal.SIGSTOP)
        return lambda: process.send_signal(signal.SIGCONT)

    return deed


def _empty(scene: Scene, _: int) -> Undo:
    scene.restart_valkey_empty()
    return _nothing


def _unsubscribe(scene: Scene, _: int) -> Undo:
    with scene.stack.redis() as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    return _nothing


def _forget(scene: Scene, _: int) -> Undo:
    with scene.stack.redis() as client:
        for key in client.scan_iter("thread:*:events"):
            client.delete(key)
    return _nothing


def _slow(scene: Scene, _: int) -> Undo:
    scene.proxies["redis"].latency(0.1)
    return lambda: scene.proxies["redis"].latency(0)


def _cut(place: str) -> Deed:
    def deed(scene: Scene, _: int) -> Undo:
        scene.proxies[place].cut()
        return _nothing

    return deed


def _drop(scene: Scene, _: int) -> Undo:
    scene.proxies["web"].drop_responses()
    return scene.proxies["web"].heal


def _hold(scene: Scene, _: int) -> Undo:
    scene.proxies["database"].blackhole()
    return scene.proxies["database"].heal


def _nothing() -> None:
    """It is over already."""


_DEEDS: dict[str, Deed] = {
    "kill a worker": _end_process(signal.SIGKILL, "worker"),
    "freeze a worker": _freeze("worker"),
    "stop a worker": _end_process(signal.SIGTERM, "worker"),
    "stop the web process": _end_process(signal.SIGTERM, "web"),
    "kill the web process": _end_process(signal.SIGKILL, "web"),
    "freeze Valkey": _freeze("valkey"),
    "restart Valkey empty": _empty,
    "kill every subscription": _unsubscribe,
    "delete the logs": _forget,
    "slow Redis": _slow,
    "cut Redis": _cut("redis"),
    "cut the provider": _cut("provider"),
    "cut the clients": _cut("web"),
    "drop the web's answers": _drop,
    "cut the database": _cut("database"),
    "hold the database back": _hold,
}
