"""What a flow may ask for, and what it gets back.

A flow is a generator: it yields an effect and is sent the answer. It holds all of the logic and none of the I/O, so
one text serves threads and tasks, and a test can drive it by hand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from msgspec import Struct

from ..reprs import OwnRepr

if TYPE_CHECKING:
    from ..errors import RequestError

T = TypeVar("T")

TENANT = "{tenant}"
"""Stands for the tenant token in a path: the token itself is put in on the wire only."""


class Request(OwnRepr, Struct, frozen=True):
    """One call of the API, without any secret in it.

    `idempotent` says that sending it again after a lost answer does no harm. `shape` is the JSON type a good
    answer has; with `allow_empty` one without a body is as good. The elements of a `raw_items` array stay JSON.
    `accept` lists statuses beside 2xx whose body the flow wants to read itself.
    """

    method: str
    path: str
    params: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    host: Literal["main", "analytics"] = "main"
    auth: Literal["token", "tenant", "none"] = "token"
    idempotent: bool = True
    shape: type | tuple[type, ...] | None = None
    allow_empty: bool = False
    raw_items: bool = False
    accept: tuple[int, ...] = ()

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.route}>"

    def __reduce__(self) -> tuple[type[Request], tuple[Any, ...]]:
        """Pickled without what it says of customers: parameters, body, and keys in the path."""
        rest = (self.idempotent, self.shape, self.allow_empty, self.raw_items, self.accept)
        return Request, (self.method, self.route, (), None, self.host, self.auth, *rest)

    @property
    def route(self) -> str:
        """The path as it may be logged: Planhat's own ids stay, a key of the customer's system is cut to its form."""
        first, *rest = self.path.lstrip("/").split("/")
        return "/".join(("", first, *map(_masked, rest)))

    @property
    def metered(self) -> bool:
        """Whether the quota counts this request.

        The analytics host is not limited (docs/reference/planhat-api.md section 3).
        """
        return self.host == "main"


_OWN_WORD = re.compile(r"[0-9a-f]{24}|duplicate|bulk|segment|licenses|\{tenant\}").fullmatch


def _masked(part: str) -> str:
    return part if _OWN_WORD(part) else f"{part[:6]}..." if part.startswith(("extid-", "srcid-")) else "..."


@dataclass(frozen=True, slots=True)
class Response:
    """An answer. `data` is the parsed JSON where the request asked for a shape, else None.

    `seconds` is how long it took from sending the last try to having all of the body. `unread` says why the body
    was not read, where it was not: it is too long, or in an encoding that nobody asked for. `is_repaired` says that
    halves of characters in the body were replaced.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    data: Any = field(default=None, repr=False)
    attempts: int = 1
    seconds: float = 0.0
    unread: str = ""
    is_repaired: bool = False

    def __reduce__(self) -> tuple[type[Response], tuple[Any, ...]]:
        """Pickled without its body, which holds what Planhat says of customers."""
        rest = (self.attempts, self.seconds, self.unread, self.is_repaired)
        return Response, (self.status, dict(self.headers), b"", None, *rest)

    @property
    def text(self) -> str:
        """The body as text, however it is encoded."""
        return self.body.decode("utf-8", "replace")


class Attempt(Struct, frozen=True):
    """Send this request once, now, whatever comes of it.

    `within` is how many seconds the whole answer may take; `has_slot` says that it holds a slot of the quota, which is
    given back with the answer.
    """

    request: Request
    within: float = float("inf")
    has_slot: bool = False


class Sleep(Struct, frozen=True):
    """Wait for so many seconds of the client's clock; answered with what the clock says then.

    `pause` says what is waited for, where somebody may want to be told.
    """

    seconds: float
    pause: Pause | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """Why a request waits: for a slot of the quota, or to be sent again after a failed try."""

    request: Request
    reason: Literal["quota", "rate limit", "retry"]
    attempt: int = 0
    error: RequestError | None = field(default=None, repr=False)


class Emit(Struct, frozen=True):
    """Hand something to whoever iterates the flow, before the flow goes on."""

    item: Any


class RunBlocking(Struct, frozen=True):
    """Run local, blocking work: in place under the sync driver, in a thread under the async one."""

    call: Callable[[], Any]


class Start(Struct, frozen=True):
    """Send a request and go on at once; answered with what `Wait` takes. What is never awaited is given up."""

    request: Request


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait for the answer of a request that was begun, or meet its error."""

    begun: Any = field(repr=False)


class CurrentAccount(Struct, frozen=True):
    """Answered with the account that requests go to: something that is equal for all clients of one account only."""


Effect = Request | Attempt | Sleep | Emit | RunBlocking | Start | Wait | CurrentAccount
Flow = Generator[Any, Any, T]
"""A generator of effects that returns a T."""


class Unanswered(Exception):
    """Thrown into a flow by a driver: no answer came.

    `sent` says whether the request may have arrived. `kind` is one of those of `ConnectionFailed`, `advice` what
    to do about it; `final` that trying again is no use.
    """

    def __init__(self, reason: str, *, sent: bool, kind: str = "broken", advice: str = "", final: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent
        self.kind = kind
        self.advice = advice
        self.final = final
