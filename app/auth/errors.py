"""What the door can refuse."""

from __future__ import annotations


class AuthError(Exception):
    """Somebody may not come in; the message says why."""

    code = "unauthenticated"


class Unauthenticated(AuthError):
    """No valid key or session came with the request."""


class BadOrigin(AuthError):
    """A browser sent the request from another site's page."""

    code = "forbidden"


class Outdated(BadOrigin):
    """The CSRF token is missing, or of an earlier sign-in."""


class SignupClosed(AuthError):
    """SIGNUP=closed."""

    code = "signup_closed"


class EmailTaken(AuthError):
    """There is an account with this address."""

    code = "email_taken"
