"""A route that this library does not know: any method, any path, under the same quota, retries and errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import msgspec

from .. import arguments, json_decoding
from ..errors import ValidationError
from ..http.effects import Flow, Request, Response
from ..json_encoding import encode
from ..names import did_you_mean
from ..wire.records import once
from .list_filters import texts

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_SAFE_IN_A_PATH = "/%:@!$&'()*+,;=~-._"


def build(
    method: str, path: str, params: Mapping[str, Any] | None, json: object, *, idempotent: bool | None
) -> Request:
    """The request for a route; `ValidationError` for what is none, before anything is sent."""
    verb = arguments.text("A method", method).upper()
    if verb not in METHODS:
        raise ValidationError(f"{method[:20]!r} is no method of this API.{did_you_mean(method, METHODS)}")
    if verb == "GET" and json is not None:
        raise ValidationError("A GET has no body: give params=... instead of json=...")
    return Request(
        verb,
        _checked(path),
        params=tuple(texts({} if params is None else arguments.mapping("params", params)).items()),
        body=None if json is None else encode(json),
        idempotent=verb == "GET" if idempotent is None else idempotent,
    )


def _checked(path: str) -> str:
    if not arguments.text("A path", path).startswith("/") or path.startswith("//"):
        raise ValidationError(
            f"A path begins with one slash, such as '/segments', not {path[:100]!r}: the host is a setting."
        )
    if any(letter in path for letter in "?#"):
        raise ValidationError(f"Give what follows the ? as params=..., not in the path {path!r}.")
    if any(part in (".", "..") for part in path.split("/")):
        raise ValidationError(f"The path {path!r} leads to another place: leave out the dots.")
    try:
        return quote(path, safe=_SAFE_IN_A_PATH)
    except UnicodeEncodeError:
        raise ValidationError("A path holds half of a surrogate pair, which no URL can carry.") from None


def send(request: Request) -> Flow[Response]:
    """Send a request, once where it may not be repeated, and read the JSON of its answer, where it is JSON."""
    response: Response = (yield request) if request.idempotent else (yield from once(request))
    try:
        return replace(response, data=json_decoding.decode(response.body) if response.body.strip() else None)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return response
