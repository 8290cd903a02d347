"""A provider that says what it is told, for tests and demonstrations; `scripted/<any name>`, with SCRIPTED=1.

The last user turn is its script, read from top to bottom. Lines that begin with `!` are directives, all others are
said word by word; a script without directives is an echo.

    !wait 1.5               pause for that many seconds
    !delay 0.05             from here on, pause before each word
    !words 200              say "w1 w2 … w200", so that a gap or a repeat shows
    !reason because …       show this as reasoning
    !tool now {"zone": 1}   call a tool; may stand several times
    !results                say the results of all tools that this reply has called
    !heard                  say what the user has said last
    !attached               say what came with the turn of the script: media type and bytes of each image and PDF
    !step                   what follows is for the next model call of this reply
    !finish length          end with this finish reason
    !error 429              fail with this status; ` retry-after=2` adds the header, ` times=2` lets the third
                            request with the same script in this process pass
    !cut                    end without the terminal marker
    !silence                say nothing more until the call is cut

In a script without `!step`, once the turns after it hold results of tools, the directives `!tool` are done and the
results are said in their place. In one with it, each model call reads its own part, the last one again and again, and
what is said into the reply afterwards, without directives, changes nothing. Tokens are estimated from the texts, so
equal requests have equal usage.

It takes whatever a request asks for and follows its script alone: which tools it was offered or must call, which form
its reply shall have, where to stop and how to sample, all that is for the script's author to see to.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import get_args

from app.llm.call import Call
from app.llm.complaint import Complaint, refusal
from app.llm.endpoint import Endpoint
from app.llm.errors import ProviderRefused, StreamCut
from app.llm.tokens import estimate
from app.llm.types import (
    Delta,
    Finished,
    FinishReason,
    ModelRequest,
    ReasoningDelta,
    Take,
    TextDelta,
    ToolCall,
    Turn,
    Usage,
)

ENDPOINT = Endpoint("scripted", "The script")


class Scripted:
    """The provider `scripted`."""

    name = ENDPOINT.provider

    def stream(self, request: ModelRequest, call: Call, take: Take) -> Finished:
        """Give `take` what the script says; see app/llm/types.py for the contract."""
        with _pauses(call) as pause:
            performance = _Performance(request, call, pause)
            for name, argument in _steps(performance.script):
                for delta in performance.perform(name, argument):
                    call.touch()
                    take(delta)
            return performance.finished()


class _Pause:
    """A wait that a cut ends at once: a socket on which nothing ever arrives, attached to the call like a real one."""

    def __init__(self, call: Call, sock: socket.socket) -> None:
        self._call = call
        self._sock = sock

    def __call__(self, seconds: float | None) -> None:
        """Wait for so long, or without end; raises what the cut means."""
        self._call.check()
        if seconds == 0:
            return
        self._sock.settimeout(seconds)
        with contextlib.suppress(OSError):
            self._sock.recv(1)
        self._call.check()


@contextlib.contextmanager
def _pauses(call: Call) -> Iterator[_Pause]:
    ours, silent = socket.socketpair()
    with ours, silent:
        call.attach(ours)
        yield _Pause(call, ours)


class _Performance:
    """One reading of the script."""

    def __init__(self, request: ModelRequest, call: Call, pause: _Pause) -> None:
        place = _place(request.turns)
        script, after = (request.turns[place].content, request.turns[place + 1 :]) if place >= 0 else ("", ())
        parts = _NEXT.split(script)
        self._has_parts = len(parts) > 1
        self._heard = next((turn.content for turn in reversed(request.turns) if turn.role == "user"), "")
        self._attached = request.turns[place].parts if place >= 0 else ()
        self._called_before = sum(len(turn.tool_calls) for turn in request.turns)
        self.script = parts[min(sum(turn.role == "assistant" for turn in after), len(parts) - 1)]
        self._results = [turn.content for turn in after if turn.role == "tool"]
        self._prompt_tokens = estimate(request.system) + sum(estimate(turn.content) for turn in request.turns)
        self._pause = pause
        self._delay = 0.0
        self._said = ""
        self._reasoned = ""
        self._tool_calls: list[ToolCall] = []
        self._reason: FinishReason = "stop"

    def perform(self, name: str, argument: str) -> Iterator[Delta]:
        """Carry out one step; those that say nothing yield nothing."""
        step = getattr(self, f"_do_{name}", None)
        if step is None:
            raise ProviderRefused(f"The script has an unknown directive !{name}; app/llm/scripted.py lists them.")
        try:
            yield from step(argument) or ()
        except ValueError:
            raise ProviderRefused(f"The script's directive !{name} has an argument that cannot be read.") from None

    def finished(self) -> Finished:
        """The terminal marker, with usage counted from the texts."""
        reasoning = estimate(self._reasoned)
        usage = Usage(self._prompt_tokens, estimate(self._said) + reasoning, reasoning_tokens=reasoning)
        return Finished("tool_calls" if self._tool_calls else self._reason, usage, tuple(self._tool_calls))

    def _do_say(self, text: str) -> Iterator[Delta]:
        text = f"\n{text}" if self._said else text
        for word in re.findall(r"\s*\S+|\s+$", text):
            self._pause(self._delay)
            self._said += word
            yield TextDelta(word)

    def _do_words(self, count: str) -> Iterator[Delta]:
        return self._do_say(" ".join(f"w{number}" for number in range(1, int(count) + 1)))

    def _do_reason(self, text: str) -> Iterator[Delta]:
        self._reasoned += text
        yield ReasoningDelta(text)

    def _do_wait(self, seconds: str) -> None:
        self._pause(float(seconds))

    def _do_delay(self, seconds: str) -> None:
        self._delay = float(seconds)

    def _do_tool(self, argument: str) -> Iterator[Delta]:
        if self._results and not self._has_parts:
            return self._do_say(self._results.pop(0))
        name, _, arguments = argument.partition(" ")
        json.loads(arguments or "{}")
        number = self._called_before + len(self._tool_calls) + 1
        self._tool_calls.append(ToolCall(f"call_{number}", name, arguments or "{}"))
        return iter(())

    def _do_results(self, _: str) -> Iterator[Delta]:
        return self._do_say("\n".join(self._results))

    def _do_heard(self, _: str) -> Iterator[Delta]:
        return self._do_say(self._heard)

    def _do_attached(self, _: str) -> Iterator[Delta]:
        return self._do_say("\n".join(f"{part.media_type} {len(part.content)}" for part in self._attached))

    def _do_finish(self, reason: str) -> None:
        if reason not in get_args(FinishReason):
            raise ValueError(reason)
        self._reason = reason  # type: ignore[assignment]  # just checked

    def _do_error(self, argument: str) -> None:
        status, *options = argument.split()
        named = dict(option.split("=", 1) for option in options)
        if "times" in named and _failures.count(self.script) > int(named.pop("times")):
            return
        raise refusal(ENDPOINT, Complaint(int(status), headers=named))

    def _do_cut(self, _: str) -> None:
        raise StreamCut("The script ends here, before the terminal marker.")

    def _do_silence(self, _: str) -> None:
        self._pause(None)


class _Failures:
    """How often each script has come to its `!error` in this process."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def count(self, script: str) -> int:
        """Count one more and return how many there are."""
        with self._lock:
            self._counts[script] += 1
            return self._counts[script]


_failures = _Failures()

_NEXT = re.compile(r"(?m)^!step[ \t]*$\n?")
_DIRECTIVE = re.compile(r"(?m)^![a-z]")


def _place(turns: Sequence[Turn]) -> int:
    """Where the script stands: the newest user turn that has directives, or was not said into a reply which had called
    tools."""
    for place in reversed(range(len(turns))):
        before = next((turn for turn in reversed(turns[:place]) if turn.role != "tool"), None)
        is_said_into = before is not None and before.tool_calls and not _DIRECTIVE.search(turns[place].content)
        if turns[place].role == "user" and not is_said_into:
            return place
    return -1


def _steps(script: str) -> Iterator[tuple[str, str]]:
    """(directive, argument) from top to bottom; the lines between two directives are one `say`."""
    spoken: list[str] = []
    for line in script.splitlines():
        if re.match(r"![a-z]", line):
            yield from _say(spoken)
            spoken = []
            name, _, argument = line[1:].partition(" ")
            yield name, argument.strip()
        else:
            spoken.append(line)
    yield from _say(spoken)


def _say(lines: list[str]) -> Iterator[tuple[str, str]]:
    text = "\n".join(lines).strip()
    if text:
        yield "say", text
