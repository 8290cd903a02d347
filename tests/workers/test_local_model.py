"""The tiny model, served from its wheel as `make run` serves it."""

from __future__ import annotations

import time
from pathlib import Path

import openai

from tests.support.copy import running_copy


def test_it_streams_words_and_usage_and_stops_at_once(tmp_path: Path) -> None:
    procfile = tmp_path / "Procfile"
    procfile.write_text("model: python -m workers.local_model\n")
    with running_copy(tmp_path / "var", procfile) as copy:
        url = copy.wait_for(r"answers on (http\S+)", seconds=60)[1]
        with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
            chunks = list(
                client.chat.completions.create(
                    model="smollm2",
                    messages=[{"role": "user", "content": "Say hello."}],
                    max_tokens=20,
                    stream=True,
                    stream_options={"include_usage": True},
                )
            )
        assert sum(bool(chunk.choices and chunk.choices[0].delta.content) for chunk in chunks) > 2
        assert chunks[-1].usage.completion_tokens > 2
        began = time.monotonic()
        copy.stop()
        assert time.monotonic() - began < 2
