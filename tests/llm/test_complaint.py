from __future__ import annotations

import pytest

from app.llm import errors
from app.llm.complaint import Complaint, refusal
from app.llm.endpoint import Endpoint

OPENAI = Endpoint("openai", "OpenAI", "https://user:secret@api.openai.com/v1")


@pytest.mark.parametrize(
    ("status", "words", "kind", "advice"),
    [
        (400, "Your credit balance is too low to access the API.", errors.ProviderUnauthorized, "no credit left"),
        (429, "insufficient_quota: check your plan", errors.ProviderUnauthorized, "no credit left"),
        (400, "maximum context length is 8192 tokens", errors.ProviderRefused, "longer than the model can read"),
        (400, "prompt is too long: 210000 tokens > 200000", errors.ProviderRefused, "longer than the model can read"),
        (400, "max_tokens: 900000 > 64000", errors.ProviderRefused, "lower it"),
        (400, "Unsupported value: 'temperature' does not support 0.5", errors.ProviderRefused, "leave it out"),
        (400, "this model does not support tools", errors.ProviderRefused, "switch them off"),
        (400, "triggered Azure OpenAI's content management policy", errors.ContentFiltered, "change the message"),
        (404, "The model does not exist", errors.ProviderRefused, "Check the model's name and OPENAI_BASE_URL"),
        (307, "", errors.ProviderRefused, "OPENAI_BASE_URL"),
        (418, "I am a teapot", errors.ProviderRefused, "Change the request"),
    ],
)
def test_a_known_cause_is_told_in_our_words(status: int, words: str, kind: type[Exception], advice: str) -> None:
    error = refusal(OPENAI, Complaint(status, words=words))
    assert type(error) is kind
    assert advice in str(error)
    assert "secret" not in str(error)


def test_only_plain_identifiers_of_the_provider_are_repeated() -> None:
    error = refusal(OPENAI, Complaint(400, ("invalid_value", "my secret prompt", "x" * 90)))
    assert "(400 invalid_value)" in str(error)
    assert "secret" not in str(error)


@pytest.mark.parametrize("kind", [errors.ProviderBusy, errors.ProviderDown, errors.StreamCut, errors.ProviderSilent])
def test_what_may_pass_by_itself_can_be_tried_again(kind: type[errors.ProviderError]) -> None:
    assert kind.retryable


@pytest.mark.parametrize("kind", [errors.ProviderRefused, errors.ProviderUnauthorized, errors.ContentFiltered])
def test_what_stays_as_it_is_is_not_tried_again(kind: type[errors.ProviderError]) -> None:
    assert not kind.retryable
