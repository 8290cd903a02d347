"""A reply's text while it is written: finished blocks as HTML once, the open one again with each change."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from app.web import markdown


@dataclass(frozen=True, slots=True)
class Growth:
    """What a page that has the finished blocks up to `start` is given, to have them up to `done`, and the open one.

    Places count code points; `length` is that of the whole text.
    """

    start: int
    done: int
    length: int
    finished: Markup
    open: Markup


class Growing:
    """The text of one attempt of one reply."""

    def __init__(self, attempt: int, text: str = "") -> None:
        self.attempt = attempt
        self.text = text
        self._done = 0

    def join(self, offset: int, text: str) -> bool:
        """Add `text` at its offset, without what is there already; False where text is missing before it."""
        if offset > len(self.text):
            return False
        self.text += text[len(self.text) - offset :]
        return True

    def grown(self) -> Growth:
        """What is new since this was asked last: all of it, the first time."""
        if len(self.text) > markdown.MOST_CHARS:  # plain from here to its end
            return Growth(0, 0, len(self.text), Markup(), markdown.render_open(self.text))
        start, rest = self._done, self.text[self._done :]
        self._done += markdown.last_block(rest)
        closed, opened = rest[: self._done - start], rest[self._done - start :]
        finished = markdown.render(closed) if closed else Markup()
        return Growth(start, self._done, len(self.text), finished, markdown.render_open(opened))

    @property
    def open_chars(self) -> int:
        """How much of it is sent again with each change."""
        return len(self.text) - self._done
