"""What can go wrong with a provider; each class says whether trying again can help."""

from __future__ import annotations


class ProviderError(Exception):
    """The provider could not answer. `code` is stable for programs, the message says what to do.

    `retry_after` is in seconds, as the provider asked; None where it did not.
    """

    code = "provider_error"
    retryable = False

    def __init__(self, message: str, *, retry_after: float | None = None, request_id: str | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.request_id = request_id


class ModelUnavailable(ProviderError):
    """An unknown provider, or one without a key: says which variable to set."""

    code = "model_unavailable"


class ProviderRefused(ProviderError):
    """The provider understood and said no (400, 404, 413, 422): the request must change."""

    code = "provider_refused"


class ProviderUnauthorized(ProviderError):
    """The key is missing, wrong or without credit (401, 402, 403)."""

    code = "provider_unauthorized"


class ContentFiltered(ProviderError):
    """The provider's safety system refused to answer."""

    code = "content_filter"


class ProviderBusy(ProviderError):
    """Rate limited or overloaded (429, 529, 503 with Retry-After)."""

    code = "provider_busy"
    retryable = True


class ProviderDown(ProviderError):
    """It failed or could not be reached (5xx, connection refused, DNS)."""

    code = "provider_unavailable"
    retryable = True


class StreamCut(ProviderError):
    """The stream ended or broke before its terminal marker, or its content made no sense."""

    code = "provider_stream_cut"
    retryable = True


class ProviderSilent(ProviderError):
    """No content within the deadline for the first token or between tokens; pings do not count."""

    code = "provider_timeout"
    retryable = True


class CallCut(ProviderError):
    """Our side ended the call on purpose (cancelled, handed over, deadline); `reason` as given to `Call.cut`."""

    code = "call_cut"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The model call was ended: {reason}.")
        self.reason = reason
