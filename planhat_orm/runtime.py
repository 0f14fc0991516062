"""What the layers know of each other upwards: the current client, and the few services it offers.

Models sit below the client, yet `company.save()` needs one. This module cuts the cycle: it holds the current
client in a `ContextVar` behind protocols, and a registry of the model classes by name.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from .errors import ConfigurationError, PlanhatError
from .names import did_you_mean

if TYPE_CHECKING:
    from .http.effects import Flow
    from .models.base import Model
    from .models.results import BatchResult, Policy, SaveResult
    from .query.plan import Plan
    from .query.query import Query
    from .queryset.queryset import QuerySet
    from .wire.resources import Resource
    from .writes.reconcile import Mapped, ReconcilePlan, Rows

T = TypeVar("T")
M = TypeVar("M", bound="Model")

TEMPORARY = "tmp:"
"""How the id of a record begins that was made offline and not sent yet."""


@dataclass(frozen=True, slots=True)
class WriteIntent:
    """A write to be recorded in an outbox.

    `op` is create (must be new), upsert, update or delete; `record` is None for a new record; `patch` is what
    is sent, `base` what the server said of those fields.
    """

    op: str
    resource: str
    record: str | None
    patch: dict[str, Any] = field(repr=False)
    base: dict[str, Any] = field(repr=False)


class Source(Protocol):
    """Where rows come from: the API or a mirror. Every method is a flow, so that it serves both drivers."""

    name: str

    def pages(self, query: Query) -> Flow[None]:
        """Emit lists of wire records that satisfy the query, in its order, within its slice."""
        ...

    def count(self, query: Query) -> Flow[int]:
        """Return how many records satisfy the query."""
        ...

    def aggregate(self, query: Query, wanted: Any, by: tuple[Any, ...] = ()) -> Flow[list[dict[str, Any]]]:
        """Return one dict of figures (comparables), or one for each group with the group's values by name."""
        ...

    def get(self, resource: Resource, form: str, value: str) -> Flow[dict[str, Any] | None]:
        """Return the record whose id in `form` (`_id`, `extid-`, `srcid-`) is `value`, or None."""
        ...

    def explain(self, query: Query) -> Plan:
        """Say what answering the query takes, without doing it."""
        ...


class Writer(Protocol):
    """What carries records to Planhat. Every method is a flow."""

    def run(self, flow: Flow[T]) -> T:
        """Run a flow in this thread."""
        ...

    async def arun(self, flow: Flow[T]) -> T:
        """Run a flow in this task."""
        ...

    def seconds(self, requests: int) -> float:
        """How long so many requests take under the quota."""
        ...

    def save(
        self, record: Model, fields: Iterable[str] | None = None, on_conflict: Policy | None = None
    ) -> Flow[SaveResult]:
        """Send what changed of `record`, or queue it when a batch is open."""
        ...

    def delete(self, record: Model) -> Flow[None]:
        """Delete `record`, or queue that when a batch is open."""
        ...

    def refresh(self, record: Model, fields: Iterable[str] | None = None, discard: bool = False) -> Flow[None]:
        """Read `record` again."""
        ...

    def send(self, items: Iterable[Model], *, upsert: bool = False, chunk_size: int = 5000) -> Flow[BatchResult]:
        """Send what changed of many records, as bulk upserts."""
        ...

    def delete_all(self, doomed: Iterable[Model]) -> Flow[BatchResult]:
        """Delete many records one by one."""
        ...

    def reconcile(
        self,
        queryset: QuerySet[M],
        rows: Rows,
        key: str,
        mapping: Mapping[str, Mapped] | None,
        *,
        delete: bool = False,
        empty: Literal["skip", "clear"] = "skip",
    ) -> Flow[ReconcilePlan[M]]:
        """Compare rows of another system with what is there, and return the plan."""
        ...

    def unify(self, records: list[M]) -> list[M]:
        """Records as the open batch knows them, or as they are."""
        ...


class Client(Protocol):
    """What the rest of the library needs of a `Planhat`."""

    @property
    def zone(self) -> tzinfo:
        """The zone that moments without one are read in."""
        ...

    @property
    def writer(self) -> Writer:
        """What carries records to Planhat."""
        ...

    def source(self, name: str | None = None) -> Source:
        """The source called `name`, or the default one."""
        ...

    def run(self, flow: Flow[T]) -> T:
        """Run a flow in this thread."""
        ...

    def iterate(self, flow: Flow[Any]) -> Generator[Any, None, Any]:
        """Run a flow in this thread and yield what it emits."""
        ...

    async def arun(self, flow: Flow[T]) -> T:
        """Run a flow in this task."""
        ...

    def aiterate(self, flow: Flow[Any]) -> AsyncGenerator[Any, None]:
        """Run a flow in this task and yield what it emits."""
        ...


_entered: ContextVar[tuple[Client, ...]] = ContextVar("planhat_clients", default=())
_latest: Client | None = None

models: dict[str, type[Any]] = {}
"""Every model class by its name; relations look their other end up here."""

queryset_for: Callable[[type[Any]], Any]
"""Build a queryset of a model. The queryset layer sets it when it is imported."""

load_related: Callable[[Any, Any], Any]
"""Load a relation of a record for all of its peers. The queryset layer sets it when it is imported."""

load_named: Callable[[Any, Iterable[str]], Flow[None]]
"""The flow that loads relations by name. The queryset layer sets it when it is imported."""


def set_latest(client: Client) -> None:
    """Remember the client made last: it is the current one where no `with planhat:` is open."""
    global _latest
    _latest = client


def enter(client: Client) -> None:
    """Make `client` the current one of this context, a thread or a task."""
    _entered.set((*_entered.get(), client))


def leave(client: Client) -> None:
    """Undo the last `enter` of `client` in this context."""
    entered = list(_entered.get())
    for place in reversed(range(len(entered))):
        if entered[place] is client:
            del entered[place]
            break
    _entered.set(tuple(entered))


def current() -> Client:
    """Return the current client; `ConfigurationError` when there is none."""
    client = next(reversed(_entered.get()), _latest)
    if client is None:
        raise ConfigurationError("There is no Planhat client yet: make one with `planhat = Planhat()`.")
    return client


def client_of(record: Any) -> Client:
    """Return the client that loaded `record`, or the current one."""
    reference = record._origin.client
    client = reference() if reference is not None else None
    return client if client is not None else current()


def zone(record: Any = None) -> tzinfo:
    """The zone that moments without one are read in: `Planhat(timezone=...)` of the record's client or the current one.

    Without any client it is UTC.
    """
    try:
        return (client_of(record) if record is not None else current()).zone
    except ConfigurationError:
        return UTC


def model(name: str) -> type[Any]:
    """Return the model class called `name`; an error with the nearest name when there is none."""
    try:
        return models[name]
    except KeyError:
        raise PlanhatError(f"There is no model {name!r}.{did_you_mean(name, models)}") from None
