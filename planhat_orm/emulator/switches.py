"""What is in doubt about the API, as settings; the default is the likeliest reading.

A client that is right under every combination does not care what Planhat really does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

from ..errors import ConfigurationError
from ..names import did_you_mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """How the emulator settles what the documentation leaves open.

    Each field names its section of docs/reference/planhat-api.md.
    """

    # Lists, sections 3 and 6
    over_max_limit: Literal["cap", "reject"] = "cap"
    """Section 3: a `limit` above the maximum is cut down without a word, or answered 400."""
    sort: Literal["honoured", "ignored", "lies"] = "honoured"
    """Section 6: `sort` works, does nothing, or returns a wrong order (the second half first)."""
    honours_offset: bool = True
    """Section 6: off, every page is the first one."""
    honours_select: bool = True
    """Section 6: off, `select` does nothing, so lists stay thin."""
    page_bytes: int = 0
    """Section 6: a page ends before the record that would pass so many bytes, one record at least; 0: no such limit."""
    filters: Literal["before", "after"] = "before"
    """Section 6: what a list hides is left out before `limit` and `offset` cut the page, or after, which is uneven."""
    lag: float = 0.0
    """Section 6: lists show what was stored so many seconds ago; reading by id or key shows what is stored now."""
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
    """Section 6: company lists hold `owner` and `coOwner` as objects with id and nickName (go client)."""
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
    put_answer: Literal["record", "sent", "id", "nothing"] = "record"
    """Section 5: a PUT answers the record, the keys that were sent and `_id`, `_id` alone, or nothing."""
    body_id: Literal["equal", "any", "none"] = "equal"
    """Section 16: an `_id` in the body of a PUT must be the record's own, is ignored, or is refused."""
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
    unknown_id: Literal["insert", "new_id", "error"] = "insert"
    """Section 7: a bulk item whose `_id` is nobody's inserts a record with that `_id`, or with a new one, or fails."""
    bulk_errors: Literal["partial", "whole"] = "partial"
    """Section 7: a bad item fails alone (206), or takes the whole request with it (400, nothing stored)."""
    duplicate_keys: Literal["refuse", "item"] = "refuse"
    """Section 7: a key twice in one request fails the request (400), or only the repetition."""
    error_item: Literal["object", "string", "indexed", "mongoose", "mixed"] = "object"
    """Section 7: items of `createdErrors`: object with message and keys, plain text, object with index, a message that
    quotes a value of the item, or all of these in turn."""
    metric_error: Literal["indexed", "object", "string"] = "indexed"
    """Section 11: items of the `errors` that metrics are answered, in the same three shapes."""
    patch: Literal["update", "refuse"] = "update"
    """Section 5 knows no PATCH, yet CRUDs updates single records with it: taken like PUT, or 404."""
    delete_answer: Literal["documented", "counts", "document", "nothing"] = "documented"
    """Section 5: what DELETE returns; "documented" differs by resource."""

    url_keys: Literal["alike", "documented"] = "alike"
    """Sections 4 and 14: keys in a URL read and write alike, or `srcid-` only writes a churn and only reads an
    opportunity."""
    autogenerated: Literal["written", "ignored"] = "written"
    """Section 14: fields that tables call autogenerated and clients write all the same (`phase`, `autoRenews`)."""
    error_body: Literal["text", "json"] = "text"
    """Section 5: a refusal is a plain string, or `{"message": ...}`."""
    bulk_answer: Literal["full", "old"] = "full"
    """Section 7: with all lists, or without `permissionErrors` and `validationErrors` while those are empty."""

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
    """Section 17: a conversation type that the tenant lacks becomes "note", or stays."""
    touch_types: tuple[str, ...] = ("Training", "QBR", "Kickoff", "Check-in", "Demo")
    """The tenant's own conversation types, besides note, email, chat, call and ticket."""
    reserved_types: Literal["store", "refuse"] = "store"
    """Section 5: email, chat, call and ticket sent to /conversations."""
    analytics_answer: Literal["object", "empty", "text"] = "object"
    """Section 11: what activities are answered: `{}`, nothing, or `OK`."""
    activity_short_names: bool = True
    """Section 11: activities may say `id` and `cId` for externalId and companyExternalId (2017)."""

    # Clocks, section 9
    date_offset: float = 0.0
    """Section 9: seconds by which the header `Date` is ahead of the server."""
    id_offset: float = 0.0
    """Section 9: seconds by which the clock in new ids is ahead."""
    stamp_offset: float = 0.0
    """Section 9: seconds by which `createdAt`, `updatedAt` and their like are ahead."""

    # Quota, section 3
    header_style: Literal["x-rate-limit", "x-ratelimit", "none"] = "x-rate-limit"
    """Section 3: X-Rate-Limit-Limit/-Remaining, or x-ratelimit-limit/-remaining/-reset, or neither."""
    retry_after: bool = False
    """Section 3: a 429 says in `Retry-After` when to come back."""
    over_quota: Literal["refuse", "sustained", "tolerate"] = "refuse"
    """Section 3: calls above the soft quota get 429, get it when three minutes are above it in all, or are served."""
    quota_reset: int = 0
    """Section 3: the counter starts anew every so many seconds (60 to 120); 0: it counts the last 60."""


_WORDS = {"true": True, "on": True, "yes": True, "false": False, "off": False, "no": False}


def read_switches(pairs: Iterable[str]) -> Switches:
    """Set switches by texts such as `nps_keys=nps`, as a command line has them; `ConfigurationError` for a wrong one.

    >>> read_switches(["over_max_limit=reject", "thin_lists=off"]).over_max_limit
    'reject'
    """
    kinds = get_type_hints(Switches)
    chosen: dict[str, Any] = {}
    for pair in pairs:
        name, _, text = pair.partition("=")
        if name not in kinds:
            raise ConfigurationError(f"The emulator has no switch {name!r}.{did_you_mean(name, kinds)}")
        chosen[name] = _value(name, kinds[name], text)
    return Switches(**chosen)


def _value(name: str, kind: Any, text: str) -> Any:
    if kind is bool and text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if kind is int and text.isdecimal():
        return int(text)
    if kind is float:
        with suppress(ValueError):
            if math.isfinite(number := float(text)):
                return number
    if get_origin(kind) is tuple:
        return tuple(filter(None, text.split(",")))
    if text in get_args(kind):
        return text
    described = "a number of seconds" if kind is float else "a whole number"
    choices = ("on", "off") if kind is bool else get_args(kind) or (described,)
    raise ConfigurationError(f"{name}={text} is not one of its values: {', '.join(map(str, choices))}.")
