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


class ThreadBusy(ChatError):
    """A reply of the branch has not ended, and the poster did not want to wait."""

    code = "thread_busy"

    def __init__(self) -> None:
        super().__init__("A reply in this thread has not ended yet; wait for it, cancel it, or choose another `busy`.")


class AlreadyStarted(ChatError):
    """What should be taken back is being answered, or was."""

    code = "already_started"

    def __init__(self) -> None:
        super().__init__("Its reply has started or ended already, so it cannot be taken back; cancel it instead.")


class NotWaiting(ChatError):
    """A wait that is not there cannot be changed."""

    code = "not_waiting"

    def __init__(self) -> None:
        super().__init__("This message is not waiting.")


class NotContinuable(ChatError):
    """The reply was not cut short by a limit."""

    code = "not_continuable"

    def __init__(self) -> None:
        super().__init__("Only a reply that ended by length, budget or tool_limit can be continued; regenerate it.")


class ActionResolved(ChatError):
    """Somebody was quicker, or it was never asked."""

    code = "action_resolved"

    def __init__(self) -> None:
        super().__init__("This is not being asked, or not any more; read the message for what is.")


class Gone(ChatError):
    """It was there, but its time is over."""

    code = "gone"

    def __init__(self) -> None:
        super().__init__("The time to answer is over; regenerate the reply to be asked again.")
