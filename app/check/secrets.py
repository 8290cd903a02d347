"""What must stand in no log and no key: credentials of any kind, and the words that a test marks as its canaries."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from app.auth.secrets import KEY_PREFIX
from app.check import json_lines
from app.check.errors import Unusable
from app.check.rows import Progress
from app.check.verdict import Invariant, Ledger
from app.config import Settings

LOGS = "*.log*"

_PATTERNS = {
    "an API key": re.compile(rf"\b{KEY_PREFIX}[A-Za-z0-9_-]{{30,}}"),
    "an Authorization header": re.compile(r"\bbearer\s+[a-z0-9._~+/-]{8,}|\bauthorization[\"']?\s*[:=]", re.IGNORECASE),
    "a cookie": re.compile(r"\bsession=[a-z0-9._-]{20,}|\bcookie[\"']?\s*[:=]", re.IGNORECASE),
    "a password's hash": re.compile(r"\$argon2id\$"),
}
# Shorter ones stand by chance in words and numbers.
_LEAST_SECRET = 8
_LEAST_CONTENT = 20
_MOST_CONTENTS = 100


@dataclass(frozen=True, slots=True)
class Needles:
    """What is looked for, each text with the name it is reported by: a report must not tell the secret again."""

    texts: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, settings: Settings, canaries: Iterable[str], contents: Iterable[str]) -> Needles:
        """Canaries, a sample of what clients posted, and the secrets this installation is set up with."""
        named = [(f"canary {number}", canary) for number, canary in enumerate(canaries, 1)]
        named += _of_settings(settings)
        long = sorted({content for content in contents if len(content) >= _LEAST_CONTENT})
        named += [("what a client posted", content) for content in long[:: len(long) // _MOST_CONTENTS + 1]]
        return cls(tuple((name, form) for name, text in named for form in sorted(_forms(text))))

    def in_text(self, text: str) -> Iterator[str]:
        """The names of what `text` holds."""
        yield from (name for name, pattern in _PATTERNS.items() if pattern.search(text))
        yield from {name for name, needle in self.texts if needle in text}


def check_logs(ledger: Ledger, folder: Path, needles: Needles, progress: Progress) -> None:
    """G12 in every log file of the folder. Raises Unusable."""
    paths = json_lines.files(folder, LOGS)
    for number, path in enumerate(paths, 1):
        ledger.examined(Invariant.G12, "log files")
        try:
            with path.open(encoding="utf-8", errors="replace") as file:
                for line_number, line in enumerate(file, 1):
                    for name in needles.in_text(line):
                        ledger.violated(Invariant.G12, f"{path.name}:{line_number}", f"holds {name}")
        except OSError as error:
            raise Unusable(f"{path} cannot be read: {error.strerror or error}.") from None
        progress("log files", number, len(paths))


def _of_settings(settings: Settings) -> Iterator[tuple[str, str]]:
    for name in ("secret_key", "flower_basic_auth", "openai_api_key", "anthropic_api_key", "deepseek_api_key"):
        secret = getattr(settings, name)
        if secret is not None and len(secret.get_secret_value()) >= _LEAST_SECRET:
            yield name.upper(), secret.get_secret_value()
    for name in ("database_url", "redis_url"):
        password = urlsplit(getattr(settings, name)).password
        if password is not None and len(password) >= _LEAST_SECRET:
            yield f"the password of {name.upper()}", password


def _forms(text: str) -> set[str]:
    """A text as it stands in a plain line and in JSON."""
    return {text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]} - {""}
