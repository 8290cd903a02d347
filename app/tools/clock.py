"""The tool that tells the time."""

from __future__ import annotations

from datetime import datetime
from difflib import get_close_matches
from functools import cache
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field

from app.tools.context import ToolContext
from app.tools.errors import BadArguments
from app.tools.rule import TIME
from app.tools.tool import tool

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@tool(timeout_seconds=5, idempotent=True, worth=TIME)
def clock(
    context: ToolContext,
    timezone: Annotated[
        str | None, Field(max_length=64, description="IANA name, such as Europe/Berlin; the user's own if left out.")
    ] = None,
) -> str:
    """Tell the current date, weekday and time."""
    zone = _known(timezone or context.timezone)
    local = context.now.astimezone(ZoneInfo(zone))
    return f"{_written(local)} ({_DAYS[local.weekday()]}, {zone})"


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def _known(name: str) -> str:
    """`name` as IANA spells it. Raises BadArguments with the nearest names."""
    zones = _zones()
    if name.lower() in zones:
        return zones[name.lower()]
    near = [zone for zone in zones if zone.rpartition("/")[2] == name.lower().replace(" ", "_")]
    near += get_close_matches(name.lower(), zones, n=3)
    hint = ", ".join(dict.fromkeys(zones[zone] for zone in near[:3])) or "UTC, Europe/Berlin"
    raise BadArguments(f"The argument 'timezone' is no IANA time zone: {name!r}. Perhaps {hint}.")


@cache
def _zones() -> dict[str, str]:
    return {name.lower(): name for name in sorted(available_timezones())}
