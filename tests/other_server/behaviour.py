"""What a server may do that the API's description leaves open: one frozen set of options per server."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Record = dict[str, Any]
Test = Callable[[Record], bool]


@dataclass(frozen=True)
class Behaviour:
    """One line an option. The defaults are the plain reading of the description."""

    # Lists
    page_rows: int | None = None  # a page has at most so many rows, whatever `limit` and the documented maximum say
    page_rows_vary: bool = False  # the most rows of a page are drawn anew for each page, from a third to all
    page_bytes: int | None = None  # a page ends before the row that would pass so many bytes of JSON; one row at least
    hidden: Test | None = None  # rows taken out of a page after `offset` and `limit` were applied
    order: Literal["sorted", "stored", "stable", "random"] = "sorted"  # `sort` honoured; by insertion; own fixed; none
    descending: bool = True  # `sort=-x` is honoured; otherwise it sorts upwards
    offset: bool = True  # `offset` is honoured; otherwise every page is the first
    list_end: int | None = None  # the list answers nothing new from this offset on, though it has more
    past_end: Literal["empty", "repeat"] = "empty"  # what it answers there: `[]`, or the last page again
    over_maximum: Literal["cap", "refuse"] = "cap"  # a `limit` above the maximum: the maximum, or 400
    lag: float = 0.0  # lists show what was stored so many seconds ago (reads by id or key show now)
    lag_varies: bool = False  # each list lags by its own share of `lag`, so two pages differ
    select: bool = True  # `select` is honoured
    thin: Literal["documented", "none", "names"] = "documented"  # lists without `select`: cut as documented; whole; ids
    expand_owner: bool = False  # lists of companies show `owner` and `coOwner` as objects
    archived_tasks: Literal["only", "include"] = "only"  # `isArchived=true` lists archived tasks alone, or all
    cut_texts: int | None = None  # lists cut texts after so many UTF-16 units, which can leave half an emoji
    nps_names: Literal["score", "nps"] = "score"  # how NPS answers are spelt where they are read

    # Writes of one record
    put_answer: Literal["whole", "partial", "id", "empty"] = (
        "whole"  # whole record; keys sent and `_id`; `_id`; nothing
    )
    post_answer: Literal["whole", "partial", "id"] = "whole"  # the same for a create
    body_id: Literal["equal", "accept", "refuse"] = (
        "equal"  # `_id` in a PUT: equal is ignored, another refused; any; none
    )
    duplicates: Literal["refuse", "store", "update"] = (
        "refuse"  # a create with a key that exists: 400; a second; upsert
    )
    unknown_keys: Literal["drop", "store", "refuse"] = "drop"  # keys that the field table does not have
    cast: bool = True  # values are cast to the field's type, and refused as Mongoose refuses them
    required: Literal["documented", "little"] = "documented"  # what a create must have; "little": the company alone
    dangling: Literal["store", "refuse"] = "store"  # an ObjectId of no record as a reference
    custom_null: Literal["remove", "keep"] = "remove"  # null for a custom field takes the key out, or stays as null
    touch_unchanged: bool = False  # a write that changes nothing moves the stamps, too
    one_line_html: bool = True  # rich text loses its line breaks
    email_unique: Literal["company", "tenant"] = "company"  # where an enduser's email may stand once
    enduser_without_company: Literal["refuse", "store"] = "refuse"  # no company sent, and the domain matches none
    delete_answer: Literal["documented", "counts", "document", "empty", "text"] = "documented"
    delete_cascades: bool = False  # deleting a company deletes the records of it
    computed: bool = True  # figures of companies follow licences and sales; licences' follow one another
    ticket_needs_email: bool = True  # ticket rows without email are dropped, also those of known tickets
    tickets_by_conversations: bool = True  # POST /conversations makes a ticket; otherwise it falls back to a note
    conversation_srcid: bool = False  # /conversations/srcid-<key> finds a ticket by its sourceId
    error_body: Literal["json", "message", "text", "html"] = "json"  # the shape of an error's body

    # Bulk upserts
    error_shapes: tuple[str, ...] = ("message",)  # shapes of errors in a bulk answer, in turn (bulk.SHAPES lists them)
    error_lists: Literal["own", "validation", "created"] = (
        "own"  # createdErrors/updatedErrors; validationErrors; one list
    )
    unknown_id: Literal["error", "insert", "keep"] = "error"  # a row with an `_id` of no record: error; new id; that id
    bad_row: Literal["row", "all"] = "row"  # a bad row fails alone, or 400 and nothing is stored
    names: Literal["all", "ids", "inserts", "none"] = "all"  # what insertsKeys and updatesKeys say
    leave_out: frozenset[str] = frozenset({"validationErrors"})  # keys that the answer lacks
    shuffled: bool = False  # the answer's lists are in no order
    bulk_order: Literal["sent", "reversed", "updates", "random"] = "sent"  # the order in which rows are applied
    dropped: Test | None = None  # rows that vanish without an error or a count
    key_priority: Literal["first", "any"] = "first"  # the first key present decides, or the next one that matches
    twice: Literal["error", "merge"] = (
        "error"  # two rows of one call with one key: "... duplicated", or one after another
    )
    bulk_most: int = 5_000  # more rows than that are refused

    # Clocks, limits, transport
    date_offset: float = 0.0  # seconds by which the `Date` header is off
    id_offset: float = 0.0  # seconds by which the clock in new ObjectIds is off
    stamp_offset: float = 0.0  # seconds by which createdAt, updatedAt and the like are off
    date_header: bool = True  # answers have a `Date` header
    quota: int | None = None  # calls a minute of server time, each account; None: no limit and no headers
    quota_headers: Literal["X-Rate-Limit", "x-ratelimit", "none"] = "X-Rate-Limit"
    retry_after: str | None = None  # `Retry-After` of a 429
    headers: Mapping[str, str] = field(default_factory=dict)  # more headers for every answer
    keep_alive: bool = True  # connections stay open
    chunked: bool = False  # bodies are sent in chunks
    gzip: bool = False  # bodies are compressed for clients that accept it
    tick: float = 0.0  # seconds that each request moves the server's clock
    seed: int = 0  # of everything that is drawn


def share(part: float, salt: str = "") -> Test:
    """Choose `part` of all records by their id or key, always the same ones."""

    def chosen(record: Record) -> bool:
        name = str(record.get("_id") or record.get("externalId") or record.get("sourceId"))
        return zlib.crc32(f"{salt}{name}".encode()) / 2**32 < part

    return chosen
