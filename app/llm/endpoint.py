"""Where a provider is reached, and the words in which its failures are explained."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic import SecretStr

from app.config import Settings

LABELS = {"openai": "OpenAI", "anthropic": "Anthropic", "deepseek": "DeepSeek", "local": "The local model"}
# Compatible servers that want no key still want the header; this is what their documentation commonly puts there.
NO_KEY = "not-needed"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A provider's name, label, address and key."""

    provider: str
    label: str
    base_url: str = ""
    key: SecretStr | None = None

    @property
    def secret(self) -> str:
        """The key as it is sent."""
        return self.key.get_secret_value() if self.key else NO_KEY

    @property
    def host(self) -> str:
        """Host of the address, without the credentials that a URL may carry."""
        return urlsplit(self.base_url).hostname or ""

    @property
    def title(self) -> str:
        """The provider as messages name it."""
        return f"{self.label} ({self.host})" if self.host else self.label

    @property
    def key_variable(self) -> str:
        """The variable that sets the key."""
        return f"{self.provider.upper()}_API_KEY"

    @property
    def url_variable(self) -> str:
        """The variable that sets the address."""
        return f"{self.provider.upper()}_BASE_URL"


def endpoint_of(settings: Settings, provider: str) -> Endpoint:
    """The endpoint that <PROVIDER>_BASE_URL and <PROVIDER>_API_KEY describe, for any provider of LABELS."""
    url, key = getattr(settings, f"{provider}_base_url"), getattr(settings, f"{provider}_api_key", None)
    return Endpoint(provider, LABELS[provider], url, key)
