"""What a write did: exactly one `RowResult` an object, all of them together, and how conflicts are to be settled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from .. import arguments
from ..errors import BulkError
from ..html import table
from ..http.flows import counted
from .labels import name_of

if TYPE_CHECKING:
    from ..http.effects import Flow
    from .conflict import Conflict

T = TypeVar("T")

Policy = Literal["raise", "ours", "theirs"] | Callable[["Conflict"], object]
"""How a field that both sides changed is settled; a function returns the value to send."""
STATUSES = ("created", "updated", "unchanged", "merged", "deleted", "sent", "queued", "failed", "dropped", "unknown")
_BAD = ("failed", "dropped", "unknown")


def check_policy(policy: object) -> None:
    """Raise `FieldError` for an `on_conflict` that is none."""
    if policy is not None and not callable(policy):
        arguments.choice("on_conflict", policy, ("raise", "ours", "theirs"))


@dataclass(frozen=True, slots=True)
class SaveResult:
    """What a `save()` did: nothing was sent when neither `created` nor `updated` is true.

    `fields` are the Python names that were sent; `queued` says that a batch, or the outbox of an offline
    block, holds the change instead.
    """

    created: bool = False
    updated: bool = False
    fields: tuple[str, ...] = ()
    queued: bool = False

    def __bool__(self) -> bool:
        raise TypeError("A SaveResult is not true or false: look at .created, .updated or .queued.")


@dataclass(frozen=True, slots=True)
class RowResult:
    """The outcome of one object.

    `status` is created, updated, unchanged, merged (into another row with its key), deleted, sent (a metric or an
    activity, of which the server says no more than that it came), queued (in a batch, or in the outbox, offline),
    failed, dropped (the server ignored the row) or unknown (its answer was lost); `error` is what the server said,
    verbatim, which may quote the record. `conflicts` are the fields that the server's record changed too, and `entry`
    is the number of the outbox's entry.
    """

    object: Any
    status: str
    error: str = field(default="", repr=False)
    conflicts: tuple[Conflict, ...] = field(default=(), repr=False)
    entry: int | None = field(default=None, repr=False)

    @property
    def ok(self) -> bool:
        """Whether the server holds, or at least received, what was sent."""
        return self.status not in _BAD


class BatchResult:
    """The outcomes of a batch, in the order in which the objects were given."""

    def __init__(self, rows: Iterable[RowResult] = (), requests: int = 0) -> None:
        self.rows = list(rows)
        self.requests = requests

    def count(self, flow: Flow[T]) -> Flow[T]:
        """Run a flow and add its requests, retries left out."""

        def add(requests: int) -> None:
            self.requests += requests

        return (yield from counted(flow, add))

    def _of(self, status: str) -> list[RowResult]:
        return [row for row in self.rows if row.status == status]

    @property
    def created(self) -> list[RowResult]:
        """Rows that made a new record."""
        return self._of("created")

    @property
    def updated(self) -> list[RowResult]:
        """Rows that changed a record."""
        return self._of("updated")

    @property
    def unchanged(self) -> list[RowResult]:
        """Rows that the server holds already."""
        return self._of("unchanged")

    @property
    def merged(self) -> list[RowResult]:
        """Rows that were put into another one with the same key, as `duplicates="merge"` says."""
        return self._of("merged")

    @property
    def deleted(self) -> list[RowResult]:
        """Records that were deleted."""
        return self._of("deleted")

    @property
    def sent(self) -> list[RowResult]:
        """Metrics and activities that the analytics host received: it does not say what it keeps of them."""
        return self._of("sent")

    @property
    def queued(self) -> list[RowResult]:
        """Rows that wait in the outbox, written down offline."""
        return self._of("queued")

    @property
    def failed(self) -> list[RowResult]:
        """Rows that the server refused, or that were never sent."""
        return self._of("failed")

    @property
    def dropped(self) -> list[RowResult]:
        """Rows that the server ignored without an error."""
        return self._of("dropped")

    @property
    def unknown(self) -> list[RowResult]:
        """Rows whose answer was lost: stored or not, nobody knows. Keyed ones may be sent again."""
        return self._of("unknown")

    @property
    def conflicts(self) -> list[Conflict]:
        """The fields that both sides changed, of the rows that were held back for it."""
        return [conflict for row in self.rows for conflict in row.conflicts]

    @property
    def ok(self) -> bool:
        """Whether every row succeeded."""
        return all(row.ok for row in self.rows)

    def raise_for_failures(self) -> None:
        """Raise `BulkError` with this result when a row failed, was dropped, or is unknown."""
        if not self.ok:
            bad = ((_label_of(row.object), row.error) for row in self.rows if not row.ok)
            raise BulkError(f"{self}. See .result.failed, .dropped and .unknown: each has .object and .error.",
                            result=self, reasons=first_reasons(bad))  # fmt: skip

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[RowResult]:
        return iter(self.rows)

    def __bool__(self) -> bool:
        raise TypeError("A result is not true or false: look at .ok, or at .failed.")

    def __str__(self) -> str:
        counts = {status: len(self._of(status)) for status in STATUSES}
        told = ", ".join(f"{status} {number}" for status, number in counts.items() if number) or "nothing to send"
        return f"{told}, in {self.requests} request{'' if self.requests == 1 else 's'}"

    def __repr__(self) -> str:
        return f"<BatchResult {self}>"

    def _repr_html_(self) -> str:
        rows = [(status, len(self._of(status))) for status in STATUSES if self._of(status)]
        return table(("status", "rows"), rows, f"{self.requests} requests")


def _label_of(held: Any) -> str:
    """A record, or an outbox's entry, as a person knows it: by its name, else its first key, else its id."""
    if hasattr(held, "_meta"):
        name, kind, id, keys = name_of(held), type(held).__name__, held.id, held._keys()
    else:
        name, kind, id, keys = held.patch.get("name"), held.resource, held.record, held.patch
    values = (keys.get(wire) for wire in ("externalId", "sourceId", "email"))
    return f"{kind} {name or next((value for value in values if value), None) or id or 'new'}"


def first_reasons(bad: Iterable[tuple[str, str]], most: int = 3) -> tuple[str, ...]:
    """The first different reasons of rows, each with the first row that has it; the last line counts the others."""
    rows: dict[str, list[str]] = {}
    for label, error in bad:
        rows.setdefault(error, []).append(label)
    lines = []
    for error, labels in list(rows.items())[:most]:
        others = f" and {len(labels) - 1} more" if len(labels) > 1 else ""
        lines.append(f"{labels[0]}{others}: {error or 'no reason was given'}")
    if len(rows) > most:
        lines.append(f"... and {len(rows) - most} other reason{'s' if len(rows) - most > 1 else ''}")
    return tuple(lines)


def joined(results: Sequence[BatchResult], records: Iterable[object] = ()) -> BatchResult:
    """Several results as one, its rows in the order of the records, if those are given."""
    places = {id(record): place for place, record in enumerate(records)}
    rows = [row for result in results for row in result.rows]
    if places and len(results) > 1:
        rows.sort(key=lambda row: places[id(row.object)])
    return BatchResult(rows, sum(result.requests for result in results))
