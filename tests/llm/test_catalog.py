from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.config import Settings
from app.llm.catalog import default_model, find, models
from app.llm.errors import ModelUnavailable

ROOT = Path(__file__).resolve().parents[2]
KEY = SecretStr("k")
NOTHING = {
    "openai_api_key": None,
    "anthropic_api_key": None,
    "deepseek_api_key": None,
    "openai_base_url": "https://api.openai.com/v1",
    "local_base_url": "",
    "scripted": False,
    "models": [],
    "default_model": "",
}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NOTHING:
        monkeypatch.delenv(name.upper(), raising=False)


def with_(**changes: object) -> Settings:
    return Settings().model_copy(update={**NOTHING, **changes})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"openai_api_key": KEY, "anthropic_api_key": KEY, "local_base_url": "http://l"}, "openai/gpt-6.1-terra"),
        ({"anthropic_api_key": KEY, "deepseek_api_key": KEY}, "anthropic/claude-sonnet-5-5"),
        ({"deepseek_api_key": KEY, "local_base_url": "http://l"}, "deepseek/deepseek-flash"),
        ({"local_base_url": "http://l", "scripted": True}, "local/smollm2"),
        ({"scripted": True}, "scripted/echo"),
        ({"openai_base_url": "http://ollama:11434/v1", "models": ["openai/llama3:8b"]}, "openai/llama3:8b"),
        ({"openai_api_key": KEY, "anthropic_api_key": KEY, "models": ["anthropic/claude-haiku-5-5"]},
         "anthropic/claude-haiku-5-5"),
        ({"openai_api_key": KEY, "default_model": "deepseek/deepseek-flash"}, "deepseek/deepseek-flash"),
    ],
)  # fmt: skip
def test_the_default_is_what_is_set_or_the_first_that_can_be_used(changes: dict[str, object], expected: str) -> None:
    assert default_model(with_(**changes)) == expected


def test_without_any_usable_model_the_default_says_what_to_set() -> None:
    with pytest.raises(ModelUnavailable, match="OPENAI_API_KEY"):
        default_model(with_())


@pytest.mark.parametrize(
    ("model_id", "message"),
    [
        ("openai/gpt-4o", "OPENAI_API_KEY"),
        ("anthropic/claude-haiku-5-5", "ANTHROPIC_API_KEY"),
        ("deepseek/deepseek-flash", "DEEPSEEK_API_KEY"),
        ("local/smollm2", "LOCAL_BASE_URL"),
        ("scripted/echo", "SCRIPTED=1"),
        ("mistral/large", "openai, anthropic, deepseek, local or scripted"),
        ("gpt-4o", "provider/name"),
        ("openai/", "provider/name"),
        ("", "provider/name"),
    ],
)
def test_a_model_that_cannot_be_used_says_what_to_set(model_id: str, message: str) -> None:
    with pytest.raises(ModelUnavailable, match=message):
        find(with_(), model_id)


def test_a_name_is_passed_on_untouched_even_with_slashes() -> None:
    model = find(with_(openai_api_key=KEY), "openai/meta-llama/Llama-3.1:free")
    assert (model.provider, model.name) == ("openai", "meta-llama/Llama-3.1:free")
    assert model.available


def test_a_compatible_server_needs_no_key() -> None:
    assert find(with_(openai_base_url="http://ollama:11434/v1"), "openai/llama3").available


def test_openai_s_own_address_with_a_slash_is_still_openai_s() -> None:
    with pytest.raises(ModelUnavailable, match="OPENAI_API_KEY"):
        find(with_(openai_base_url="https://api.openai.com/v1/"), "openai/gpt-4o")


def test_the_allow_list_shuts_out_every_other_model() -> None:
    settings = with_(openai_api_key=KEY, models=["openai/gpt-4o"])
    assert [model.id for model in models(settings)] == ["openai/gpt-4o"]
    with pytest.raises(ModelUnavailable, match="MODELS"):
        find(settings, "openai/gpt-6-luna")


def test_the_list_tells_what_is_missing_and_what_is_tiny() -> None:
    listed = {model.provider: model for model in models(with_(openai_api_key=KEY, local_base_url="http://l"))}
    assert listed["openai"].available
    assert listed["openai"].reason is None
    assert not listed["anthropic"].available
    assert listed["anthropic"].reason == "Anthropic has no key: set ANTHROPIC_API_KEY and restart."
    assert [provider for provider, model in listed.items() if model.tiny] == ["local"]
    assert listed["local"].context_tokens == 2_048


def test_the_scripted_provider_is_listed_only_where_it_is_on() -> None:
    assert "scripted" not in {model.provider for model in models(with_())}
    assert "scripted" in {model.provider for model in models(with_(scripted=True))}


def test_the_models_of_another_server_replace_openai_s_in_the_list() -> None:
    settings = with_(openai_base_url="http://ollama:11434/v1", default_model="openai/llama3")
    assert [model.id for model in models(settings) if model.provider == "openai"] == ["openai/llama3"]


def test_the_catalog_needs_no_sdk_so_that_the_web_process_stays_small() -> None:
    script = "import sys, app.llm.catalog; sys.exit(len({'openai', 'anthropic'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 0


def test_an_sdk_that_no_key_is_set_for_is_not_loaded_until_one_is() -> None:
    script = (
        "import sys; from app.config import Settings; from app.llm import providers;"
        "providers.prepare(Settings(_env_file=None)); before = 'anthropic' in sys.modules;"
        "providers.prepare(Settings(_env_file=None, anthropic_api_key='k'));"
        "sys.exit(f'{before} {\"anthropic\" in sys.modules}')"
    )
    told = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False, capture_output=True, text=True)
    assert told.stderr.strip() == "False True"
