"""A source of dlt: the mirror's records for any destination that dlt has, of which each run sends what changed.

dlt is an extra, and nothing else of the library imports it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from . import arguments, extras
from .client import Planhat
from .errors import MirrorIncomplete
from .mirror.db.layout import resources_of
from .mirror.feed.cursor import Cursor
from .mirror.feed.model_feed import DELETED, snapshot
from .models.base import Model
from .scopes import clients

if TYPE_CHECKING:
    from dlt.extract import DltSource

__all__ = ["planhat_source"]

_NAME = "planhat"
_CURSORS = "planhat_cursors"


def planhat_source(*models: type[Model] | str, planhat: Planhat | None = None) -> DltSource:
    """The records of some models in the mirror (where none is named, of all that it holds), as a source of dlt.

    Each model is a table, merged by `id`: a run sends the rows that changed since the pipeline's last one, and deletes
    those of records that are gone. At first, and where the changes are not known, all rows replace the table. Makes no
    request: sync before. `planhat` is the client, else the current one.

    >>> pipeline = dlt.pipeline("planhat", destination="duckdb", dataset_name="planhat")  # doctest: +SKIP
    >>> pipeline.run(planhat_source(Company, License))  # doctest: +SKIP
    """
    dlt = extras.load("dlt", extra="dlt", need="A source of dlt needs")
    client: Any = clients.current() if planhat is None else arguments.client("planhat_source()", planhat)
    with snapshot(client.mirror.database, client.mirror.outbox) as mirror:
        held = mirror.complete()
    names = resources_of(models) if models else held
    if missing := [name for name in names if name not in held]:
        raise MirrorIncomplete(f"The mirror does not hold all of {missing[0]}: sync it, or leave it out.")
    resources = [_resource(dlt, client, name) for name in names]
    source: DltSource = dlt.source(lambda: resources, name=_NAME, section=_NAME)()
    return source


def _resource(dlt: Any, client: Any, name: str) -> Any:
    hints = {"primary_key": "id", **_hints(is_whole=False)}
    return dlt.resource(_tables, name=name, section=_NAME, **hints)(dlt, client, name)


def _tables(dlt: Any, client: Any, name: str) -> Iterator[Any]:
    """What changed of a model, as Arrow tables; the cursor is kept with what dlt remembers of the pipeline."""
    pa = extras.load("pyarrow", extra="dlt", need="A source of dlt needs")
    cursors = dlt.current.source_state().setdefault(_CURSORS, {})
    with snapshot(client.mirror.database, client.mirror.outbox) as mirror:
        feed = mirror.feed(name, _cursor(cursors.get(name)))
        schema = _fitted(pa, feed.schema())
        # Even where nothing follows: dlt empties a table that a run before replaced and this one has no rows for.
        nothing = schema.empty_table() if feed.why is not None else []
        yield dlt.mark.with_hints(nothing, dlt.mark.make_hints(**_hints(is_whole=feed.why is not None)))
        for part in feed.parts():
            yield pa.Table.from_batches([part.batch]).cast(schema)
        cursors[name] = msgspec.to_builtins(feed.cursor)


def _hints(*, is_whole: bool) -> dict[str, Any]:
    # Where all is replaced nothing is deleted, and dlt would warn of a column that says so.
    columns = {DELETED: {"data_type": "bool", "hard_delete": not is_whole}}
    return {"write_disposition": "replace" if is_whole else "merge", "columns": columns}


def _fitted(pa: Any, schema: Any) -> Any:
    """A schema with keys that are never null and moments as most destinations have them: dlt warns of others."""
    fields = []
    for field in schema:
        if pa.types.is_timestamp(field.type):
            field = field.with_type(pa.timestamp("us", tz="UTC"))
        fields.append(field.with_nullable(field.name != "id"))
    return pa.schema(fields)


def _cursor(kept: Any) -> Cursor | None:
    return None if kept is None else msgspec.convert(kept, Cursor)
