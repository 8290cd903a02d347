"""Every setting Holdfast reads from its environment: its type, its default and the reason for it."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from functools import cache
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import available_timezones

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app import failpoints

LOOPBACK = {"127.0.0.1", "::1", "localhost"}


class Settings(BaseSettings):
    """One value for each variable; built once a process by `load_settings`.

    Units stand in the names: seconds, bytes, characters (Unicode code points), tokens.
    """

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True, frozen=True)

    # Where it listens and keeps its state
    host: str = Field("127.0.0.1", description="Address the web server binds; loopback until you decide otherwise.")
    port: int = Field(8000, ge=1, le=65535, description="Port of the web server.")
    web_concurrency: int = Field(
        1, ge=1, le=64, description="Web processes: one answers hundreds of posts a second, a core each answers more."
    )
    flower_port: int = Field(5555, ge=1, le=65535, description="Port of Flower, the page of the jobs.")
    flower_basic_auth: SecretStr | None = Field(
        None, description="user:password for Flower; required when HOST is not loopback, because Flower can stop jobs."
    )
    data_dir: Path = Field(Path("var"), description="Folder of everything a copy keeps: database, Valkey's file, keys.")
    database_url: str = Field(
        "",
        description="SQLAlchemy URL; empty means SQLite in DATA_DIR. PostgreSQL: postgresql+psycopg://user:pw@host/db.",
    )
    redis_url: str = Field(
        "redis://127.0.0.1:6379/0", description="Redis or Valkey; `make run` starts its own unless this is set."
    )
    secret_key: SecretStr = Field(
        SecretStr(""), description="Signs cookies and CSRF tokens; empty means generated once into DATA_DIR, mode 0600."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level that is logged.")

    # Who may come in
    signup: Literal["open", "closed"] = Field("open", description="Whether POST /api/users makes accounts.")
    rate_limits: Literal["on", "off"] = Field("on", description="All rate limits; off is for tests and benchmarks.")
    posts_per_minute: int = Field(
        600, ge=1, description="Messages a user may post a minute: generous, stops a runaway loop."
    )
    sign_ins_per_minute: int = Field(20, ge=1, description="Sign-in attempts a minute and address: slows guessing.")
    trusted_proxies: int = Field(
        0, ge=0, le=5, description="Proxies in front whose X-Forwarded-* are believed; 0 because anyone can send them."
    )
    cors_origins: Annotated[list[str], NoDecode] = Field(
        [], description="Comma-separated origins that may call /api with a Bearer key; none by default."
    )
    session_days: int = Field(30, ge=1, le=365, description="Days a sign-in lasts.")
    secure_cookies: bool = Field(False, description="Send cookies over HTTPS only; set it behind TLS.")

    # What a message may be
    max_content_chars: int = Field(100_000, ge=1, description="Longest message, in code points: about a book chapter.")
    max_body_bytes: int = Field(
        2_000_000, ge=1_000, description="Largest request body, and message of a WebSocket; a larger one is 413."
    )

    # Models
    models: Annotated[list[str], NoDecode] = Field(
        [], description="Comma-separated allow-list of model ids; empty allows all."
    )
    default_model: str = Field(
        "", description="Model id when nothing else chooses; empty takes the first usable provider's."
    )
    openai_api_key: SecretStr | None = Field(None, description="Key for openai/… models.")
    openai_base_url: str = Field("https://api.openai.com/v1", description="Any OpenAI-compatible server.")
    anthropic_api_key: SecretStr | None = Field(None, description="Key for anthropic/… models.")
    anthropic_base_url: str = Field("https://api.anthropic.com", description="Anthropic's API or a proxy of it.")
    deepseek_api_key: SecretStr | None = Field(None, description="Key for deepseek/… models.")
    deepseek_base_url: str = Field("https://api.deepseek.com", description="DeepSeek's OpenAI-compatible API.")
    local_model: Literal["on", "off"] = Field("on", description="Whether `make run` starts the tiny built-in model.")
    local_base_url: str = Field("", description="Server of local/… models; `make run` fills it in.")
    scripted: bool = Field(
        False, description="Offer the scripted provider: deterministic replies for tests and demonstrations."
    )
    timezone: str = Field("UTC", description="IANA time zone of the date and time that models are told.")

    # How a reply is worked on
    worker_processes: int = Field(
        1, ge=1, le=64, description="Workers that `make run` starts; each uses one core, mostly for streaming."
    )
    worker_threads: int = Field(
        200, ge=1, le=2_000, description="Replies one worker process runs at once; they mostly wait."
    )
    lease_seconds: float = Field(6, gt=0, description="A worker silent this long is taken for dead.")
    heartbeat_seconds: float = Field(1.5, gt=0, description="Renewal of the lease: four chances before it lapses.")
    reaper_seconds: float = Field(1, gt=0, description="How often each worker looks for lapsed, lost and due jobs.")
    reply_seconds: float = Field(900, gt=0, description="Total deadline of a reply, not counting its waits.")
    first_token_seconds: float = Field(60, gt=0, description="Longest silence before a model's first content.")
    between_tokens_seconds: float = Field(30, gt=0, description="Longest silence between contents; pings do not count.")
    provider_retries: int = Field(3, ge=0, le=10, description="Short retries of one model call before the reply fails.")
    short_wait_seconds: float = Field(
        10, ge=0, description="Longest Retry-After slept in the worker; longer ones free it."
    )
    long_wait_seconds: float = Field(
        3_600, gt=0, description="Longest Retry-After waited for at all; longer ones fail."
    )
    max_crashes: int = Field(3, ge=1, description="Crashes of its worker after which a reply is given up.")
    alone_at_once: int = Field(
        2, ge=1, le=50, description="Replies given a process of their own at once: last tries, after crashes."
    )
    max_waits: int = Field(5, ge=0, description="Times a reply is set waiting by its provider before it is given up.")
    longest_wait_seconds: float = Field(
        604_800, gt=0, description="Longest a tool or a person may have a reply wait; a week, then it goes on."
    )
    action_seconds: float = Field(
        86_400, gt=0, description="How long a question or an approval stays open; then the reply fails."
    )
    max_tool_steps: int = Field(
        20, ge=1, le=200, description="Model calls of one reply that may ask for tools; then it ends as it is."
    )
    tool_seconds: float = Field(60, gt=0, description="Longest one tool call may take, whatever the tool says.")
    tool_result_chars: int = Field(
        20_000, ge=200, description="Longest result of a tool that a model is given; the rest is cut and said so."
    )
    hanging_tools: int = Field(
        20, ge=1, description="Calls past their time that a worker bears before it refuses further ones."
    )
    fetch_hosts: Annotated[list[str], NoDecode] = Field(
        [], description="Comma-separated host:port that fetch_url may reach although they are not public."
    )
    mcp_config: Path | None = Field(None, description="JSON file of MCP servers whose tools may be offered.")
    context_tokens: int = Field(
        16_000, ge=256, description="History sent to a model unless its catalog entry is smaller."
    )
    max_output_tokens: int = Field(
        8_192, ge=1, description="Longest reply unless the message or thread says otherwise; hidden thinking counts."
    )

    # How a reply is read
    flush_ms: float = Field(3, ge=0, description="A busy worker's tick: what comes within it is read and sent at once.")
    checkpoint_seconds: float = Field(2, gt=0, description="Longest text stays only in Redis while a reply runs.")
    log_events: int = Field(
        5_000, ge=500, description="Entries a thread's log keeps: far more than between checkpoints."
    )
    log_seconds: int = Field(
        86_400, ge=60, description="Life of a silent thread's log; afterwards the database answers."
    )
    heartbeat_comment_seconds: float = Field(
        15,
        gt=0,
        description="Silence after which a stream gets a comment, and a WebSocket a ping: keeps proxies from closing.",
    )
    recheck_seconds: float = Field(2, gt=0, le=4, description="How often open streams' access and rows are looked up.")
    redis_timeout_seconds: float = Field(0.5, gt=0, description="Longest a call to Redis may block; Redis may vanish.")

    # For tests of failure
    failpoints: str = Field(
        "", description="Where processes die or freeze, as point:action; the points are in app/failpoints.py."
    )

    @field_validator("failpoints")
    @classmethod
    def _known_points(cls, value: str) -> str:
        failpoints.parse(value)
        return value

    @field_validator("cors_origins", "fetch_hosts", "models", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("database_url")
    @classmethod
    def _kept(cls, value: str) -> str:
        if value.startswith("sqlite") and not value.partition(":///")[2].strip("/"):
            raise ValueError("names no file; several processes share the database, so it cannot be in memory")
        return value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError("is no IANA time zone; try UTC or Europe/Berlin")
        return value

    @field_validator("heartbeat_seconds")
    @classmethod
    def _beats_within_lease(cls, value: float, info: object) -> float:
        lease = getattr(info, "data", {}).get("lease_seconds")
        if lease is not None and value * 2 > lease:
            raise ValueError("must be at most half of LEASE_SECONDS, or a healthy worker loses its lease")
        return value

    @property
    def exposed(self) -> bool:
        """Whether the web server can be reached from other machines."""
        return self.host not in LOOPBACK

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a file of this machine."""
        return self.database_url.startswith("sqlite")


class SettingsError(Exception):
    """A variable has a value Holdfast cannot start with; the message names it."""


def load_settings() -> Settings:
    """Read the environment, `.env` and what `make run` noted in DATA_DIR/runtime.env, in that order of strength.

    Raises SettingsError, with one sentence for each wrong variable.
    """
    data_dir = Path(os.environ.get("DATA_DIR") or dotenv_values(".env").get("DATA_DIR") or "var").resolve()
    try:
        settings = Settings(_env_file=(data_dir / "runtime.env", ".env"), data_dir=data_dir)
    except ValidationError as error:
        raise SettingsError(_sentences(error)) from None
    return settings.model_copy(update=_derived(settings))


@cache
def current_settings() -> Settings:
    """The settings of this process, read once. Wrong ones end it, with their sentences and exit code 2."""
    try:
        return load_settings()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)


def _derived(settings: Settings) -> dict[str, object]:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    return {
        "database_url": _database_url(settings),
        "secret_key": SecretStr(
            settings.secret_key.get_secret_value() or _kept_secret(settings.data_dir / "secret_key")
        ),
    }


def _database_url(settings: Settings) -> str:
    """SQLite in DATA_DIR by default; PostgreSQL always through psycopg, the driver that is installed."""
    url = settings.database_url or f"sqlite:///{settings.data_dir / 'holdfast.db'}"
    scheme, separator, rest = url.partition("://")
    return f"postgresql+psycopg://{rest}" if separator and scheme in {"postgres", "postgresql"} else url


def _kept_secret(path: Path) -> str:
    """The secret in `path`, made on the first start. A hard link lets only one of several processes make it, whole."""
    if not path.exists():
        draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(48))
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return path.read_text().strip()


def _sentences(error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        name = str(problem["loc"][0]).upper() if problem["loc"] else "The settings"
        lines.append(
            f"{name}: {problem['msg'].removeprefix('Value error, ')} (got {problem.get('input')!r}). See .env.example."
        )
    return "\n".join(lines)
