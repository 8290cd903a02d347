"""The tiny model that comes with Holdfast: SmolLM2-135M behind llama.cpp's OpenAI-compatible server."""

from __future__ import annotations

from dataclasses import replace

from app.llm.call import Call
from app.llm.catalog import LOCAL_OUTPUT_TOKENS
from app.llm.endpoint import Endpoint
from app.llm.openai_compatible import OpenAICompatible
from app.llm.types import Finished, ModelRequest, Take

# 135 million parameters follow one plain sentence. Told its own name or role, the model plays it instead of answering.
SYSTEM = "You are a helpful assistant. Answer briefly and clearly."
# At 0.4 it already wanders off, at 0 it repeats itself, which the penalty also keeps down.
TEMPERATURE = 0.2
REPEAT_PENALTY = 1.1


class Local:
    """The provider `local`."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.name = endpoint.provider
        self._server = OpenAICompatible(endpoint, extra={"repeat_penalty": REPEAT_PENALTY})

    def stream(self, request: ModelRequest, call: Call, take: Take) -> Finished:
        """Give `take` what the model writes; see app/llm/types.py for the contract."""
        return self._server.stream(_suited(request), call, take)


def _suited(request: ModelRequest) -> ModelRequest:
    return replace(
        request,
        system=f"{SYSTEM}\n\n{request.system}".strip(),
        temperature=TEMPERATURE if request.temperature is None else request.temperature,
        max_output_tokens=min(request.max_output_tokens or LOCAL_OUTPUT_TOKENS, LOCAL_OUTPUT_TOKENS),
        tools=(),  # it cannot call them, and their schemas would fill its context
    )
