"""What a reader was sent of a text that cannot be taken back, beside what its writer has since made of it."""

from __future__ import annotations


class Contradicted(Exception):
    """The text was begun anew, and differs from what was sent already."""


class Said:
    """Text as it was sent, which only grows, whoever writes it anew."""

    def __init__(self) -> None:
        self._sent: list[str] = []
        self._again = ""  # what was sent and is expected to be written once more

    @property
    def text(self) -> str:
        """All that was sent."""
        return "".join(self._sent)

    def anew(self) -> None:
        """Its writer begins once more."""
        self._again = self.text

    def add(self, text: str) -> str:
        """What of `text`, which its writer has just added, is new to the reader. Raises Contradicted."""
        known = min(len(text), len(self._again))
        if text[:known] != self._again[:known]:
            raise Contradicted
        self._again = self._again[known:]
        if text[known:]:
            self._sent.append(text[known:])
        return text[known:]

    def finish(self, whole: str) -> str:
        """What is still missing of the `whole` text. Raises Contradicted."""
        self.anew()
        rest = self.add(whole)
        if self._again:
            raise Contradicted  # it came to less than was sent
        return rest
