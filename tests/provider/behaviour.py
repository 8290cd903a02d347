"""How the fake behaves, read from the model's name.

`fake` and then any of these, joined by `-`; `fake-t200-r50-rst-at20-x2` writes 200 tokens at 50 a second, but resets
the connection after 20 of them in the first two requests with the same conversation.

    t200        tokens to write, "w1 w2 … w200"                            (20)
    r50         tokens a second; 0 is as fast as it goes                   (0)
    first500    milliseconds before the headers                            (0)
    reason      write three words of reasoning first
    tool        call the function `now` with {"zone": "UTC"} after the text
    obey        call the first function offered, where the request says that one must be called
    calc        call `calculator` with 6 * 7 and `clock`, both at once; say the results once they are there
    length      end because of the limit
    filter      end because of the content filter
    nousage     never say how many tokens there were
    absurdusage say numbers that cannot be

Faults. Those in mid-stream come after `at20` tokens, by default after half of them; with `t20-at20` after the whole
text, just before the terminal marker:

    429         answer with this status: 400 401 402 403 404 408 413 422 429 500 502 503 504 529
    429ra2      and with Retry-After, in seconds; `429rd2` gives it as a date, `429rm2` in milliseconds
    error       an error event inside the stream of status 200
    rst         reset the connection                                    } the ways in which
    fin         close it in the middle of the body                      } a stream ends without
    clean       end the body as if all were well                        } its terminal marker
    silence     send nothing more
    pings       send nothing but pings, ten a second
    trickle     send the rest byte by byte, a millisecond apart
    garbage     send an event that is not JSON
    html        answer 200 with a web page
    badtool     call the tool with arguments that are not JSON
    truncatedtool  end in the middle of the tool's arguments, with the terminal marker
    x2          be faulty only for the first two requests with the same conversation
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

KINDS = {"reason", "tool", "obey", "calc", "length", "filter", "nousage", "absurdusage"}
FAULTS = {"error", "rst", "fin", "clean", "silence", "pings", "trickle", "garbage", "html", "badtool", "truncatedtool"}
NUMBERS = {"t": "tokens", "r": "rate", "first": "first_ms", "at": "at", "x": "times"}


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One model's way to answer."""

    tokens: int = 20
    rate: int = 0
    first_ms: int = 0
    at: int | None = None
    times: int | None = None
    status: int | None = None
    retry_after: tuple[str, float] | None = None
    flags: frozenset[str] = frozenset()

    @property
    def fault_at(self) -> int:
        """Tokens written before the fault."""
        return self.tokens // 2 if self.at is None else self.at

    def healed(self) -> Behaviour:
        """The same without its faults."""
        return replace(self, status=None, flags=self.flags - FAULTS)

    @classmethod
    def of(cls, model: str) -> Behaviour:
        """Read a model's name; raises ValueError for one that says nothing."""
        name, *parts = model.split("-")
        if name != "fake":
            raise ValueError(f"the fake provider has no model {model!r}")
        behaviour = cls()
        for part in parts:
            behaviour = behaviour._with(part)
        return behaviour

    def _with(self, part: str) -> Behaviour:
        if part in KINDS | FAULTS:
            return replace(self, flags=self.flags | {part})
        if number := re.fullmatch(r"([a-z]+)(\d+)", part):
            return replace(self, **{NUMBERS[number[1]]: int(number[2])})
        if status := re.fullmatch(r"([45]\d\d)(?:(r[adm])(\d+))?", part):
            wait = (status[2], float(status[3])) if status[2] else None
            return replace(self, status=int(status[1]), retry_after=wait)
        raise ValueError(f"unknown part {part!r} of a fake model's name")
