"""Which list is read, how its requests are sent, and what becomes of an answer: shared by all who read whole lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from operator import lt
from typing import Any, Generic, Protocol, TypeVar

from msgspec import Struct, field

from ..http.effects import Flow, Request, Response, Start, Wait
from .list_page import request_page, rows_of
from .raw_records import RawRecord, values_of
from .resources import Resource

FAR = 10_000_000
"""More records than a list has: where some show there all the same, the server ignores the offset."""


class HasId(Protocol):
    """A row of a page."""

    def get(self, wire: str, /) -> Any:
        """The value of a field, or None."""
        ...


Row = TypeVar("Row", bound=HasId)


class NotSortedById(Exception):
    """A list did not come in the order of `_id`."""


class Requests:
    """How the requests of a list are sent; a subclass may count them."""

    def ask(self, request: Request) -> Flow[Response]:
        """Send one request."""
        response: Response = yield request
        return response

    def begin(self, request: Request) -> Flow[Any]:
        """Send one request and go on; `finish` takes what is returned."""
        return (yield Start(request))

    def finish(self, begun: Any) -> Flow[Response]:
        """Wait for the answer to a request that was begun."""
        response: Response = yield Wait(begun)
        return response


class ListReader(Struct, Generic[Row], frozen=True):
    """One list, in the order of `_id`: its filters, the fields to name, and `read`, which makes rows of an answer."""

    resource: Resource
    read: Callable[[Response, Resource], list[Row]]
    params: Mapping[str, str] = {}
    select: Sequence[str] | None = None
    raw_items: bool = False
    requests: Requests = field(default_factory=Requests)

    @property
    def most(self) -> int:
        """The most rows that a page can be asked for."""
        return self.resource.max_limit

    def request(self, offset: int, limit: int) -> Request:
        """The request for a page of whole rows."""
        return request_page(
            self.resource,
            limit=limit,
            offset=offset,
            select=self.select,
            params=self.params,
            raw_items=self.raw_items,
        )

    def ask(self, offset: int, limit: int) -> Flow[Response]:
        """Ask for a page of whole rows."""
        return (yield from self.requests.ask(self.request(offset, limit)))

    def page(self, offset: int, limit: int) -> Flow[list[Row]]:
        """A page of whole rows."""
        return self.read((yield from self.ask(offset, limit)), self.resource)

    def begin_backwards(self) -> Flow[Any]:
        """Ask for the ids from the other end, and go on; `finish` takes what is returned."""
        return (yield from self.requests.begin(self.ids_request(sort="-_id")))

    def finish(self, begun: Any) -> Flow[Response]:
        """Wait for the answer to a request that was begun."""
        return (yield from self.requests.finish(begun))

    def ask_backwards(self) -> Flow[Response]:
        """Ask for the ids from the other end."""
        return (yield from self.requests.ask(self.ids_request(sort="-_id")))

    def ids_request(self, offset: int = 0, sort: str = "_id") -> Request:
        """The request for as long a page of ids as there is: no server cuts those by bytes."""
        return request_page(
            self.resource, limit=self.most, offset=offset, sort=sort, select=("_id",), params=self.params
        )

    def ids(self, offset: int) -> Flow[list[str]]:
        """A page of ids, in whatever order they come."""
        return self.ids_in((yield from self.requests.ask(self.ids_request(offset))))

    def ids_in(self, answer: Response) -> list[str]:
        """The ids of an answered page; `NotSortedById` where one is no text."""
        return ids_of(rows_of(answer, self.resource))


def ids_of(rows: Sequence[HasId]) -> list[str]:
    """The ids of a page; `NotSortedById` where one is no text."""
    raws = [row for row in rows if isinstance(row, RawRecord)]
    ids = values_of(raws, "_id") if len(raws) == len(rows) else [row.get("_id") for row in rows]
    if not {*map(type, ids)} <= {str} or not all(map(str.strip, ids)):
        raise NotSortedById
    return ids


def ascending_ids(rows: Sequence[HasId]) -> list[str]:
    """The ids of a page; `NotSortedById` where they do not come in their order, or one is no text."""
    return ascending(ids_of(rows))


def ascending(ids: list[str]) -> list[str]:
    """The same ids; `NotSortedById` where they do not come in their order."""
    if not is_ascending(ids):
        raise NotSortedById
    return ids


def is_ascending(ids: Sequence[str]) -> bool:
    """Whether each id is greater than the one before it."""
    return all(map(lt, ids, islice(ids, 1, None)))
