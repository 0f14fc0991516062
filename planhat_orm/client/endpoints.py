"""The plain endpoints: dict in, dict out, named as in CRUDs' interface.

`planhat.company.get_by_id(...)` and its fellows are thin: guards, then a flow of `wire`. An operation that
a resource does not have raises and says what to use instead.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .. import arguments
from ..errors import BulkError, ValidationError
from ..fields.gate import json_row
from ..http.effects import Emit, Flow, Request, Response
from ..http.flows import at_most, mapped
from ..json_encoding import encode
from ..models.results import first_reasons
from ..tabular.frame_rows import Frame, as_rows
from ..wire import bulk, creating, list_page, listing, paths, records
from ..wire.bulk_sender import BulkAnswer
from ..wire.outcomes import STORED
from ..wire.resources import BULK_MAX_ROWS, Resource, resource
from ..writes.single import instead
from .account_fields import RESOURCE
from .list_filters import fields_named, one_key, split, texts

if TYPE_CHECKING:
    from ..runtime import Client

Record = dict[str, Any]
Page = list[dict[str, Any]]


class BulkResponse(dict[str, Any]):
    """The server's answers of a bulk upsert summed up: numbers added, lists joined.

    `outcomes` has what became of each row, in the order of the rows: `.index`, `.status`, `.id`, `.error`. The status
    of a row that was stored as a part of an earlier one with its key is `merged`.
    """

    def __init__(self, answer: BulkAnswer) -> None:
        super().__init__(answer.summed)
        self.outcomes = [
            replace(outcome, status="merged") if outcome.merged and outcome.status in STORED else outcome
            for outcome in answer.outcomes
        ]


class Endpoint:
    """What every resource offers, as far as Planhat has it."""

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self._resource: Resource = resource(name)

    def __repr__(self) -> str:
        return f"<Endpoint /{self._resource.path}>"

    # --- one record -------------------------------------------------------------------------------------

    def create(self, data: Mapping[str, Any]) -> Record:
        """Create a record and return it: one POST, and a GET before it for each key in `data`.

        Raises `AlreadyExists` when a key is taken; nothing is changed then.
        """
        return self._client.run(self._create(data))

    async def acreate(self, data: Mapping[str, Any]) -> Record:
        """Do what `create()` does, in a task."""
        return await self._client.arun(self._create(data))

    def update(self, identification: str, data: Mapping[str, Any]) -> Record:
        """Change the given keys of a record, found by `_id`, `extid-...` or `srcid-...`, and return it. One PUT.

        Where the server answers with nothing, the record is read by one GET.
        """
        return self._client.run(self._update(identification, data))

    async def aupdate(self, identification: str, data: Mapping[str, Any]) -> Record:
        """Do what `update()` does, in a task."""
        return await self._client.arun(self._update(identification, data))

    def get_by_id(self, identification: str) -> Record:
        """Return a record by `_id`, `extid-...` or `srcid-...`. One GET; `NotFound` without one."""
        return self._client.run(self._get(identification))

    async def aget_by_id(self, identification: str) -> Record:
        """Do what `get_by_id()` does, in a task."""
        return await self._client.arun(self._get(identification))

    def delete(self, identification: str) -> Record:
        """Delete a record by `_id`. One DELETE; returns what the server says of it, which may be nothing."""
        return self._client.run(self._delete(identification))

    async def adelete(self, identification: str) -> Record:
        """Do what `delete()` does, in a task."""
        return await self._client.arun(self._delete(identification))

    # --- many -------------------------------------------------------------------------------------------

    def get_list(
        self,
        sort: str | None = None,
        select: str | Iterable[str] | None = None,
        limit: int | None = None,
        max_requests: int = 0,
        **filters: object,
    ) -> Iterator[Page]:
        """Yield the pages of a list, each record once, until the last.

        The list is complete even while others write; with a `sort` of your own what they move then comes late.
        `select` names wire fields (default: all); `limit` is the size of a page, `max_requests` stops early.
        Filters are those of docs/reference/planhat-api.md section 6 (`from_` for `from`, which Python has for
        itself); unknown ones raise `FieldError`. `companyId` takes many of Planhat's ids, as a list or with commas.
        """
        flow = self._list(sort, select, limit, max_requests, filters)
        return self._client.iterate(flow)

    def aget_list(
        self,
        sort: str | None = None,
        select: str | Iterable[str] | None = None,
        limit: int | None = None,
        max_requests: int = 0,
        **filters: object,
    ) -> AsyncIterator[Page]:
        """Do what `get_list()` does, in a task: `async for page in ...`."""
        return self._client.aiterate(self._list(sort, select, limit, max_requests, filters))

    def bulk_upsert(
        self,
        data: Iterable[Mapping[str, Any]] | Frame,
        chunk_size: int = BULK_MAX_ROWS,
        raise_on_error: bool = False,
    ) -> BulkResponse:
        """Upsert rows, dicts or those of a data frame: ceil(n/chunk_size) PUTs; returns the answers summed up.

        Rows that fail do not stop the others; `.outcomes` has one entry for every row. With
        `raise_on_error` a row that failed, was dropped or is unknown raises `BulkError`.
        """
        return self._client.run(self._bulk(data, chunk_size, raise_on_error))

    async def abulk_upsert(
        self,
        data: Iterable[Mapping[str, Any]] | Frame,
        chunk_size: int = BULK_MAX_ROWS,
        raise_on_error: bool = False,
    ) -> BulkResponse:
        """Do what `bulk_upsert()` does, in a task."""
        return await self._client.arun(self._bulk(data, chunk_size, raise_on_error))

    # --- flows ------------------------------------------------------------------------------------------

    def _object(self, data: Any) -> Record:
        """The values of a record as JSON has them."""
        if not isinstance(data, Mapping):
            raise ValidationError(f"A record is given as a dict, not as a {type(data).__name__}.")
        return json_row(data, "", self._client.zone)

    def _need(self, operation: str) -> None:
        if operation not in self._resource.operations:
            raise ValidationError(
                f"planhat.{self._resource.attribute}.{operation}() does not exist: {instead(self._resource, operation)}"
            )

    def _create(self, data: Mapping[str, Any]) -> Flow[Record]:
        self._need("create")
        self._client.writer.guard_live()
        data = self._object(data)
        list_page.warn_of_unknown(self._resource, data)
        yield from self._client.before_write()
        record = yield from creating.create(self._resource, {**self._resource.implied, **data}, self._client.seen_ids)
        yield from self._client.wrote(self._resource, record, None)
        return record

    def _update(self, key: str, data: Mapping[str, Any]) -> Flow[Record]:
        self._need("update")
        self._client.writer.guard_live()
        data = self._object(data)
        list_page.warn_of_unknown(self._resource, data)
        yield from self._client.before_write()
        record = yield from records.update(self._resource, key, data)
        yield from self._client.wrote(self._resource, record, data)
        return record

    def _get(self, key: str) -> Flow[Record]:
        self._need("get_by_id")
        record = yield from self._client.noting(self._resource, key, records.get(self._resource, key))
        assert record is not None, "what is not found is raised"
        return record

    def _delete(self, key: str) -> Flow[Record]:
        self._need("delete")
        self._client.writer.guard_live(delete=True)
        yield from self._client.before_write()
        answer = yield from records.delete(self._resource, key)
        yield from self._client.removed(self._resource, [key])
        return answer

    def _bulk(self, data: Any, chunk_size: int, raise_on_error: bool) -> Flow[BulkResponse]:
        self._need("bulk_upsert")
        arguments.flag("raise_on_error", raise_on_error)
        self._client.writer.guard_live()
        data = as_rows(data)
        rows = [data] if isinstance(data, Mapping) else data
        if isinstance(rows, Iterable) and not isinstance(rows, (str, bytes)):
            rows = list(self._said(rows)) if isinstance(rows, Sequence) else self._said(rows)
        answer = yield from bulk.upsert(self._resource, rows, chunk_size=chunk_size)
        response = BulkResponse(answer)
        bad = [outcome for outcome in answer.outcomes if outcome.status in ("failed", "dropped", "unknown")]
        if raise_on_error and bad:
            raise BulkError(
                f"{len(bad)} of {len(answer.outcomes)} rows were not stored for sure, the first is row {bad[0].index}: "
                f"see .result.outcomes, or the error lists in .result.",
                result=response,
                reasons=first_reasons((f"Row {outcome.index}", outcome.error) for outcome in bad),
            )
        return response

    def _said(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        """Rows as they are sent; names in them that no source knows are told to the log, once each."""
        told: set[str] = set()
        for place, row in enumerate(rows):
            if isinstance(row, Mapping):
                row = json_row(row, f"Row {place}: ", self._client.zone)
                unknown = row.keys() - self._resource.fields.keys() - told
                list_page.warn_of_unknown(self._resource, unknown)
                told |= unknown
                if not row.get("_id"):
                    # What has no id is new, and must say what it is.
                    row = {**self._resource.implied, **row}
            yield row

    def _list(
        self,
        sort: str | None,
        select: str | Iterable[str] | None,
        limit: int | None,
        max_requests: int,
        filters: Mapping[str, object],
    ) -> Flow[Any]:
        """Check what was asked, now, and return the flow that reads it."""
        self._need("list")
        filters = {"from" if name == "from_" else name: value for name, value in filters.items()}
        list_page.check_params(self._resource, filters)
        for name, number, least in (("limit", limit, 1), ("max_requests", max_requests, 0)):
            if number is not None:
                arguments.whole(name, number, least)
        if sort is not None and (not isinstance(sort, str) or not sort.strip() or "," in sort):
            raise ValidationError("sort takes the name of one field, with a - before it for descending.")
        sort = None if sort is None else arguments.text("sort", sort).strip()
        names = fields_named(select)
        list_page.warn_of_unknown(self._resource, [*(names or ()), *([sort] if sort else ())])
        flow = self._read(sort, names, limit, split(self._resource, filters), may_stop=bool(max_requests))
        return at_most(max_requests, flow) if max_requests else flow

    def _read(
        self,
        sort: str | None,
        select: list[str] | None,
        limit: int | None,
        lists: list[dict[str, str]],
        *,
        may_stop: bool,
    ) -> Flow[None]:
        seen: set[Any] = set()

        def fresh(rows: Page) -> Flow[None]:
            # A record of several companies, such as an issue, is in the lists of more than one.
            new = [row for row in rows if row.get("_id") not in seen]
            seen.update(row.get("_id") for row in new)
            if new:
                yield Emit(new)

        for params in lists:
            if sort in (None, "_id"):
                pages = listing.pages(self._resource, select=select, params=params, limit=limit, may_stop=may_stop)
            else:
                pages = listing.sorted_pages(self._resource, sort or "", select=select, params=params, limit=limit)
            if self._resource.name == RESOURCE and select is None and not params:
                pages = self._client.account_fields.learnt(pages)
            yield from (mapped(pages, fresh) if len(lists) > 1 else pages)


class Companies(Endpoint):
    """`planhat.company`."""

    def get_lean_list(
        self,
        external_id: str | None = None,
        source_id: str | None = None,
        status: str | Iterable[str] | None = None,
    ) -> Page:
        """Return ids and names of all companies, or of those that match: one request.

        What it holds is in docs/reference/planhat-api.md section 5.
        """
        return self._client.run(self._lean(external_id, source_id, status))

    async def aget_lean_list(
        self,
        external_id: str | None = None,
        source_id: str | None = None,
        status: str | Iterable[str] | None = None,
    ) -> Page:
        """Do what `get_lean_list()` does, in a task."""
        return await self._client.arun(self._lean(external_id, source_id, status))

    def _lean(self, external_id: str | None, source_id: str | None, status: str | Iterable[str] | None) -> Flow[Page]:
        given: dict[str, object] = {
            "externalId": one_key("external_id", external_id),
            "sourceId": one_key("source_id", source_id),
        }
        if status is not None:
            chosen = status.split(",") if isinstance(status, str) else arguments.many("status", status)
            given["status"] = [arguments.text("status", item).strip() for item in chosen]
        return (yield from list_page.lean_companies(self._resource, texts(given)))


class TimeEntries(Endpoint):
    """`planhat.time_entry`."""

    def duplicate(self, data: Mapping[str, Any]) -> Record:
        """Duplicate time entries: `{"ids": [...]}`. One POST, never repeated."""
        return self._client.run(self._duplicate(data))

    async def aduplicate(self, data: Mapping[str, Any]) -> Record:
        """Do what `duplicate()` does, in a task."""
        return await self._client.arun(self._duplicate(data))

    def _duplicate(self, data: Mapping[str, Any]) -> Flow[Record]:
        self._client.writer.guard_live()
        data = self._object(data)
        ids = data.get("ids")
        if not isinstance(ids, (list, tuple)) or not ids:
            raise ValidationError('duplicate() needs the ids of time entries: duplicate({"ids": [...]}).')
        path = f"{paths.collection(self._resource)}/duplicate"
        request = Request("POST", path, body=encode(data), idempotent=False, shape=(dict, list))
        response: Response = yield from records.once(request)
        return response.data if isinstance(response.data, dict) else {"records": response.data}
