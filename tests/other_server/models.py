"""The resources: paths, operations, keys, limits, required fields, defaults and what their lists show."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.other_server.fields import FIELDS

ALL = frozenset({"create", "update", "get", "list", "delete", "bulk"})


@dataclass(frozen=True)
class Resource:
    """One model of the API. `forms` are the prefixes of ids in URLs, with the field that each one means."""

    name: str
    path: str
    keyables: tuple[str, ...]
    forms: dict[str, str]
    limits: tuple[int, int]
    required: tuple[str, ...] = ()
    required_in_bulk: tuple[str, ...] = ()
    operations: frozenset[str] = ALL
    company: str = "companyId"
    shown: frozenset[str] = frozenset()
    defaults: dict[str, Any] = field(default_factory=dict)

    @property
    def fields(self) -> dict[str, tuple[str, bool]]:
        return FIELDS[self.name]

    def fresh(self) -> dict[str, Any]:
        """The values of a new record before anything of it was sent."""
        return {**({"custom": {}} if "custom" in self.fields else {}), **self.defaults}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_EXT, _SRC = {"extid-": "externalId"}, {"srcid-": "sourceId"}
_BOTH = {**_EXT, **_SRC}
_THREE = ("_id", "sourceId", "externalId")
_USUAL = (100, 2_000)

_COMPANY_LIST = _words(
    "_id shareable domains tags owner coOwner externalId sourceId phase status h csmScore mr nrr30 mrrTotal mrTotal name "
    "phaseSince features usage alerts custom arr renewalDate renewalArr hDiff hDiffDate sentimentScore lastTouch"
)
_USER_LIST = _words(
    "_id firstName lastName nickName email externalId image isHidden removed inactive managers teams "
    "isExposedAsSenderOption createdAt updatedAt tzOffset"
)
_CONVERSATION_LIST = _words(
    "date userIds hasMore isCustomType subject snippet _id type tags createDate companyId companyName users endusers "
    "assigneeName activityTags hasAttachments isSeen starred pinned archived"
)
_COMPANY_NEW = {
    "status": "prospect", "domains": [], "tags": [], "followers": [], "collaborators": [], "alerts": [], "products": [],
    "licenses": [], "sales": [], "csmScoreLog": [], "documents": [], "links": [], "lastActivities": [], "features": {},
    "sunits": {}, "usage": {}, "mr": 0, "mrr": 0, "arr": 0, "nrr30": 0, "mrrTotal": 0, "nrrTotal": 0, "mrTotal": 0,
    "renewalDate": None, "customerFrom": None, "customerTo": None, "__v": 0,
    "shareable": {"enabled": False, "euIds": [], "sunits": False, "team": {"fields": []}},
}  # fmt: skip
_CONVERSATION_NEW = {
    "type": "note", "users": [], "endusers": [], "userIds": [], "activityTags": [], "tags": [], "emailTemplateIds": [],
    "sender": [], "history": [], "isCustomType": False, "isOpen": False, "isSeen": False, "hasMore": False,
    "hasAttachments": False, "starred": False, "pinned": False, "archived": False, "assigneeName": "", "__v": 0,
}  # fmt: skip
_ENDUSER_NEW = {
    "featured": False, "archived": False, "npsUnsubscribed": False, "tags": [], "otherEmails": [], "personas": [],
    "relatedEndusers": [], "lastActivities": [], "beats": 0, "beatsTotal": 0, "convs14": 0, "convsTotal": 0, "__v": 0,
}  # fmt: skip
_LICENSE_NEW = {"renewalStatus": "ongoing", "autoRenews": False, "noticePeriod": 0, "toDateIncluded": False, "__v": 0}
_TASK_NEW = {
    "mainType": "task", "isArchived": False, "shared": False, "overdueNotified": False, "users": [], "endusers": [],
    "activityTags": [], "__v": 0,
}  # fmt: skip
_USER_NEW = {
    "inactive": True, "isHidden": False, "removed": False, "notificationsEnabled": True, "roles": [], "teams": [],
    "managers": [], "permissions": [], "image": {"path": ""}, "__v": 0,
}  # fmt: skip
_FIELD_NEW = {
    "isFeatured": False, "isHidden": False, "isShared": False, "isLocked": False, "isMandatory": False,
    "isFormula": False, "listValues": [], "filter": [], "formulaRefs": [], "__v": 0,
}  # fmt: skip
_ISSUE_NEW = {"companyIds": [], "enduserIds": [], "conversationIds": [], "followers": [], "archived": False, "__v": 0}


def _plain(name: str, path: str, required: str, **more: Any) -> Resource:
    more = {"keyables": _THREE, "forms": _BOTH, "limits": _USUAL, **more}
    return Resource(name, path, required=tuple(required.split()), **more)


_LIST = [
    _plain("asset", "assets", "name companyId"),
    _plain("campaign", "campaigns", "name companyId"),
    _plain("churn", "churn", "companyId", keyables=("_id", "sourceId"), forms=_SRC),
    _plain("company", "companies", "name", limits=(100, 5_000), company="_id", shown=_COMPANY_LIST, defaults=_COMPANY_NEW),
    _plain(
        "conversation", "conversations", "companyId", keyables=("_id", "externalId"), forms=_EXT, limits=(30, 2_000),
        shown=_CONVERSATION_LIST, defaults=_CONVERSATION_NEW,
    ),
    _plain(
        "custom_field", "customfields", "name type parent", keyables=("_id",), forms={}, operations=ALL - {"bulk"},
        company="", defaults=_FIELD_NEW,
    ),
    _plain("deal", "deals", "companyId"),
    _plain("enduser", "endusers", "", keyables=(*_THREE, "email"), defaults=_ENDUSER_NEW),
    _plain(
        "invoice", "invoices", "cId", keyables=("_id", "sourceId", "extId"), forms={"extid-": "extId", **_SRC},
        required_in_bulk=("cId", "currency", "invoiceDate"), company="cId",
    ),
    _plain(
        "issue", "issues", "title", keyables=("_id", "sourceId"), forms=_SRC, required_in_bulk=("title", "companyIds"),
        company="companyIds", defaults=_ISSUE_NEW,
    ),
    _plain(
        "license", "licenses", "companyId _currency fromDate", required_in_bulk=("companyId", "_currency", "value"),
        defaults=_LICENSE_NEW,
    ),
    _plain("line_item", "lineitems", "dealId fromDate"),
    _plain("nps", "nps", "email score", keyables=("_id", "sourceId"), forms=_SRC, limits=(100, 10_000), company="cId"),
    _plain("objective", "objectives", "name companyId"),
    _plain("opportunity", "opportunities", "companyId", keyables=("_id", "externalId"), defaults={"contractLength": 12}),
    _plain("product", "products", "name", company="", defaults={"type": "subscription"}),
    _plain("project", "projects", "name companyId"),
    _plain("sale", "sales", "companyId _currency value"),
    _plain(
        "task", "tasks", "companyId", keyables=("_id", "sourceId"), forms=_SRC, limits=(500, 10_000),
        required_in_bulk=("mainType", "companyId"), defaults=_TASK_NEW,
    ),
    _plain(
        "ticket", "tickets", "sourceId email", keyables=("_id", "sourceId"), forms={}, limits=(500, 10_000),
        operations=frozenset({"list", "bulk", "delete"}),
    ),
    _plain("time_entry", "timeentries", "date hours", keyables=("_id",), forms={}, defaults={"timesheetStatus": "draft"}),
    _plain(
        "timesheet", "timesheets", "", keyables=("_id",), forms={}, company="",
        defaults={"status": "submitted", "timeEntries": [], "assignedModel": "User"},
    ),
    _plain(
        "user", "users", "email nickName firstName lastName", keyables=("_id", "externalId", "email"), forms=_EXT,
        limits=(10_000, 10_000), company="", shown=_USER_LIST, defaults=_USER_NEW,
    ),
    _plain("workflow", "workflows", "", keyables=("_id",), forms={}, operations=frozenset({"list"})),
    _plain("workspace", "workspaces", "name companyId"),
    _plain(
        "metric", "dimensiondata", "dimensionId value externalId", keyables=(), forms={}, limits=(10_000, 10_000),
        operations=frozenset({"list"}),
    ),
]  # fmt: skip

RESOURCES = {resource.name: resource for resource in _LIST}
BY_PATH = {resource.path: resource for resource in _LIST}


def collection(name: str) -> str:
    """Where a resource's records are kept: notes and tickets are conversations."""
    return "conversation" if name in ("note", "ticket") else name
