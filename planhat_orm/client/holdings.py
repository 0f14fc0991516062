"""What a client holds open: connections to Planhat, and its mirror. They are closed with it, or when it is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

from .. import forks
from ..http.drivers import Driver
from ..http.effects import Flow
from ..http.session import Session
from ..wire.paths import split_key
from ..wire.resources import Resource

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..http.async_driver import AsyncDriver
    from ..mirror import Mirror

E = TypeVar("E")


class Holdings:
    """The drivers and the mirror of one client. Nothing here leads back to the client, so it is collected at once."""

    def __init__(self, session: Session) -> None:
        self.driver = Driver(session)
        self._session = session
        self._async_driver: AsyncDriver | None = None
        self._lock = forks.Lock()
        self.mirror: Mirror | None = None
        self._closed: Mirror | None = None

    @property
    def async_driver(self) -> AsyncDriver:
        """The driver for tasks, made for the first one: a process without any does not load asyncio."""
        from ..http.async_driver import AsyncDriver

        with self._lock:
            if self._async_driver is None:
                self._async_driver = AsyncDriver(self._session)
            return self._async_driver

    def open_mirror(self, make: Callable[[], Mirror]) -> Mirror:
        """The mirror; one that was closed is the same again, which is faster than a new one."""
        mirror = self.mirror
        if mirror is None:
            mirror = self.mirror = self._closed or make()
        return mirror

    def noting(self, resource: Resource, key: str, read: Flow[dict[str, Any] | None]) -> Flow[dict[str, Any] | None]:
        """Run a flow that reads one record, and let the mirror learn of it, where that is open.

        Under a key of the customer's, not to be found is not to be gone: another record may have the key by now.
        """
        mirror = self.mirror
        if mirror is None:
            return read
        return mirror.noting(resource, key, read) if split_key(key)[0] == "_id" else read

    def end(self) -> None:
        """Close all of it, as the client is gone."""
        if self._async_driver is not None:
            self._async_driver.drop()
        self.close()

    def close(self) -> None:
        """Close what is open. Whoever uses it again opens it anew."""
        self.driver.close()
        mirror, self.mirror = self.mirror, None
        if mirror is not None:
            self._closed = mirror
            mirror.close()


class Attribute(Generic[E]):
    """An attribute of the client that is made each time it is asked for: one that was kept would keep the client."""

    def __init__(self, make: Callable[[Any, str], E]) -> None:
        self._make = make
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, client: None, owner: type) -> Self: ...

    @overload
    def __get__(self, client: object, owner: type) -> E: ...

    def __get__(self, client: Any, owner: type) -> Self | E:
        return self if client is None else self._make(client, self._name)
