"""The plain endpoints: dict in, dict out, named as in CRUDs' interface.

`planhat.company.get_by_id(...)` and its fellows are thin: guards, then a flow of `wire`. An operation that
a resource does not have raises and says what to use instead.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import BulkError, FieldError, ValidationError
from ..http.effects import Emit, Flow, Request, Response
from ..http.flows import mapped
from ..query.split import MAX_VALUE_LENGTH
from ..wire import bulk, listing, paths, records
from ..wire.resources import BULK_MAX_ROWS, Resource, resource
from ..writes.writer import instead

if TYPE_CHECKING:
    from .planhat import Planhat

Record = dict[str, Any]
Page = list[dict[str, Any]]


class BulkResponse(dict[str, Any]):
    """The server's answers of a bulk upsert summed up: numbers added, lists joined.

    `outcomes` has what became of each row, in the order of the rows: `.index`, `.status`, `.id`, `.error`.
    """

    def __init__(self, answer: bulk.BulkAnswer) -> None:
        super().__init__(answer.summed)
        self.outcomes = answer.outcomes


class Endpoint:
    """What every resource offers, as far as Planhat has it."""

    def __init__(self, client: Planhat, name: str) -> None:
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
        """Change the given keys of a record, found by `_id`, `extid-...` or `srcid-...`. One PUT."""
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
        **filters: Any,
    ) -> Iterator[Page]:
        """Yield the pages of a list, each record once, until the last.

        Without `sort` the list is complete even while others write. `select` names wire fields (default:
        all); `limit` is the size of a page, `max_requests` stops early. Filters are those of API.md
        section 6; unknown ones raise `FieldError`.
        """
        flow = self._list(sort, select, limit, max_requests, filters)
        return self._client.iterate(flow)

    def aget_list(
        self,
        sort: str | None = None,
        select: str | Iterable[str] | None = None,
        limit: int | None = None,
        max_requests: int = 0,
        **filters: Any,
    ) -> AsyncIterator[Page]:
        """Do what `get_list()` does, in a task: `async for page in ...`."""
        return self._client.aiterate(self._list(sort, select, limit, max_requests, filters))

    def bulk_upsert(
        self,
        data: Iterable[Mapping[str, Any]],
        chunk_size: int = BULK_MAX_ROWS,
        raise_on_error: bool = False,
    ) -> BulkResponse:
        """Upsert rows: ceil(n/chunk_size) PUTs one after another; returns the answers summed up.

        Rows that fail do not stop the others; `.outcomes` has one entry for every row. With
        `raise_on_error` a row that failed, was dropped or is unknown raises `BulkError`.
        """
        return self._client.run(self._bulk(data, chunk_size, raise_on_error))

    async def abulk_upsert(
        self,
        data: Iterable[Mapping[str, Any]],
        chunk_size: int = BULK_MAX_ROWS,
        raise_on_error: bool = False,
    ) -> BulkResponse:
        """Do what `bulk_upsert()` does, in a task."""
        return await self._client.arun(self._bulk(data, chunk_size, raise_on_error))

    # --- flows ------------------------------------------------------------------------------------------

    def _need(self, operation: str) -> None:
        if operation not in self._resource.operations:
            raise ValidationError(
                f"planhat.{self._resource.attribute}.{operation}() does not exist: {instead(self._resource, operation)}"
            )

    def _create(self, data: Mapping[str, Any]) -> Flow[Record]:
        self._need("create")
        self._client.writer.guard()
        _is_object(data)
        record = yield from records.create(self._resource, {**self._resource.implied, **data})
        yield from self._client.wrote(self._resource, [record])
        return record

    def _update(self, key: str, data: Mapping[str, Any]) -> Flow[Record]:
        self._need("update")
        self._client.writer.guard()
        _is_object(data)
        record = yield from records.update(self._resource, key, data)
        yield from self._client.wrote(self._resource, [record])
        return record

    def _get(self, key: str) -> Flow[Record]:
        self._need("get_by_id")
        return (yield from records.get(self._resource, key))

    def _delete(self, key: str) -> Flow[Record]:
        self._need("delete")
        self._client.writer.guard(delete=True)
        answer = yield from records.delete(self._resource, key)
        yield from self._client.removed(self._resource, [key])
        return answer

    def _bulk(self, data: Iterable[Mapping[str, Any]], chunk_size: int, raise_on_error: bool) -> Flow[BulkResponse]:
        self._need("bulk_upsert")
        self._client.writer.guard()
        rows = [data] if isinstance(data, Mapping) else data
        answer = yield from bulk.upsert(self._resource, rows, chunk_size=chunk_size)
        self._client.cache.drop(self._resource.name)
        response = BulkResponse(answer)
        bad = [one for one in answer.outcomes if one.status in ("failed", "dropped", "unknown")]
        if raise_on_error and bad:
            raise BulkError(
                f"{len(bad)} of {len(answer.outcomes)} rows were not stored for sure, the first is row {bad[0].index}: "
                f"see .result.outcomes, or the error lists in .result.",
                result=response,
            )
        return response

    def _list(
        self,
        sort: str | None,
        select: str | Iterable[str] | None,
        limit: int | None,
        max_requests: int,
        filters: Mapping[str, Any],
    ) -> Flow[None]:
        self._need("list")
        listing.check_params(self._resource, filters)
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
            raise ValidationError(f"limit must be a positive whole number, not {limit!r}.")
        chosen = _names(select)
        flows = [
            listing.pages(self._resource, select=chosen, params=params, limit=limit)
            if sort in (None, "_id")
            else listing.sorted_pages(self._resource, sort or "", select=chosen, params=params, limit=limit)
            for params in _split_companies(_texts(filters))
        ]
        asked = 0

        def count(rows: Page) -> Flow[None]:
            nonlocal asked
            asked += 1
            yield Emit(rows)
            if asked == max_requests:
                raise _Stop

        try:
            for flow in flows:
                yield from mapped(flow, count)
        except _Stop:
            return


class _Stop(Exception):
    """As many requests as allowed were made."""


class Companies(Endpoint):
    """`planhat.company`."""

    def get_lean_list(
        self,
        external_id: str | None = None,
        source_id: str | None = None,
        status: str | Iterable[str] | None = None,
    ) -> Page:
        """Return ids and names of all companies, or of those that match: one request (API.md section 5)."""
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
        params = []
        if external_id:
            params.append(("externalId", str(external_id)))
        if source_id:
            params.append(("sourceId", str(source_id)))
        if status:
            chosen = status.split(",") if isinstance(status, str) else list(status)
            params.append(("status", ",".join(one.strip() for one in chosen)))
        response: Response = yield Request("GET", "/leancompanies", params=tuple(params), shape=list)
        return listing.rows_of(response)


class TimeEntries(Endpoint):
    """`planhat.time_entry`."""

    def duplicate(self, data: Mapping[str, Any]) -> Record:
        """Duplicate time entries: `{"ids": [...]}`. One POST, never repeated."""
        return self._client.run(self._duplicate(data))

    async def aduplicate(self, data: Mapping[str, Any]) -> Record:
        """Do what `duplicate()` does, in a task."""
        return await self._client.arun(self._duplicate(data))

    def _duplicate(self, data: Mapping[str, Any]) -> Flow[Record]:
        self._client.writer.guard()
        _is_object(data)
        ids = data.get("ids")
        if not isinstance(ids, (list, tuple)) or not ids:
            raise ValidationError('duplicate() needs the ids of time entries: duplicate({"ids": [...]}).')
        path = f"{paths.collection(self._resource)}/duplicate"
        response: Response = yield Request("POST", path, body=records.encode(data), repeat=False, shape=(dict, list))
        return response.data if isinstance(response.data, dict) else {"records": response.data}


def _is_object(data: Any) -> None:
    if not isinstance(data, Mapping):
        raise ValidationError(f"A record is given as a dict, not as a {type(data).__name__}.")


def _names(select: str | Iterable[str] | None) -> list[str] | None:
    if select is None:
        return None
    names = select.split(",") if isinstance(select, str) else list(select)
    chosen = [name.strip() for name in names if name.strip()]
    if not chosen:
        raise FieldError("select names no field: leave it out to get all of them.")
    return ["_id", *chosen]


def _texts(filters: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for name, value in filters.items():
        if value is None:
            continue
        if isinstance(value, bool):
            found[name] = str(value).lower()
        elif isinstance(value, (list, tuple, set, frozenset)):
            found[name] = ",".join(map(str, value))
        else:
            found[name] = str(value)
        if found[name] == "":
            raise ValidationError(f"The filter {name} is empty: leave it out to list everything.")
    return found


def _split_companies(params: dict[str, str]) -> list[dict[str, str]]:
    """Cut a long `companyId` list so that each URL stays short (API.md section 3)."""
    value = params.get("companyId", "")
    if len(value) <= MAX_VALUE_LENGTH:
        return [params]
    parts: list[list[str]] = [[]]
    for one in dict.fromkeys(value.split(",")):
        if parts[-1] and sum(map(len, parts[-1])) + len(parts[-1]) + len(one) > MAX_VALUE_LENGTH:
            parts.append([])
        parts[-1].append(one)
    return [{**params, "companyId": ",".join(part)} for part in parts]
