"""What a new record holds besides what was sent: docs/reference/planhat-api.md section 10 and the examples.

The lists and dicts here are shared by all records, which is safe as stored records are never changed in place.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from ..wire.resources import resource
from .tables import Record

_NOTHING: list[Any] = []
_EMPTY: Record = {}

_COMPANY: Record = {
    "status": "prospect", "domains": _NOTHING, "tags": _NOTHING, "mr": 0, "nrr30": 0, "mrr": 0, "arr": 0, "mrrTotal": 0,
    "nrrTotal": 0, "mrTotal": 0, "arrTotal": 0, "renewalMrr": 0, "renewalArr": 0, "renewalDate": None,
    "renewalDaysFromNow": None, "autoRenews": None, "customerFrom": None, "customerTo": None, "lastRenewal": None,
    "orgMrr": 0, "orgArr": 0, "orgMrrTotal": 0, "orgArrTotal": 0, "orgHealthTotal": 0, "orgLevel": 1, "orgUnits": 0,
    "orgCount": 0, "orgPathCount": 0, "headId": None, "products": _NOTHING, "followers": _NOTHING,
    "collaborators": _NOTHING, "alerts": _NOTHING, "features": _EMPTY, "sunits": _EMPTY, "usage": _EMPTY,
    "csmScoreLog": _NOTHING, "documents": _NOTHING, "links": _NOTHING, "lastActivities": _NOTHING,
    "lastPerformedTriggers": _NOTHING, "lastTouchByType": _EMPTY,
    "shareable": {"enabled": False, "euIds": _NOTHING, "sunits": False, "team": {"fields": _NOTHING}},
    "custom": _EMPTY,
}  # fmt: skip

_ENDUSER: Record = {
    "featured": False, "archived": False, "npsUnsubscribed": False, "tags": _NOTHING, "otherEmails": _NOTHING,
    "personas": _NOTHING, "relatedEndusers": _NOTHING, "lastActivities": _NOTHING, "lastTouchByType": _EMPTY,
    "sharedNotificationsPrefs": {"enabled": _NOTHING, "disabled": _NOTHING, "disabledEvents": _NOTHING},
    "beats": 0, "beatsTotal": 0, "beatTrend": 0, "convs14": 0, "convsTotal": 0, "experience": 0, "custom": _EMPTY,
}  # fmt: skip

_CONVERSATION: Record = {
    "type": "note", "users": _NOTHING, "endusers": _NOTHING, "userIds": _NOTHING, "activityTags": _NOTHING,
    "tags": _NOTHING, "emailTemplateIds": _NOTHING, "sender": _NOTHING, "history": _NOTHING, "isOpen": False,
    "isSeen": False, "hasMore": False, "hasAttachments": False, "starred": False, "pinned": False, "archived": False,
    "waitsToBeFiltered": True, "assigneeName": "", "numberOfParts": 1, "numberOfRelevantParts": 1, "custom": _EMPTY,
}  # fmt: skip

_MORE: dict[str, Record] = {
    "company": _COMPANY,
    "enduser": _ENDUSER,
    "conversation": _CONVERSATION,
    "note": _CONVERSATION,
    "ticket": {**_CONVERSATION, "type": "ticket", "subType": "ticket", "isCustomType": False},
    "asset": {"followers": _NOTHING},
    "churn": {"reasons": _NOTHING, "products": _NOTHING, "onlyDowngrade": False, "snoozed": False},
    "custom_field": {"listValues": _NOTHING, "filter": _NOTHING, "formulaRefs": _NOTHING},
    "deal": {"followers": _NOTHING, "subscriptionCount": 0},
    "invoice": {"lineItems": _NOTHING, "comments": _NOTHING, "emails": _NOTHING},
    "issue": {
        "companyIds": _NOTHING, "companies": _NOTHING, "enduserIds": _NOTHING, "endusers": _NOTHING,
        "conversationIds": _NOTHING, "followers": _NOTHING, "archived": False,
    },
    "license": {
        "noticePeriod": 30, "noticeUnit": "day", "invoiceCycleInterval": 0, "invoicesGenerated": False,
        "invoiceMuted": False, "isOverdue": False, "fcNewStartDate": None, "issues": _NOTHING,
    },
    "opportunity": {"stageHistory": _NOTHING, "closeDate": None, "dealDate": None},
    "product": {"packages": _NOTHING},
    "task": {
        "users": _NOTHING, "endusers": _NOTHING, "checklist": _NOTHING, "activityTags": _NOTHING,
        "noSpecificTime": True, "overdueNotified": False,
    },
    "timesheet": {"timeEntries": _NOTHING, "approvedBy": None, "dateOfApproval": None},
    "user": {
        "inactive": True, "notificationsEnabled": True, "roles": _NOTHING, "isHidden": False, "removed": False,
        "image": {"path": ""}, "permissions": _NOTHING,
        "teams": _NOTHING, "managers": _NOTHING, "isExposedAsSenderOption": False, "tzOffset": 0,
        "defaultMeetingLength": 60,
    },
}  # fmt: skip

_STAMPS_OF_CREATION = ("createDate", "createdAt")
_STAMPS_OF_CHANGE = ("updatedAt", "lastUpdated", "updateDate")


@cache
def template(name: str) -> Record:
    """Return the default values of a resource's records. Copy it; it is the same dict every time."""
    fields = resource(name).fields
    declared = {info.name: info.default for info in fields.values() if info.default is not None}
    held = {**declared, **_MORE.get(name, {})}
    if "custom" in fields:
        held.setdefault("custom", _EMPTY)
    if "__v" in fields:
        held["__v"] = 0
    return held


@cache
def creation_stamps(name: str) -> tuple[str, ...]:
    """Return the fields of a resource that hold when a record was made."""
    return tuple(stamp for stamp in _STAMPS_OF_CREATION if stamp in resource(name).fields)


@cache
def change_stamps(name: str) -> tuple[str, ...]:
    """Return the fields of a resource that hold when a record last changed."""
    return tuple(stamp for stamp in _STAMPS_OF_CHANGE if stamp in resource(name).fields)
