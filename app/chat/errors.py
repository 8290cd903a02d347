"""What a use case can refuse; each class carries the code that every door shows."""

from __future__ import annotations


class ChatError(Exception):
    """Something asked for cannot be done; the message says what to do instead."""

    code = "invalid"


class NotFound(ChatError):
    """It does not exist, or it is somebody else's, which is answered alike."""

    code = "not_found"

    def __init__(self, what: str) -> None:
        super().__init__(f"There is no such {what}, or it is not yours.")


class InvalidField(ChatError):
    """One field has a value that the present state does not allow."""

    code = "validation_error"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class KeyReused(ChatError):
    """An Idempotency-Key came back with another body or path."""

    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was used for another request; send a new key with a new request.")
