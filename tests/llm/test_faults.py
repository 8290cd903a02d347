"""Every way in which a provider fails, in both dialects: which error it is, and what that error says."""

from __future__ import annotations

import socket
import time

import pytest

from app.config import Settings
from app.llm import errors
from app.llm.call import Call
from app.llm.errors import ProviderError
from app.llm.providers import resolve
from app.llm.types import ModelRequest, Turn
from tests.llm.conftest import DIALECTS, KEY, PROMPT, Ask, Chunk, text, whole, words

REFUSALS = {
    "400": errors.ProviderRefused,
    "401": errors.ProviderUnauthorized,
    "402": errors.ProviderUnauthorized,
    "403": errors.ProviderUnauthorized,
    "404": errors.ProviderRefused,
    "408": errors.ProviderDown,
    "413": errors.ProviderRefused,
    "422": errors.ProviderRefused,
    "429": errors.ProviderBusy,
    "500": errors.ProviderDown,
    "502": errors.ProviderDown,
    "503": errors.ProviderDown,
    "503ra5": errors.ProviderBusy,
    "529": errors.ProviderBusy,
}
BROKEN_STREAMS = ("rst", "fin", "clean", "garbage", "html", "badtool", "truncatedtool")

both = pytest.mark.parametrize("dialect", DIALECTS)


@both
@pytest.mark.parametrize("status", REFUSALS)
def test_a_status_becomes_the_error_that_says_whether_to_try_again(dialect: str, status: str, ask: Ask) -> None:
    with pytest.raises(ProviderError) as caught:
        ask(f"{dialect}/fake-{status}")
    assert type(caught.value) is REFUSALS[status]
    assert str(caught.value.request_id).startswith("req_")


@both
@pytest.mark.parametrize("fault", BROKEN_STREAMS)
def test_a_stream_without_its_terminal_marker_is_no_success(dialect: str, fault: str, ask: Ask) -> None:
    with pytest.raises(errors.StreamCut):
        ask(f"{dialect}/fake-{fault}")


@both
@pytest.mark.parametrize("fault", ["rst", "fin", "clean", "error"])
def test_the_words_before_a_break_are_delivered(dialect: str, fault: str, settings: Settings) -> None:
    source, model = resolve(settings, f"{dialect}/fake-t20-at7-{fault}")
    said: list[Chunk] = []
    with pytest.raises(ProviderError):
        source.stream(ModelRequest(model.name, (Turn("user", PROMPT),)), Call(10, 10), said.append)
    assert text(said) == words(7)


@pytest.mark.parametrize(("dialect", "kind"), [("openai", errors.ProviderDown), ("anthropic", errors.ProviderBusy)])
def test_an_error_event_inside_a_stream_counts_by_its_type(dialect: str, kind: type[ProviderError], ask: Ask) -> None:
    with pytest.raises(kind):
        ask(f"{dialect}/fake-error")


@both
@pytest.mark.parametrize("fault", [*REFUSALS, "error", *BROKEN_STREAMS])
def test_no_message_repeats_a_key_or_a_prompt(dialect: str, fault: str, ask: Ask) -> None:
    with pytest.raises(ProviderError) as caught:
        ask(f"{dialect}/fake-{fault}")
    error: BaseException | None = caught.value
    while error is not None:
        assert "canary" not in str(error)
        assert KEY not in str(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


@both
def test_a_refused_key_names_its_variable(dialect: str, ask: Ask) -> None:
    with pytest.raises(errors.ProviderUnauthorized, match=f"Set a valid {dialect.upper()}_API_KEY and restart"):
        ask(f"{dialect}/fake-401")


@both
@pytest.mark.parametrize(
    ("wait", "seconds"), [("ra2", 2), ("ra3600", 3_600), ("rd90", 90), ("rm1500", 1.5)], ids=["s", "h", "date", "ms"]
)
def test_the_wait_that_a_provider_asks_for_is_told(dialect: str, wait: str, seconds: float, ask: Ask) -> None:
    with pytest.raises(errors.ProviderBusy) as caught:
        ask(f"{dialect}/fake-429{wait}")
    assert caught.value.retry_after == seconds


@both
@pytest.mark.parametrize("fault", ["silence", "pings"])
def test_silence_ends_the_call_and_pings_are_silence(dialect: str, fault: str, ask: Ask) -> None:
    start = time.monotonic()
    with pytest.raises(errors.ProviderSilent, match=r"0.3 s in mid-reply"):
        ask(f"{dialect}/fake-t20-{fault}", call=Call(first_token_seconds=5, between_tokens_seconds=0.3))
    assert 0.3 <= time.monotonic() - start < 1.5


@both
@pytest.mark.parametrize("fault", ["silence-at0", "pings-at0", "first5000"])
def test_the_first_word_has_a_deadline_of_its_own(dialect: str, fault: str, ask: Ask) -> None:
    with pytest.raises(errors.ProviderSilent, match=r"0.3 s before its first word"):
        ask(f"{dialect}/fake-t20-{fault}", call=Call(first_token_seconds=0.3, between_tokens_seconds=5))


@both
def test_a_slow_reply_lives_as_long_as_words_arrive(dialect: str, ask: Ask) -> None:
    chunks = ask(f"{dialect}/fake-t10-r20", call=Call(first_token_seconds=0.3, between_tokens_seconds=0.3))
    assert text(chunks) == words(10)


@both
def test_a_server_that_refuses_connections_is_down_and_its_variable_is_named(dialect: str, settings: Settings) -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unheard.getsockname()[1]}"
        elsewhere = settings.model_copy(update={f"{dialect}_base_url": url})
        source, model = resolve(elsewhere, f"{dialect}/fake")
        with pytest.raises(errors.ProviderDown, match=f"{dialect.upper()}_BASE_URL"):
            whole(source, ModelRequest(model.name, (Turn("user", "hi"),)))


@both
def test_a_host_without_an_address_is_down(dialect: str, settings: Settings) -> None:
    elsewhere = settings.model_copy(update={f"{dialect}_base_url": "http://nowhere.invalid"})
    source, model = resolve(elsewhere, f"{dialect}/fake")
    with pytest.raises(errors.ProviderDown, match="could not be reached"):
        whole(source, ModelRequest(model.name, (Turn("user", "hi"),)))
