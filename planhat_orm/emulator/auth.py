"""Who is calling: a Bearer or Basic token on the main host, the tenant token on the analytics paths."""

from __future__ import annotations

import base64
import binascii
from secrets import compare_digest


def token_of(header: str | None) -> str | None:
    """Return the token of an Authorization header: Bearer, or Basic with it as user and an empty password."""
    scheme, _, value = (header or "").partition(" ")
    value = value.strip()
    if scheme.lower() == "bearer":
        return value
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return user if colon and not password else None


def is_allowed(header: str | None, token: str) -> bool:
    """Tell whether a header carries this token."""
    sent = token_of(header)
    return sent is not None and compare_digest(sent.encode(), token.encode())
