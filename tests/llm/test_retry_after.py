from __future__ import annotations

import time
from email.utils import formatdate

import pytest

from app.llm.retry_after import retry_after

DATE = formatdate(1_800_000_000, usegmt=True)
LATER = formatdate(1_800_000_090, usegmt=True)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "3600"}, 3_600),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9),
        ({"retry-after": LATER, "date": DATE}, 90),
        ({"retry-after": DATE, "date": LATER}, 0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "tomorrow"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "Fri, 99 Foo 2026 99:99:99 GMT"}, None),
    ],
)
def test_seconds_milliseconds_and_dates_are_read_and_nonsense_is_not(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after(headers) == seconds


def test_without_the_sender_s_date_our_own_clock_counts() -> None:
    in_a_minute = formatdate(time.time() + 60, usegmt=True)
    assert retry_after({"retry-after": in_a_minute}) == pytest.approx(60, abs=2)
