"""What a sync says: while it runs, before it starts, when it ended, and how the mirror is. Printable, all of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from ..aligned import aligned
from ..names import did_you_mean


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a sync is. `total` is what there was last time, None when nobody knows yet."""

    model: str
    rows: int
    total: int | None
    requests: int
    phase: str


class Table:
    """Rows of cells, for `print` and for notebooks."""

    def _cells(self) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
        raise NotImplementedError

    def _closing(self) -> Iterable[str]:
        return ()

    def __str__(self) -> str:
        head, rows = self._cells()
        cells = [list(map(str, head)), *([_shown(cell) for cell in row] for row in rows)]
        return "\n".join([*aligned(cells), *self._closing()])

    def _repr_html_(self) -> str:
        head, rows = self._cells()
        titles = "".join(f"<th>{escape(name)}</th>" for name in head)
        body = "".join("<tr>" + "".join(f"<td>{escape(_shown(cell))}</td>" for cell in row) + "</tr>" for row in rows)
        closing = "".join(f"<p>{escape(line)}</p>" for line in self._closing())
        return f"<table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>{closing}"


def _shown(cell: Any) -> str:
    if cell is None:
        return ""
    return f"{cell:,}" if isinstance(cell, int) and not isinstance(cell, bool) else str(cell)


@dataclass(slots=True)
class ModelReport:
    """What a sync did to one model.

    `method` is how, `why` is why that way; `skipped` says why not at all, `failed` what went wrong.
    `silent` of the changed ones had no new time of change. `bytes` are those of the answers' bodies.
    """

    model: str
    new: int = 0
    changed: int = 0
    deleted: int = 0
    unchanged: int = 0
    silent: int = 0
    requests: int = 0
    bytes: int = 0
    seconds: float = 0.0
    method: str = ""
    why: str = ""
    skipped: str = ""
    failed: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def records(self) -> tuple[int, int, int, int]:
        """New, changed, deleted and unchanged records."""
        return self.new, self.changed, self.deleted, self.unchanged

    @property
    def how(self) -> tuple[str, str]:
        """The method and the reason, or what was in the way."""
        if self.failed:
            return "failed", self.failed
        return ("skipped", self.skipped) if self.skipped else (self.method, self.why)


@dataclass(slots=True)
class SyncReport(Table):
    """What a sync did, model by model: `report["company"].new`, `report.requests`, `print(report)`."""

    models: dict[str, ModelReport] = field(default_factory=dict)
    run: int = 0
    seconds: float = 0.0

    def __getitem__(self, model: str) -> ModelReport:
        try:
            return self.models[model]
        except KeyError:
            raise KeyError(f"No model {model!r} was synced.{did_you_mean(model, self.models)}") from None

    def __iter__(self) -> Iterator[ModelReport]:
        return iter(self.models.values())

    def __len__(self) -> int:
        return len(self.models)

    @property
    def requests(self) -> int:
        """Requests of all models."""
        return sum(item.requests for item in self)

    @property
    def new(self) -> int:
        """Records that were not in the mirror."""
        return sum(item.new for item in self)

    @property
    def changed(self) -> int:
        """Records that differed."""
        return sum(item.changed for item in self)

    @property
    def deleted(self) -> int:
        """Records that Planhat has no more."""
        return sum(item.deleted for item in self)

    @property
    def unchanged(self) -> int:
        """Records that were looked at and did not differ."""
        return sum(item.unchanged for item in self)

    @property
    def bytes(self) -> int:
        """Bytes of JSON that were read."""
        return sum(item.bytes for item in self)

    @property
    def failed(self) -> dict[str, str]:
        """The models that could not be synced, and why; they are as they were before."""
        return {item.model: item.failed for item in self if item.failed}

    @property
    def skipped(self) -> dict[str, str]:
        """The models that this tenant or token has no access to, and what the server said: 403 or 404."""
        return {item.model: item.skipped for item in self if item.skipped}

    def _cells(self) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
        head = ("model", "new", "changed", "deleted", "unchanged", "requests", "seconds", "method", "why")
        rows = ((item.model, *item.records, item.requests, f"{item.seconds:.2f}", *item.how) for item in self)
        return head, rows

    def _closing(self) -> Iterable[str]:
        yield from (f"{item.model}: {note}" for item in self for note in item.notes)
        yield (
            f"{self.new:,} new, {self.changed:,} changed, {self.deleted:,} deleted in {self.requests:,} requests "
            f"and {self.seconds:.1f} seconds"
        )


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """What a sync of one model will take; `requests` is at least so many where nothing was synced yet."""

    model: str
    method: str
    requests: int
    rows: int | None
    bytes: int | None


@dataclass(frozen=True, slots=True)
class SyncPlan(Table):
    """What a sync will take. `seconds` is what the quota alone makes it last."""

    models: tuple[ModelPlan, ...]
    calls_per_min: float = 200

    def __iter__(self) -> Iterator[ModelPlan]:
        return iter(self.models)

    @property
    def requests(self) -> int:
        """Requests of all models."""
        return sum(model.requests for model in self.models)

    @property
    def seconds(self) -> float:
        """The least time the quota leaves room for: one minute's calls go at once, the rest wait."""
        return max(0.0, self.requests - self.calls_per_min) / self.calls_per_min * 60

    @property
    def bytes(self) -> int:
        """Bytes of JSON, as far as known."""
        return sum(model.bytes or 0 for model in self.models)

    def _cells(self) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
        return ("model", "method", "requests", "rows", "kilobytes"), (
            (
                model.model,
                model.method,
                model.requests,
                model.rows,
                None if model.bytes is None else -(-model.bytes // 1000),
            )
            for model in self.models
        )

    def _closing(self) -> Iterable[str]:
        unknown = [model.model for model in self.models if model.rows is None]
        if unknown:
            yield f"never synced, so the least there can be: {', '.join(unknown)}"
        pace = f"{self.calls_per_min:g} calls a minute"
        yield f"{self.requests:,} requests, at least {self.seconds:.0f} seconds at {pace}"


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """How current one model is. `as_of`: every stamped change the server committed before it is here."""

    model: str
    rows: int
    complete: bool
    as_of: str | None
    synced_at: str | None
    full_as_of: str | None
    method: str | None
    why: str | None
    pending: int = 0
    volatile: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QuotaUse:
    """The quota that a mirror's processes share: calls a minute, and how many clients used it within a minute."""

    calls_per_min: int
    shared_by: int

    def __str__(self) -> str:
        return f"quota {self.calls_per_min:,}/min, shared by {self.shared_by}"


@dataclass(frozen=True, slots=True)
class MirrorStatus(Table):
    """How the mirror is, model by model: `status["company"].rows`, `print(status)`.

    `waiting` is how many writes wait in the outbox, by resource, of models that were never synced too.
    """

    models: tuple[ModelStatus, ...]
    where: str
    bytes: int | None = None
    upgraded_from: str | None = None
    waiting: Mapping[str, int] = field(default_factory=dict)
    quota: QuotaUse | None = None

    def __iter__(self) -> Iterator[ModelStatus]:
        return iter(self.models)

    def __getitem__(self, model: str) -> ModelStatus:
        for item in self.models:
            if item.model == model:
                return item
        raise KeyError(f"The mirror has no {model!r}.{did_you_mean(model, [model.model for model in self.models])}")

    @property
    def others_waiting(self) -> dict[str, int]:
        """How many writes wait of what is in none of the rows: activities, and models that were never synced."""
        listed = {model.model for model in self.models}
        return {name: count for name, count in sorted(self.waiting.items()) if name not in listed}

    def _cells(self) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
        return ("model", "rows", "complete", "as of", "last full", "pending", "method"), (
            (
                model.model,
                model.rows,
                "yes" if model.complete else "no",
                model.as_of,
                model.full_as_of,
                model.pending,
                model.method,
            )
            for model in self.models
        )

    def _closing(self) -> Iterable[str]:
        size = "" if self.bytes is None else f", {self.bytes / 1e6:,.1f} MB"
        yield f"{self.where}{size}" + ("" if self.quota is None else f", {self.quota}")
        if others := self.others_waiting:
            yield f"waiting to be sent: {', '.join(f'{count:,} {name}' for name, count in others.items())}"
        if self.upgraded_from is not None:
            yield f"upgraded from version {self.upgraded_from} of the tables"
