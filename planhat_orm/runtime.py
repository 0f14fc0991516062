"""What the layers know of each other upwards: the client, and the few services it offers.

Models sit below the client, yet `company.save()` needs one. This module cuts the cycle: it describes the client as a
protocol, and holds a registry of the model classes by name. Which client is the current one: `scopes`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from . import arguments
from .errors import PlanhatError, WhichClient
from .names import did_you_mean
from .scopes import clients

if TYPE_CHECKING:
    from .http.effects import Flow
    from .query.plan import Plan
    from .query.query import Query
    from .scopes.accounts import Account
    from .scopes.chain import Scope
    from .wire.newest import SeenIds
    from .wire.resources import Resource
    from .wire.values import Values
    from .writes.facade import RecordWriter
    from .writes.outbox import MirrorOutbox

T = TypeVar("T")

TEMPORARY = "tmp:"
"""How the id of a record begins that was made offline and not sent yet."""


@dataclass(frozen=True, slots=True)
class WriteIntent:
    """A write to be recorded in an outbox.

    `op` is create (must be new), upsert, update or delete; `record` is None for a new record; `patch` is what
    is sent, `base` what the server said of those fields; `floor` is the greatest id seen of the resource.
    """

    op: str
    resource: str
    record: str | None
    patch: dict[str, Any] = field(repr=False)
    base: dict[str, Any] = field(repr=False)
    floor: str | None = None


class Source(Protocol):
    """Where rows come from: the API or a mirror. Every method is a flow, so that it serves both drivers."""

    name: str

    def pages(self, query: Query) -> Flow[None]:
        """Emit lists of wire records that satisfy the query, in its order, within its slice.

        Of a query with groups, lists of dicts of comparables by name.
        """
        ...

    def records(self, query: Query) -> Flow[None]:
        """Emit what `pages` does of a query without groups, as `wire.values.Values`: what a record holds."""
        ...

    def columns(self, query: Query, wires: Collection[str]) -> Flow[None]:
        """Emit the values of some fields by wire name, a list for each, of the records that `pages` would emit.

        A value that is null or missing is None.
        """
        ...

    def count(self, query: Query) -> Flow[int]:
        """Return how many records satisfy the query."""
        ...

    def get(self, resource: Resource, form: str, value: str) -> Flow[Values | None]:
        """Return the record whose id in `form` (`_id`, `extid-`, `srcid-`) is `value`, or None."""
        ...

    def explain(self, query: Query) -> Plan:
        """Say what answering the query takes, without doing it."""
        ...


class AccountFields(Protocol):
    """What is known of an account's custom fields."""

    def of(self, name: str) -> Mapping[str, Any] | None:
        """The custom fields of a resource by label; None while they are not known."""
        ...

    def learnt(self, flow: Flow[None]) -> Flow[None]:
        """Pass the pages of the whole list of custom fields on, and remember them."""
        ...


class Client(Protocol):
    """What the rest of the library needs of a `Planhat`."""

    @property
    def account(self) -> Account:
        """Whose records it reads and writes."""
        ...

    @property
    def read_only(self) -> bool:
        """Whether it refuses every write."""
        ...

    @property
    def allow_delete(self) -> bool:
        """Whether it deletes."""
        ...

    @property
    def scan(self) -> str:
        """What a query does that the API cannot filter: "warn", "allow" or "raise"."""
        ...

    @property
    def zone(self) -> tzinfo:
        """The zone that moments without one are read in."""
        ...

    @property
    def custom(self) -> str:
        """What a label that the account does not have does: "refuse" or "warn"."""
        ...

    @property
    def account_fields(self) -> AccountFields:
        """What is known of the account's custom fields."""
        ...

    @property
    def seen_ids(self) -> SeenIds:
        """The greatest ids seen of the account's records."""
        ...

    @property
    def writer(self) -> RecordWriter:
        """What carries records to Planhat."""
        ...

    @property
    def outbox(self) -> MirrorOutbox | None:
        """The mirror's outbox, or None without a mirror."""
        ...

    @property
    def has_tenant_token(self) -> bool:
        """Whether it was given what the analytics host asks for."""
        ...

    @property
    def is_offline(self) -> bool:
        """Whether writes are only to be recorded."""
        ...

    def source(self, name: str | None = None, scope: Scope | None = None) -> Source:
        """The source called `name`, or the default one; `scope` is the one that whoever asks came from."""
        ...

    def run(self, flow: Flow[T]) -> T:
        """Run a flow in this thread."""
        ...

    def iterate(self, flow: Flow[object]) -> Generator[Any, None, Any]:
        """Run a flow in this thread and yield what it emits."""
        ...

    async def arun(self, flow: Flow[T]) -> T:
        """Run a flow in this task."""
        ...

    def aiterate(self, flow: Flow[object]) -> AsyncGenerator[Any, None]:
        """Run a flow in this task and yield what it emits."""
        ...

    def seconds(self, requests: int) -> float:
        """How long so many requests take under the quota."""
        ...

    def notify(self, event: str, payload: object) -> None:
        """Tell those who asked to be told."""
        ...

    def before_write(self) -> Flow[None]:
        """Make sure that what will be written can be taken over."""
        ...

    def wrote(self, resource: Resource, record: dict[str, Any], sent: Mapping[str, Any] | None) -> Flow[None]:
        """Take over a record that was stored; `sent` is what an update sent, None where the record was made."""
        ...

    def noting(self, resource: Resource, key: str, read: Flow[dict[str, Any] | None]) -> Flow[dict[str, Any] | None]:
        """Run a flow that reads one record, and take over what it says."""
        ...

    def removed(self, resource: Resource, ids: list[str]) -> Flow[None]:
        """Take over that records were deleted."""
        ...


models: dict[str, type[Any]] = {}
"""Every model class by its name; relations look their other end up here."""

classes: dict[tuple[str, str], type[Any]] = {}
"""Every model class by its module and name: two modules may each have an `Account`. One made anew takes its place."""

queryset_for: Callable[[type[Any]], Any]
"""Build a queryset of a model. The queryset layer sets it when it is imported."""

load_related: Callable[[Any, Any], Any]
"""Load a relation of a record for all of its peers. The queryset layer sets it when it is imported."""

load_named: Callable[[Any, Iterable[str]], Flow[None]]
"""The flow that loads relations by name. The queryset layer sets it when it is imported."""


def client_of(record: Any) -> Client:
    """Return the client that `record` belongs to; a new record has none yet, and gets the current one.

    Raises `WhichClient` for a record from a pickle when the current client is of another account.
    """
    origin = record._origin
    if origin.client is not None:
        bound: Client = origin.client
        return bound
    client = clients.current(origin.scope)
    check_account(record, client)
    return client


def check_account(record: Any, client: Client) -> None:
    """Raise `WhichClient` unless `record` is new or belongs to the account of `client`."""
    origin = arguments.record("A write", record)._origin
    account = origin.client.account if origin.client is not None else origin.account
    if account is not None and not account.matches(client.account):
        raise WhichClient(
            f"{record!r} belongs to the account {account}, and this client to {client.account}: write it with a "
            f"client of its own account. clone() makes a new record of it for the other one."
        )


_asking: ContextVar[Client | None] = ContextVar("planhat_asking", default=None)
"""The client of the queryset whose names and values are being read."""


@contextmanager
def asked_by(client: Client | None) -> Iterator[None]:
    """Inside this block `zone()` and the account's custom fields are those of `client`, unless that is None."""
    token = _asking.set(client if client is not None else _asking.get())
    try:
        yield
    finally:
        _asking.reset(token)


def _asked(record: Any) -> Client:
    return client_of(record) if record is not None else _asking.get() or clients.current()


def zone(record: Any = None) -> tzinfo:
    """The zone that moments without one are read in: `Planhat(timezone=...)` of the record's client or the current one.

    Without any client it is UTC.
    """
    try:
        return _asked(record).zone
    except PlanhatError:
        return UTC


def custom_fields(resource: str, record: Any = None) -> Mapping[str, Any] | None:
    """The custom fields of a resource by label, as the account lists them; None while that is not known."""
    try:
        return _asked(record).account_fields.of(resource)
    except PlanhatError:
        # Without a client, or with a mirror that cannot be read, nothing is known; who needs them will be told.
        return None


def custom_policy(record: Any = None) -> str:
    """What an unknown label does: `Planhat(custom=...)`, "refuse" or "warn"."""
    try:
        return _asked(record).custom
    except PlanhatError:
        return "refuse"


def bind(record: Any, client: Client) -> None:
    """Have a record that has no client yet belong to `client`."""
    origin = record._origin
    if origin.client is None:
        origin.client, origin.account = client, None


def model(name: str) -> type[Any]:
    """Return the model class called `name`; an error with the nearest name when there is none."""
    try:
        return models[name]
    except KeyError:
        raise PlanhatError(f"There is no model {name!r}.{did_you_mean(name, models)}") from None
