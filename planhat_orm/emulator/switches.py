"""What API.md calls open or in conflict, as settings; the default is the likeliest reading.

A client that is right under every combination does not care what Planhat really does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """How the emulator settles what the documentation leaves open. Each field names its section of API.md."""

    # Lists, sections 3 and 6
    over_max_limit: Literal["cap", "reject"] = "cap"
    """Section 3: a `limit` above the maximum is cut down without a word, or answered 400."""
    sort: Literal["honoured", "ignored", "lies"] = "honoured"
    """Section 6: `sort` works, does nothing, or returns a wrong order (the second half first)."""
    honours_offset: bool = True
    """Section 6: off, every page is the first one."""
    honours_select: bool = True
    """Section 6: off, `select` does nothing, so lists stay thin."""
    default_order: Literal["insertion", "newest", "random"] = "insertion"
    """Section 6: the order without `sort`; "random" is stable from page to page."""
    thin_lists: bool = True
    """Section 6: companies, users and conversations are cut down in lists without `select`."""
    company_list_many: Literal["documented", "everywhere"] = "documented"
    """Section 6: where `companyId` takes a comma list; elsewhere such a list matches nothing."""
    unconfirmed_params: bool = False
    """Section 6: filters that only third parties use (`type` on conversations, `status` on companies) work."""
    task_archived: Literal["include", "only"] = "include"
    """Section 6: `isArchived=true` on tasks adds the archived ones, or returns only those."""
    expand_owner: bool = False
    """Section 4, resources.yaml: company lists hold `owner` as an object with id and nickName (go client)."""
    metric_limit: int = 10_000
    """Section 3: page size of `GET /dimensiondata` without `limit`."""
    metric_company_param: Literal["both", "cId", "cid"] = "both"
    """Section 11: how the company filter of `GET /dimensiondata` is spelt."""

    # Writes, sections 5, 7, 9 and 14
    enforce_required: Literal["little", "documented", "none"] = "little"
    """Section 14: "little" asks for what every source asks for, "documented" for all that the tables mark."""
    unknown_keys: Literal["drop", "store"] = "drop"
    """Section 5: top-level keys that the resource does not have."""
    cleared_custom: Literal["null", "absent"] = "null"
    """Section 9: a custom field set to null stays as null, or its key goes."""
    array_operation: Literal["any", "dollar", "word"] = "any"
    """Section 7: array operations spelt `{"$add": [..]}`, `{"Add": [..]}`, or either."""
    array_add: Literal["once", "append"] = "once"
    """Section 7: Add leaves out what the array has already, or appends it once more."""
    noop_bumps_stamp: bool = False
    """Section 7: an upsert that changes nothing sets the time of change all the same (hull)."""
    computed_bumps_stamp: bool = True
    """Section 10: a company whose figures follow its licences gets a new time of change; off, it changes silently."""
    key_priority: Literal["first", "any"] = "first"
    """Section 7: the first key of an item decides, or the first that matches a record."""
    unknown_id: Literal["insert", "error"] = "insert"
    """Section 7: a bulk item whose `_id` is nobody's inserts a record (with that `_id`), or fails."""
    bulk_errors: Literal["partial", "whole"] = "partial"
    """Section 7: a bad item fails alone (206), or takes the whole request with it (400, nothing stored)."""
    duplicate_keys: Literal["refuse", "item"] = "refuse"
    """Section 7: a key twice in one request fails the request (400), or only the repetition."""
    error_item: Literal["object", "string", "indexed"] = "object"
    """Section 7: items of `createdErrors`: object with message and keys, plain text, or object with index."""
    patch: Literal["update", "refuse"] = "update"
    """Section 5 knows no PATCH, yet CRUDs updates single records with it: taken like PUT, or 404."""
    delete_answer: Literal["documented", "counts", "document", "nothing"] = "documented"
    """Section 5: what DELETE returns; "documented" differs by resource."""

    # Single resources, sections 10, 11 and 14
    nps_keys: Literal["score", "nps"] = "score"
    """Section 14: NPS records read as score/comment/dateAnswered/euId, or as nps/npsComment/npsDate."""
    deal_period: Literal["startDate", "fromDate"] = "startDate"
    """Section 14: deals carry startDate/endDate, or fromDate/toDate."""
    task_status_case: Literal["rest", "any"] = "rest"
    """Section 14: only `Done` completes a task and `done` is refused, or any case completes it."""
    enduser_no_domain_match: Literal["error", "drop", "store"] = "error"
    """Section 10: an enduser without company whose email domain is nobody's."""
    ticket_creates_enduser: bool = True
    """Section 10: a ticket with an unknown email makes an enduser of it."""
    unknown_touch_type: Literal["note", "store"] = "note"
    """resources.yaml: a conversation type that the tenant lacks becomes "note", or stays."""
    touch_types: tuple[str, ...] = ("Training", "QBR", "Kickoff", "Check-in", "Demo")
    """The tenant's own conversation types, besides note, email, chat, call and ticket."""
    reserved_types: Literal["store", "refuse"] = "store"
    """Section 5: email, chat, call and ticket sent to /conversations."""
    activity_short_names: bool = True
    """Section 11: activities may say `id` and `cId` for externalId and companyExternalId (2017)."""

    # Quota, section 3
    header_style: Literal["x-rate-limit", "x-ratelimit", "none"] = "x-rate-limit"
    """Section 3: X-Rate-Limit-Limit/-Remaining, or x-ratelimit-limit/-remaining/-reset, or neither."""
    retry_after: bool = False
    """Section 3: a 429 says in `Retry-After` when to come back."""
    over_quota: Literal["refuse", "tolerate"] = "refuse"
    """Section 3: calls above the soft quota get 429, or are served."""
