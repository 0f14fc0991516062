"""Every error this library raises.

    PlanhatError
      ConfigurationError            settings, tokens, a file that is not a mirror
        WhichClient                 several accounts, and nothing says which one is meant
      BlockError                    a batch, dry run or offline block cannot hold what is written
      FieldError                    a name or lookup that does not exist (also an AttributeError)
      ValidationError               a value that cannot be what the field holds (also a ValueError)
      NotLoaded                     a field or relation that was not fetched (also an AttributeError)
      ReadOnlyError                 a write through a client or a field that must not be written
      RequestError                  one request failed: .request .response .attempts
        AuthenticationError         401
        PermissionDenied            403
        NotFound                    404          (Model.DoesNotExist is one)
        RateLimited                 429, or no slot of the quota, for longer than the deadline allows
        InvalidRequest              400 and other 4xx
        ServerError                 5xx
        ConnectionFailed            no answer: refused, reset, timed out, a certificate not trusted (.kind)
        BadAnswer                   an answer that is not what the endpoint returns
      MultipleObjectsReturned       `get()` met more than one
      AlreadyExists                 a create whose key is taken; nothing was changed
      AmbiguousWrite                a write that may or may not have happened
      BulkError                     some rows failed: .result has an outcome for each
      ConflictError                 the record moved on the server since it was read
      MirrorError
        MirrorIncomplete            the model was never synced to its end
        StaleMirror                 the mirror is older than the query allows

Messages name what happened and what to type next. `str(error)` also shows what the server said, and a record's name
or key, as a person needs them; `repr(error)` and `error.args` do not, so a log of those holds nothing of a record. A
token is in neither. What the server said verbatim is in `.detail`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .http.effects import Request, Response
    from .models.conflict import Conflict


class PlanhatError(Exception):
    """The root of all errors raised by this library."""


class ConfigurationError(PlanhatError):
    """A setting is missing or cannot be used."""


class WhichClient(ConfigurationError):
    """Clients of several accounts are in use, and nothing says which one is meant, or what says so disagrees.

    What belongs to one account is never read from another, nor written to it: see docs/how-to/several-accounts.md.
    """


class BlockError(PlanhatError):
    """A write cannot be held as a batch, a dry run or an offline block around it promised. Nothing was sent.

    It comes from a thread or a task that knows nothing of the block, or that outlived it, from another process, or
    from a record of another account: see docs/how-to/threads-and-web-apps.md.
    """


class FieldError(PlanhatError, AttributeError):
    """A field, lookup or option of that name does not exist, or does not go together."""


class ValidationError(PlanhatError, ValueError):
    """A value is not one that the field can hold."""


class NotLoaded(PlanhatError, AttributeError):
    """A field or relation was read that was not fetched."""


class ReadOnlyError(PlanhatError, AttributeError):
    """Something was to be written that must not be: a read-only field, or through a guarded client."""


class RequestError(PlanhatError):
    """A request failed.

    `request` and `response` are this library's own (no token in them); `response` is None when no answer
    came, and both are None when a mirror answered; `attempts` counts how often it was sent; `detail` is
    what the server said, verbatim, and `reason` the sentence in it. `maybe_applied` says that a try before
    the last one may have been carried out.
    """

    maybe_applied: bool = False

    def __init__(
        self,
        message: str,
        *,
        request: Request | None = None,
        response: Response | None = None,
        attempts: int = 1,
        detail: str = "",
    ) -> None:
        super().__init__(message)
        self.request = request
        self.response = response
        self.attempts = attempts
        self.detail = detail

    @property
    def reason(self) -> str:
        """What the server said, as a sentence; empty where it said nothing, or an HTML page."""
        return message_in(self.detail)

    def __str__(self) -> str:
        return _with_reason(self.args[0], self.reason)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)


def message_in(text: str) -> str:
    """The message in an error's body, which may be plain text, JSON or HTML."""
    text = text.strip()
    if text.startswith("<"):
        return ""
    if text.startswith("{"):
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            return text
        return str(data.get("message") or data.get("error") or text)
    return text


def _with_reason(summary: str, reason: str) -> str:
    if not reason:
        return summary
    shown = reason if len(reason) <= _SHOWN else reason[: _SHOWN - 3] + "..."
    return f"{summary} The server said: {shown}"


_SHOWN = 300
"""So many characters of what the server said are in a message."""


def _rebuild(cls: type[PlanhatError], args: tuple[Any, ...], state: dict[str, Any]) -> PlanhatError:
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(state)
    return error


class AuthenticationError(RequestError):
    """401: no token, a wrong one, or one of another cluster (docs/reference/planhat-api.md section 1)."""


class PermissionDenied(RequestError):
    """403: the token's account may not do this."""


class NotFound(RequestError):
    """404: no record of that id, or a model that the tenant does not have."""


class RateLimited(RequestError):
    """429 until the deadline passed, or no slot of the quota within it: then nothing was sent, `attempts` is 0."""


class InvalidRequest(RequestError):
    """400 and other refusals of the request's content."""


class ServerError(RequestError):
    """5xx, after all tries."""


class ConnectionFailed(RequestError):
    """No answer came. `sent` says whether any try may have reached the server, `timed_out` whether time was up.

    `kind` is what was in the way: "host" (not known), "refused", "connect" (not reached), "certificate" (not
    trusted), "tls", "proxy", "timeout" (nothing came), "deadline" (it took too long as a whole), or "broken".
    """

    sent: bool = True
    timed_out: bool = False
    kind: str = "broken"


class BadAnswer(RequestError):
    """An answer that is not what the endpoint returns: HTML, truncated JSON, another shape, too long, a 304."""


class MultipleObjectsReturned(PlanhatError):
    """`get()` expected one record and met another."""


class AlreadyExists(PlanhatError):
    """A create found its key taken. Nothing was changed; `id` is the record that has the key."""

    def __init__(self, message: str, *, id: str | None = None) -> None:
        super().__init__(message)
        self.id = id

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)


class AmbiguousWrite(PlanhatError):
    """A write may or may not have happened, and nothing told which.

    `request` is what was sent; `candidates` are records that look like it, when there were any.
    """

    def __init__(self, message: str, *, request: Request | None = None, candidates: list[dict[str, Any]] | None = None):
        super().__init__(message)
        self.request = request
        self.candidates = candidates or []

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)


class BulkError(PlanhatError):
    """Some rows of a bulk write did not succeed. `result` is complete: an outcome for every row.

    `str(error)` also has the first `reasons`: what the server said of which record, by its name or key.
    """

    def __init__(self, message: str, *, result: Any, reasons: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.result = result
        self.reasons = reasons

    def __str__(self) -> str:
        return "\n".join((self.args[0], *(f"  {reason}" for reason in self.reasons)))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)


class ConflictError(PlanhatError):
    """Records changed on the server since they were read, in fields that were also changed here.

    `conflicts` lists each field, with its value as it was read, as it is here, and as it is there.
    """

    def __init__(self, message: str, *, conflicts: list[Conflict] | None = None) -> None:
        super().__init__(message)
        self.conflicts = conflicts or []

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)


class MirrorError(PlanhatError):
    """The mirror cannot answer."""


class MirrorIncomplete(MirrorError):
    """The model was never synced to its end, so an answer would silently miss records."""


class StaleMirror(MirrorError):
    """The mirror is older than the query allows."""


class UnknownNameWarning(UserWarning):
    """A label, a choice or an id that no record is likely to have: the nearest is named."""


class BlockingWarning(UserWarning):
    """A verb without the `a` is called inside a running event loop, which it blocks until it is done."""


class FullScanWarning(UserWarning):
    """A query makes the API list a whole resource, because the API can filter by none of its conditions."""


def interrupt_behind(error: BaseException, handled: BaseException | None) -> BaseException | None:
    """The Ctrl-C that an error came of, or None. `handled` is what was being handled when the work began.

    Code that is torn out of its middle may fail in its own clean-up, and say so instead.
    """
    behind = error.__context__
    while behind is not None and behind is not handled:
        if not isinstance(behind, (Exception, GeneratorExit)):
            return behind
        behind = behind.__context__
    return None
