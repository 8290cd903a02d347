"""When each tool is worth offering, by what a message asks for; the one table of it.

A tool that the message, thread or user names is offered whatever this table says. For a goal every tool is worth
offering, and `plan` and `finish` only then. The signs are generous: a tool too many costs some tokens, one too few an
answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from app.tools.occasion import Occasion


@dataclass(frozen=True, slots=True)
class Rule:
    """`sign` completes "offered because …"; `holds` decides from one message."""

    sign: str
    holds: Callable[[Occasion], bool]

    def __call__(self, occasion: Occasion) -> bool:
        return self.holds(occasion)


def saying(sign: str, pattern: str) -> Rule:
    """A rule that holds where the content matches `pattern`, in any case."""
    found = re.compile(pattern, re.IGNORECASE)
    return Rule(sign, lambda occasion: found.search(occasion.content) is not None)


NEVER = Rule("it is only offered by name", lambda _: False)
FOR_A_GOAL = Rule("the reply works toward a goal", lambda occasion: occasion.goal)

NUMBERS = saying(
    "the message has numbers or speaks of calculating",
    r"\d|\b(calculat\w*|comput\w+|sums?|total|average|mean|percent\w*|square root|sqrt|factorial|"
    r"add|subtract|multipl\w+|divided?|how (much|many)|interest|convert)\b",
)
TIME = saying(
    "the message speaks of time or a date",
    r"\b(time|date|day|today|tonight|tomorrow|yesterday|now|currently|clock|o'?clock|week|weekday|weekend|month|year|"
    r"hours?|minutes?|deadline|schedule|calendar|timezone|(mon|tues|wednes|thurs|fri|satur|sun)day|"
    r"january|february|march|april|june|july|august|september|october|november|december)\b",
)
ADDRESS = saying("the message has a web address", r"\bhttps?://\S|\bwww\.\w|\b(web ?page|web ?site|url|link)\b")
WAITING = saying(
    "the message speaks of waiting or of later",
    r"\b(wait\w*|later|pause|sleep|remind\w*|again in|retry|try again|postpone|until|"
    r"(in|after|for) (an?|one|two|three|few|some|\d+)[\w ]{0,12}(seconds?|secs?|minutes?|mins?|hours?|days?))\b",
)
QUESTIONS = saying(
    "the message asks to be asked",
    r"\bask (me|us|back|first|before)\b|\bclarif\w+|\bcheck with me\b|\bif (anything|something) is unclear\b|"
    r"\blet me (choose|decide|pick)\b|\bwith my (approval|consent)\b",
)
_EARLIER = saying(
    "",
    r"\b(earlier|previous\w*|last (time|week|month|year|conversation|chat)|yesterday|before|remember|recall|"
    r"we (discussed|talked|spoke|agreed|said|decided)|(you|i) (said|told|mentioned|wrote|asked)|"
    r"my (notes|threads|chats|conversations|messages|history)|other (thread|chat|conversation)s?)\b",
)
EARLIER = Rule(
    "the message speaks of earlier conversations",
    lambda occasion: occasion.has_history and _EARLIER.holds(occasion),
)
