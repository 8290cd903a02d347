"""Passwords and API keys: how they are made, kept and compared."""

from __future__ import annotations

import secrets
from hashlib import sha256

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

KEY_PREFIX = "hf_"
_SHOWN = 9

_COST = RFC_9106_LOW_MEMORY
_hasher = PasswordHasher.from_parameters(_COST)
# Verified when there is no such account, so that an address cannot be found out by the time an answer takes. Written
# down, not made: to hash something at each start takes each process a tenth of a second.
_NOBODY = (
    f"$argon2id$v={_COST.version}$m={_COST.memory_cost},t={_COST.time_cost},p={_COST.parallelism}"
    f"${'A' * 22}${'A' * 43}"  # salt and hash, 16 and 32 bytes
)


def hash_password(password: str) -> str:
    """An Argon2id hash with its parameters and salt."""
    return _hasher.hash(password)


def password_fits(password: str, hashed: str | None) -> bool:
    """Whether `password` is the one that was hashed; takes as long for None."""
    try:
        _hasher.verify(hashed or _NOBODY, password)
    except (VerificationError, InvalidHashError):
        return False
    return hashed is not None


def new_key() -> str:
    """A fresh API key of 256 random bits."""
    return KEY_PREFIX + secrets.token_urlsafe(32)


def fingerprint(key: str) -> str:
    """What is kept of a key. Random keys cannot be guessed, so a plain hash suffices and can be looked up."""
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def shown(key: str) -> str:
    """The beginning of a key, for its owner to tell keys apart."""
    return key[:_SHOWN]
