"""What the SDKs and the network raise, as the few errors of this package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import httpx2

from app.llm.call import Call
from app.llm.complaint import Complaint, refusal
from app.llm.endpoint import Endpoint
from app.llm.errors import ProviderDown, ProviderError, ProviderSilent, StreamCut


@contextmanager
def translated(endpoint: Endpoint, call: Call, sdk: ModuleType) -> Iterator[None]:
    """Turn whatever the block raises into a ProviderError; our own cut comes first, since it explains all others.

    `sdk` is the package in use, openai or anthropic: they name their errors alike. The originals are not chained: they
    hold the request, and with it the prompt.
    """
    try:
        yield
    except Exception as error:
        call.check()
        raise _translation(endpoint, error, sdk) from None


def _translation(endpoint: Endpoint, error: Exception, sdk: ModuleType) -> Exception:
    if isinstance(error, sdk.APIStatusError):
        return refusal(endpoint, Complaint.of_response(error.response, error.body))
    match error:
        case sdk.APIConnectionError():
            return _unreached(endpoint, error.__cause__)
        case httpx2.ReadTimeout():
            return ProviderSilent(f"{endpoint.title} stopped in mid-reply. Try again.")
        case httpx2.SSEError():
            return StreamCut(f"{endpoint.title} did not answer with an event stream. Check {endpoint.url_variable}.")
        case httpx2.HTTPError() | ValueError():
            return StreamCut(f"The stream of {endpoint.title} broke before the reply was complete. Try again.")
    return error


def _unreached(endpoint: Endpoint, cause: BaseException | None) -> ProviderError:
    if isinstance(cause, httpx2.ReadTimeout):
        return ProviderSilent(f"{endpoint.title} accepted the request and never answered. Try again.")
    return ProviderDown(
        f"{endpoint.title} could not be reached ({type(cause).__name__}). "
        f"Check the network and {endpoint.url_variable}, or wait until it is back."
    )
