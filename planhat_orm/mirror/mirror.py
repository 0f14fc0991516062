"""`Mirror`: a copy of a tenant's records in a database of yours.

What a write needs is imported with it. The other rooms are imported by the verbs that enter them: they are half of the
code, and a program that saves a record, or asks how current the mirror is, uses none of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from sqlalchemy import Engine

from .. import arguments, forks
from ..errors import ConfigurationError, MirrorError, ValidationError
from ..http.effects import Flow, RunBlocking
from ..models.base import Model
from ..runtime import Client
from ..scopes.accounts import Account
from ..wire.resources import Resource
from .db import clock, files, guards, state
from .db.changes import Own, Raw, flat_names
from .db.clock import Instant
from .db.database import Database, database_url
from .db.files import resolved
from .db.layout import layout_for, layout_of, resources_of
from .db.store import Store
from .outbox.outbox import Outbox
from .upkeep import account, damage
from .upkeep.migrate import open_database

if TYPE_CHECKING:
    from ..http.async_driver import AsyncDriver
    from ..http.drivers import Driver
    from ..models.reversal import Reversals
    from ..query.moments import When
    from ..writes.revert_plan import RevertPlan
    from .erasure.plan import Erasure
    from .inbox import Inbox
    from .reading.history import Change, PastSource
    from .reading.source import MirrorSource
    from .report import MirrorStatus, SyncPlan, SyncReport
    from .sharing.search import Hit
    from .sharing.sql import SqlResult
    from .sharing.sqlmodel_classes import MirrorRow
    from .upkeep.doctor import Diagnosis
    from .upkeep.rescue import Rescue

__all__ = ["Mirror"]

Models = Iterable[type[Model] | str] | type[Model] | str
"""Model classes, or names of models or resources: several, or one."""


METRIC_DAYS = 90
"""How far back the first sync reads metrics."""
SQL_ROWS = 10_000
"""So many rows a statement returns unless more are asked for."""


class Drivers(Protocol):
    """What runs the flows of a mirror that belongs to a client."""

    driver: Driver

    @property
    def async_driver(self) -> AsyncDriver: ...


class Mirror:
    """A copy of a tenant's records, in a SQLite file or in PostgreSQL.

    `where` is a path or a SQLAlchemy URL; `models` are the model classes to sync (None: all). With
    `history` every change of a record is remembered; a number is for how many days, and each sync forgets older
    ones. Metrics are held from `metric_days` before the first sync on. A mirror of another account than `account` is
    refused. Nothing is opened before it is used.

    >>> mirror = Mirror("planhat.db")
    >>> print(mirror.status())  # doctest: +SKIP
    """

    def __init__(
        self,
        where: str | os.PathLike[str],
        *,
        models: Iterable[type[Model] | str] | None = None,
        history: bool | float = True,
        metric_days: int = METRIC_DAYS,
        calls_per_min: float = 200,
        account: Account | None = None,
        drivers: Drivers | None = None,
        client: Callable[[], Client | None] | None = None,
    ) -> None:
        arguments.path("Mirror()", where)
        self.where = resolved(where)
        self.models = None if models is None else tuple(arguments.many("models", models))
        days = arguments.number("history", history, 0)
        self.history_kept = days > 0
        self.history_days = float("inf") if history is True else days
        self.metric_days = metric_days
        self.calls_per_min = calls_per_min
        self.account = account
        self._ran_by = drivers
        self._client = client
        self._database: Database | None = None
        self._closed: Database | None = None
        self._inbox: Inbox | None = None
        self._lock = forks.Lock()

    @property
    def database(self) -> Database:
        """The database, opened (and created or upgraded) at first use."""
        with self._lock:
            if self._database is not None and self._database.is_lost:
                self._forget()
            if self._database is None:
                database = open_database(self.where, self._closed)
                try:
                    damage.check_after_a_death(database)
                    if self.account is not None:
                        account.check(database, self.account)
                except BaseException:
                    database.close()
                    raise
                self._database = database
            return self._database

    @property
    def engine(self) -> Engine:
        """SQLAlchemy's engine, for statements of your own: `Session(mirror.engine)`. It reads only."""
        return self.database.readers

    @property
    def source(self) -> MirrorSource:
        """What answers queries from this mirror."""
        from .reading.source import MirrorSource

        return MirrorSource(self.database)

    @property
    def outbox(self) -> Outbox:
        """The writes that wait to be sent, or whose answer was lost."""
        return Outbox(self.database, history=self.history_kept)

    @property
    def inbox(self) -> Inbox:
        """What webhooks said and was not looked at yet: a file beside a SQLite mirror, tables in PostgreSQL."""
        from .inbox import Inbox

        database = self.database
        with self._lock:
            if self._inbox is None:
                self._inbox = Inbox(database)
            return self._inbox

    def table(self, model: type[Model] | str) -> type[MirrorRow]:
        """The SQLModel class of a model's table, for `select(T).where(T.renewal_date < datetime.now(UTC))`.

        Columns are moments, days, numbers, lists and JSON as the fields are, whatever the database holds. Rows are
        read only: flushing one raises `ReadOnlyError`. Notes are conversations of type note, in that table.
        """
        # SQLModel and what it needs are a third of a sync's memory, and a sync needs none of it.
        from .sharing.sqlmodel_classes import table_class

        return table_class(layout_for(resources_of([model])[0]))

    def sync(self, models: Models | None = None, *, full: bool = False, with_fields: bool = False) -> Flow[SyncReport]:
        """Bring the mirror up to date: a flow that emits `Progress` and returns a `SyncReport`.

        `with_fields` brings the account's list of custom fields along, once, with models that have any: the columns of
        views and the types of conditions need it.
        """
        from .sync import run

        names = self._names(models)
        optional = (yield RunBlocking(lambda: self._unread_fields(names))) if with_fields else ()
        report: SyncReport = yield from run.sync(
            lambda: self.database,
            [*names, *optional],
            optional=optional,
            force_full=full,
            history=self.history_kept,
            metric_days=self.metric_days,
        )
        if 0 < self.history_days < float("inf"):
            yield RunBlocking(lambda: self.prune(timedelta(days=self.history_days)))
        yield RunBlocking(lambda: self._note_forgotten(report))
        yield RunBlocking(lambda: self.database.checkpoint())
        return report

    def _note_forgotten(self, report: SyncReport) -> None:
        """Say in a report that people are in the mirror again whom it was told to forget: Planhat still has them."""
        from .erasure import forgotten

        for item in report:
            with self.database.reading() as connection:
                count = forgotten.returned(connection, item.model)
            if count:
                item.notes.append(
                    f"{count} that forget() removed {'is' if count == 1 else 'are'} here again, as Planhat has them: "
                    f"delete them there, and forget again"
                )

    def adopt(self, of: Account, *, force: bool = False) -> Flow[None]:
        """Take this mirror over for an account whose token is another one now: a flow of up to five GETs.

        Raises `MirrorError` when its records are not there, or the host is another one, unless `force`.
        """
        database: Database = yield RunBlocking(lambda: open_database(self.where))
        try:
            yield from account.adopt(database, of, force=force)
        finally:
            database.close()

    def plan(self, models: Models | None = None, *, full: bool = False) -> SyncPlan:
        """What a sync would take, before its first call."""
        from .sync import plan

        with self.database.reading() as connection:
            return plan.plan(
                connection,
                self._names(models),
                full=full,
                calls_per_min=self.calls_per_min,
                metric_days=self.metric_days,
            )

    def _unread_fields(self, names: list[str]) -> list[str]:
        """The list of custom fields, where models with custom fields are synced and it never was."""
        if "custom_field" in names or not any("custom" in layout_for(name).by_wire for name in names):
            return []
        return ["custom_field"] if self.custom_fields() is None else []

    def custom_fields(self) -> list[dict[str, Any]] | None:
        """The account's custom fields as they were synced; None where they were not."""
        from .sharing import custom_fields

        with self.database.reading() as connection:
            return custom_fields.listed(connection)

    def status(self) -> MirrorStatus:
        """How current the mirror is, model by model, and how many writes wait."""
        from .db.quota_store import use_of
        from .report import MirrorStatus, ModelStatus, QuotaUse

        database, waiting = self.database, self.outbox.counts()
        with database.reading() as connection:
            states = state.load_all(connection)
            rows = {name: state.live_rows(connection, layout_for(name)) for name in states}
        used = use_of(database)
        return MirrorStatus(
            models=tuple(
                ModelStatus(
                    model=name,
                    rows=rows[name],
                    complete=found.complete,
                    as_of=found.as_of,
                    synced_at=found.synced_at,
                    full_as_of=found.full_as_of,
                    method=found.method,
                    why=found.why,
                    pending=waiting.get(name, 0),
                    volatile=tuple(sorted(found.traits.volatile)),
                )
                for name, found in sorted(states.items())
            ),
            where=database.url.render_as_string(hide_password=True),
            bytes=files.size(database.path) if database.path is not None else None,
            upgraded_from=database.upgraded,
            waiting=waiting,
            quota=None if used is None else QuotaUse(*used),
        )

    def history(self, record: Model) -> list[Change]:
        """What changed of a record since it is mirrored, oldest first."""
        from .reading import history

        if not isinstance(record, Model):
            raise ValidationError("history() takes a record; changes(models=[Company]) is that of a whole model.")
        layout = layout_for(record._meta.resource.name)
        return history.changes(self.database, resources=[layout.table], record=record.id)

    def changes(
        self,
        since: When | None = None,
        *,
        until: When | None = None,
        models: Models | None = None,
        fields: Iterable[str] | None = None,
        origin: Literal["mine", "theirs"] | None = None,
        after: int | None = None,
    ) -> list[Change]:
        """What was seen to change, oldest first: `mirror.changes(since="2026-10-01", fields=["phase"])`.

        `fields` are Python names, `custom.Label` for custom fields; `origin` tells your writes from others'.
        `after` is the `seq` of a change: for what came since, whatever any clock says.
        """
        from .reading import history

        if after is not None:
            arguments.whole("after", after, 0, 2**63 - 1)
        found = history.changes(
            self.database,
            since=None if since is None else history.moment_of(since),
            until=None if until is None else history.moment_of(until),
            resources=None if models is None else self._names(models),
            origin=origin,
            after=after,
        )
        chosen = None if fields is None else {arguments.name(field) for field in arguments.many("fields", fields)}
        return found if chosen is None else [record for record in found if chosen & record.fields.keys()]

    def revert(
        self,
        since: When | None = None,
        *,
        until: When | None = None,
        models: Models | None = None,
        by: Literal["mine", "theirs"] = "mine",
        op: str | None = None,
    ) -> RevertPlan:
        """The plan of undoing your writes since a moment: look at it, then `apply()` it.

        A field goes back only where Planhat still holds what you wrote; what others changed since is in `plan.left`.
        What you made is deleted if it is as you made it and nothing hangs on it; what you deleted is made anew, under
        another id. `until`, `models` and `op` (`change.op`: one save, batch or deletion) narrow it down; `by="theirs"`
        undoes others' changes. Asks Planhat for what it holds now: a list for each model, or a GET for each record
        where that is fewer, and of records to delete a list of each model that may hang on them. Sends nothing.

        >>> plan = planhat.mirror.revert(since=before)  # doctest: +SKIP
        >>> plan.apply()  # doctest: +SKIP
        """
        client = self._own_client
        plan: RevertPlan = client.run(self._revert(client, since, until, models, by, op))
        return plan

    async def arevert(
        self,
        since: When | None = None,
        *,
        until: When | None = None,
        models: Models | None = None,
        by: Literal["mine", "theirs"] = "mine",
        op: str | None = None,
    ) -> RevertPlan:
        """Do what `revert()` does, in a task."""
        client = self._own_client
        plan: RevertPlan = await client.arun(self._revert(client, since, until, models, by, op))
        return plan

    def _revert(
        self,
        client: Client,
        since: When | None,
        until: When | None,
        models: Models | None,
        by: str,
        op: str | None,
    ) -> Flow[RevertPlan]:
        from .reading import undo
        from .reading.history import moment_of

        arguments.choice("by", by, ("mine", "theirs"))
        if since is None and op is None:
            raise ValidationError("Say from when on: revert(since=...), or which write: revert(op=change.op).")
        if op is not None:
            arguments.text("op", op)
        chosen = undo.Chosen(
            by,
            None if since is None else moment_of(since),
            None if until is None else moment_of(until),
            None if models is None else self._names(models),
            op,
        )
        found: Reversals = yield RunBlocking(lambda: undo.reversals(self.database, chosen))
        return (yield from client.writer.revert(found))

    @property
    def _own_client(self) -> Client:
        client = None if self._client is None else self._client()
        if client is None:
            raise ConfigurationError(
                "This mirror has no client to ask Planhat with: planhat.mirror.revert(...) has one."
            )
        return client

    def newest_change(self) -> int:
        """The `seq` of the last change that was seen, 0 where none was."""
        from .reading import history

        return history.newest(self.database)

    def as_of(self, moment: When) -> PastSource:
        """The mirror as it was at a moment, as a source of queries."""
        from .reading.history import PastSource, moment_of

        return PastSource(self.database, moment_of(moment))

    def prune(self, older_than: timedelta) -> int:
        """Forget changes that were seen longer ago, and return how many. Records stay as they are."""
        from .reading import history

        if not isinstance(older_than, timedelta):
            raise ValidationError(f"prune() takes a timedelta, not a {type(older_than).__name__}.")
        return history.prune(self.database, older_than)

    def forget(self, email: str, *, exports: Iterable[str | os.PathLike[str]] = ()) -> Erasure:
        """What the mirror holds of a person, and folders of exports with it: a plan, of which `apply()` removes all.

        Found by the address: contacts and users, what other records say of them, their history, writes that wait,
        events of webhooks. What Planhat holds is named, and stays. Makes no request.

        >>> print(mirror.forget("someone@customer.example"))
        Nothing speaks of this person.
        """
        from .erasure import plan

        folders = [arguments.path("exports", folder) for folder in arguments.many("exports", exports)]
        return plan.plan(self, arguments.text("forget()", email).strip(), folders)

    def search(self, words: str, models: Models | None = None, *, limit: int = 20) -> list[Hit]:
        """The records that hold all of some words, or words that begin so, best first.

        Over names, notes, conversations, tickets and the like; case, accents and signs do not matter. The first
        search makes the index.

        >>> mirror.search("foods")[0].snippet
        'Beaconbrook [Foods]'
        """
        from .sharing import search

        arguments.text("search()", words)
        arguments.whole("limit", limit, 0)
        chosen = None
        if models is not None:
            chosen = [
                layout_of(item)
                for item in ([models] if isinstance(models, (str, type)) else arguments.many("models", models))
            ]
        return search.search(self.database, words, chosen, limit)

    def sql(
        self, statement: str, parameters: Mapping[str, object] | None = None, *, limit: int | None = SQL_ROWS
    ) -> SqlResult:
        """The rows of one statement of your own that reads: dicts, with `to_pandas()`, `to_polars()`, `to_arrow()`.

        Each model is a table (`company`) and a view (`v_company`) with names beside ids and custom fields as columns.
        `parameters` are for `:name` in the statement. At most `limit` rows; None for all. The connection can only
        read: what would change something raises `ValidationError`.

        >>> mirror.sql("select count(*) as n from v_company where mrr > :least", {"least": 3000})[0]["n"] > 0
        True
        """
        from .sharing import sql

        arguments.text("sql()", statement)
        if parameters is not None:
            arguments.mapping("parameters", parameters)
        if limit is not None:
            arguments.whole("limit", limit, 1, 2**63 - 1)
        return sql.sql(self.database, statement, parameters or {}, limit)

    def export(
        self,
        path: str | os.PathLike[str],
        format: str = "parquet",
        models: Models | None = None,
        *,
        overwrite: bool = False,
        since: Literal["last"] | None = None,
    ) -> list[Path]:
        """Write all complete tables (or those of some models) as parquet, csv, jsonl or duckdb; return the files.

        A file that is there raises `ConfigurationError` before anything is written, unless `overwrite` is set. Parquet
        files and tables of DuckDB that an export made are replaced: they say so of themselves.

        With `since="last"` the folder keeps Parquet files of all exports, to which each adds what changed since the one
        before; the last file that is returned is its manifest. `overwrite` then begins anew.

        >>> mirror.export("warehouse", since="last")  # doctest: +SKIP
        """
        path, overwrite = arguments.path("export()", path), arguments.flag("overwrite", overwrite)
        if since is not None:
            return self._export_changes(path, format, models, arguments.choice("since", since, ("last",)), overwrite)
        from .sharing import export

        if models is not None:
            names = list(self._names(models))
        else:
            with self.database.reading() as connection:
                names = sorted(name for name, found in state.load_all(connection).items() if found.complete)
        return export.export(self.database, path, names, format, overwrite=overwrite)

    def _export_changes(
        self, folder: Path, format: str, models: Models | None, since: str, overwrite: bool
    ) -> list[Path]:
        from .feed.folder import export_changes

        if format != "parquet":
            raise ConfigurationError(f"An export since the {since} one is written as parquet, not as {format!r}.")
        names = None if models is None else self._names(models)
        return export_changes(self.database, self.outbox, folder, names, anew=overwrite)

    def backup(self, path: str | os.PathLike[str]) -> Path:
        """Copy a SQLite mirror into a new file, of one moment even during a run."""
        from .sharing import export

        return export.backup(self.database, arguments.path("backup()", path))

    def doctor(self) -> Diagnosis:
        """Look whether the mirror is sound: structure, records, search indexes, syncs, outbox. Reads all of it once.

        >>> mirror.doctor().ok
        True
        """
        from .upkeep import doctor

        try:
            database = self._database or open_database(self.where)
        except (ConfigurationError, MirrorError) as error:
            return doctor.Diagnosis(
                (doctor.Finding("file", str(error), "Name another file, or restore a backup.", True),)
            )
        try:
            return doctor.doctor(database)
        finally:
            if database is not self._database:
                database.close()

    def rescue(self, path: str | os.PathLike[str]) -> Rescue:
        """Save what can be read of a damaged SQLite file into a new mirror: waiting writes, memory, sound tables.

        The damaged file is not touched. What was lost is told; a sync of the new mirror fetches the rest.
        """
        from .upkeep import rescue

        target = arguments.path("rescue()", path)
        url = database_url(self.where)
        if url.get_backend_name() != "sqlite":
            raise ConfigurationError("A mirror in PostgreSQL is restored from its own backups (pg_dump).")
        return rescue.rescue(Path(str(url.database)), target)

    def store(
        self,
        resource: Resource | str,
        rows: Iterable[Raw],
        *,
        sent: Mapping[str, Any] | None = None,
        made: bool = False,
    ) -> None:
        """Take over records that were just written; keys that a row lacks stay as they are. One transaction.

        What was `sent` of them is remembered as yours (None: all that the rows hold), and with `made` the records are.
        """
        told = {row["_id"]: row for row in rows}
        own = {id: Own(flat_names(row if sent is None else sent), whole=made) for id, row in told.items()}
        self._wrote(resource, dict(told), own)

    def remove(self, resource: Resource | str, keys: Iterable[str]) -> None:
        """Take out records that were just deleted, by Planhat's id or `extid-` and `srcid-` keys. One transaction."""
        layout = layout_for(resource if isinstance(resource, str) else resource.name)
        with self.database.reading() as connection:
            gone = Store(connection, layout).ids_of(list(keys))
        self._wrote(resource, dict.fromkeys(gone), dict.fromkeys(gone, Own(whole=True)))

    def pulled(self, resource: Resource | str, rows: Mapping[str, Raw | None], *, asked: Instant | None = None) -> None:
        """Take over what the server says of some records, None for one that it does not have. One transaction.

        Unlike `store()` and `remove()`, which follow a write of ours, this is remembered as a change of others. With
        `asked`, from `asked_at()`, the rows are whole records, and no write that was acknowledged since is taken back.
        """
        from .sync import single_reads

        if asked is None:
            self._wrote(resource, rows, {})
        else:
            known = layout_for(resource if isinstance(resource, str) else resource.name).resource
            single_reads.learn(self.database, known, rows, asked, history=self.history_kept)

    def asked_at(self, resource: Resource) -> Instant | None:
        """The instant for `pulled()`, before records are asked for; None where the mirror learns nothing from them."""
        from .sync import single_reads

        return single_reads.asked_at(self.database, resource)

    def pull(self, model: type[Model] | str, ids: Iterable[str]) -> dict[str, bool]:
        """Bring some records up to date, by Planhat's ids: whether each is there. One GET each.

        Those that Planhat does not find are taken out, but for one made here some seconds ago. What changed is
        remembered as others'.

        >>> planhat.mirror.pull(Company, ["5f0c"])  # doctest: +SKIP
        {'5f0c': True}
        """
        found: dict[str, bool] = self._drivers.driver.run(self._pull(model, ids))
        return found

    async def apull(self, model: type[Model] | str, ids: Iterable[str]) -> dict[str, bool]:
        """Do what `pull()` does, in a task."""
        found: dict[str, bool] = await self._drivers.async_driver.run(self._pull(model, ids))
        return found

    def _pull(self, model: type[Model] | str, ids: Iterable[str]) -> Flow[dict[str, bool]]:
        from .sync import single_reads

        if isinstance(ids, str):
            raise ValidationError("pull() takes a list of ids: pull(Company, [...]).")
        resource, history = layout_of(model).resource, self.history_kept
        wanted = [arguments.text("An id of pull()", id) for id in arguments.many("pull()", ids)]
        rows = yield from single_reads.pull(lambda: self.database, resource, wanted, history=history)
        return {id: row is not None for id, row in rows.items()}

    def noting(self, resource: Resource, id: str, read: Flow[Raw | None]) -> Flow[Raw | None]:
        """Run a flow that reads one record by Planhat's id, and take over what it says, also that there is none."""
        from .sync import single_reads

        return single_reads.noting(lambda: self.database, resource, id, read, history=self.history_kept)

    @property
    def _drivers(self) -> Drivers:
        if self._ran_by is None:
            raise ConfigurationError("This mirror has no client to ask Planhat with: planhat.mirror.pull(...) has one.")
        return self._ran_by

    def holds(self, resource: Resource | str) -> bool:
        """Whether the mirror holds all of a resource."""
        with self.database.reading() as connection:
            name = resource if isinstance(resource, str) else resource.name
            return state.load(connection, layout_for(name).table).complete

    def mark(self) -> datetime:
        """A moment without a clock: what the mirror shows now is what `as_of(mirror.mark())` shows ever after.

        >>> before = mirror.mark()
        """
        with self.database.reading() as connection:
            return clock.moment(clock.read(connection).at)

    def _wrote(self, resource: Resource | str, rows: Mapping[str, Raw | None], own: Mapping[str, Own]) -> None:
        table = layout_for(resource if isinstance(resource, str) else resource.name).table
        with self.database.writing() as connection:
            if state.load(connection, table).complete:
                self.outbox.wrote(connection, table, rows, own)
                guards.remember_made(connection, table, [id for id, part in own.items() if part.whole and rows[id]])
            elif own:
                # A first load may be under way, with pages from before.
                guards.put(connection, table, dict.fromkeys(rows, False))

    def close(self) -> None:
        """Close the connections to the database."""
        with self._lock:
            if self._database is not None:
                self._database.checkpoint()
            self._forget()

    def _forget(self) -> None:
        if self._inbox is not None:
            self._inbox.close()
            self._inbox = None
        if self._database is not None:
            self._database.close()
            self._closed, self._database = self._database, None

    def _names(self, models: Models | None) -> list[str]:
        if models is None:
            return resources_of(self.models)
        return resources_of([models] if isinstance(models, (str, type)) else models)

    def __enter__(self) -> Mirror:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> str:
        raise MirrorError("A mirror holds a connection, so it is not pickled: open it in each process, by its path.")

    def __repr__(self) -> str:
        return f"<Mirror {'open' if self._database is not None else 'closed'}>"
