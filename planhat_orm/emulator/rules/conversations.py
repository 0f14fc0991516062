"""Conversations, notes, tickets and tasks: one table of touches, and a task that turns into one when done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..incoming import plain
from ..refusal import Refusal
from ..tables import Record
from ..times import day_number, time_bucket

if TYPE_CHECKING:
    from ..store import Store

RESERVED = ("email", "chat", "call", "ticket")


def complete_conversation(store: Store, record: Record, old: Record | None, sent: Record) -> None:
    """Name the participants, fall back to a known type, and derive text and date buckets."""
    if old is None or "type" in sent:
        kind = record.get("type")
        known = ("note", *RESERVED, *store.switches.touch_types)
        if kind not in known and store.switches.unknown_touch_type == "note":
            record["type"] = "note"
        record["isCustomType"] = record["type"] in store.switches.touch_types
    if "users" in sent:
        record["users"] = _named(store, "user", sent["users"], "nickName")
        record["userIds"] = [user["id"] for user in record["users"] if isinstance(user, dict) and "id" in user]
    if "endusers" in sent:
        record["endusers"] = _named(store, "enduser", sent["endusers"], "name")
    _text_and_date(store, record, old, sent)


def complete_ticket(store: Store, record: Record, old: Record | None, sent: Record) -> None:
    """Derive a ticket's text, dates and log of statuses."""
    now = store.moments.iso()
    record.setdefault("createDate", now)
    record.setdefault("inDate", record["createDate"])
    record.setdefault("date", record["createDate"])
    if old is None:
        record.setdefault("updateDate", record["createDate"])
    if "status" in sent and "history" not in sent and (old is None or old.get("status") != sent["status"]):
        entry = {"status": sent["status"], "time": now}
        record["history"] = [*((old or {}).get("history") or []), entry]
    _text_and_date(store, record, old, sent)


def complete_task(store: Store, record: Record, old: Record | None, sent: Record) -> None:
    """Derive a task's text; complete it when its status turns to done, as a creation as done does not."""
    if record.get("description") is not None and (old is None or "description" in sent):
        record["snippet"] = plain(record["description"])
    if old is None and record.get("ownerId"):
        owner = store.table("user").get(record["ownerId"])
        if owner is not None:
            record["ownerName"] = owner.get("nickName")
    if old is None or "status" not in sent or old.get("status") == sent["status"]:
        return
    status = str(sent["status"])
    if status.lower() != "done":
        return
    if status != "Done" and store.switches.task_status_case == "rest":
        raise Refusal("Failed to execute task status update")
    record["isArchived"] = True
    record["dateDone"] = sent.get("dateDone") or store.moments.iso()
    record["noteId"] = record["_id"]


def after_task(store: Store, record: Record | None, old: Record | None) -> None:
    """Log a completed task as a conversation with the same `_id`."""
    if record is None or old is None or not record.get("noteId") or old.get("noteId"):
        return
    if record["_id"] in store.table("conversation"):
        return
    store.create(
        "conversation",
        {
            "_id": record["_id"],
            "type": record.get("type") or "note",
            "subject": record.get("action"),
            "description": record.get("description") or "",
            "companyId": record.get("companyId"),
            "date": record["dateDone"],
            "taskId": record["_id"],
            "users": [{"id": record["ownerId"], "isOwner": True}] if record.get("ownerId") else [],
            "endusers": record.get("endusers") or [],
        },
    )


def _text_and_date(store: Store, record: Record, old: Record | None, sent: Record) -> None:
    if "snippet" not in sent and record.get("description") is not None and (old is None or "description" in sent):
        record["snippet"] = plain(record["description"])
    if not record.get("date"):
        record["date"] = store.moments.iso()
    if old is None or old.get("date") != record["date"]:
        record["timeBucket"] = time_bucket(record["date"])
        record["days"] = day_number(record["date"])


def _named(store: Store, name: str, people: Any, label: str) -> list[Any]:
    named = []
    for person in people or []:
        held = store.table(name).get(person.get("id", "")) if isinstance(person, dict) else None
        named.append({**person, "name": held.get(label)} if held and not person.get("name") else person)
    return named
