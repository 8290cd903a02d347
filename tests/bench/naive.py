"""The floor to compare with: what one writes first, which streams from the SDK as server-sent events and keeps nothing.

Run by gunicorn with two gevent workers. A client that leaves, a worker that dies, a release: each loses the reply.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator

from flask import Flask, Response, request
from openai import OpenAI

app = Flask(__name__)
client = OpenAI(base_url=os.environ["OPENAI_BASE_URL"], api_key="none")


@app.post("/accept")
def accept() -> tuple[dict[str, str], int]:
    """What it costs to be asked anything at all."""
    return {"content": request.get_json()["content"]}, 202


@app.get("/idle/<int:_number>")
def idle(_number: int) -> Response:
    """A stream that says one thing and then nothing."""

    def silence() -> Iterator[str]:
        yield "data: {}\n\n"
        time.sleep(3600)  # the silence that it is

    return Response(silence(), mimetype="text/event-stream")


@app.post("/chat")
def chat() -> Response:
    """Answer one message."""
    asked = request.get_json()
    return Response(_tokens(asked["model"], asked["content"]), mimetype="text/event-stream")


def _tokens(model: str, content: str) -> Iterator[str]:
    stream = client.chat.completions.create(model=model, messages=[{"role": "user", "content": content}], stream=True)
    for chunk in stream:
        if chunk.choices and (text := chunk.choices[0].delta.content):
            yield f"data: {json.dumps({'text': text})}\n\n"
    yield "data: [DONE]\n\n"
