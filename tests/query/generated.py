"""Generated tenants and queries, an oracle that says which records a query means, and the readings that must agree.

Everything follows from a seed, so a failure is repeated by its seed alone, and `mutants.py` can ask how soon a
broken lookup shows. Values are drawn from few letters and numbers, or half of the mistakes would never meet.
"""

from __future__ import annotations

import copy
import random
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any

from planhat_orm import Company, Custom, Enduser, F, Issue, License, Model, Note, Q, QuerySet, Task, User
from planhat_orm.client.cache import ListCache
from planhat_orm.client.relation_filters import without_hops
from planhat_orm.client.source import ApiSource
from planhat_orm.fields.relations import One, Relation
from planhat_orm.http.effects import Emit, Request, Response, RunBlocking, Start, Wait
from planhat_orm.query import kinds, predicate
from planhat_orm.query.lookups import LEGAL, LOOKUPS
from planhat_orm.query.query import Query
from planhat_orm.query.tree import All, Hop, Node, Not, Related, Target
from planhat_orm.query.tree import Any as Either
from planhat_orm.queryset.resolve import resolve, target
from planhat_orm.wire.resources import resource, resources

Row = dict[str, Any]
Tenant = dict[str, list[Row]]


class Account(Company):
    tier = Custom("Tier", str, index=True)
    seats = Custom("Seats", int)
    share = Custom("Share", float, index=True)
    renewed = Custom("Renewed at", datetime)
    golive = Custom("Go-live", date)
    pilot = Custom("Pilot", bool)
    goals = Custom("Goals", list)
    box = Custom("Box", dict)
    odd = Custom('an "odd" \\ label\'s', str)


FIELDS: dict[type[Model], str] = {
    Account: """id name external_id owner_id mrr h auto_renews org_independent renewal_date last_updated tags usage tier
    seats share renewed golive pilot goals box odd custom__Thing custom__Thing custom__Thing custom__Whatever custom__Tier custom
    owner__email owner__nick_name owner__is_hidden licenses__value licenses__product licenses__auto_renews
    licenses__renewal_date endusers__email endusers__archived tasks__action tasks__is_archived issues__title
    issues__company_ids notes__subject org_root__name org_root__custom__Tier org_root__owner__email
    licenses__parent__value owner licenses endusers issues org_root""",
    License: """id company_id product value auto_renews renewal_date custom__Tier company__name company__mrr company__tags
    company__custom__Tier company__owner__email company__licenses__value company parent parent__product""",
    Issue: """id title company_ids archived companies__name companies__owner__email companies__h companies""",
    Enduser: """id email email email company_id archived featured tags company__name company__owner__nick_name company
    company__issues__title""",
    Task: """id action company_id is_archived repeat_days start_time parent__action parent__is_archived subtasks__action
    company__name owner__email subtasks company""",
    Note: """id subject type company_id starred company__name company__endusers__archived""",
    User: "id email nick_name is_hidden external_id created_at",
}
"""What queries of a model look at."""

WIRES: dict[str, dict[str, kinds.Kind]] = {
    "company": {"name": kinds.TEXT, "externalId": kinds.TEXT, "owner": kinds.REF, "mrr": kinds.NUMBER,
                "h": kinds.INTEGER, "autoRenews": kinds.BOOLEAN, "orgIndependent": kinds.BOOLEAN,
                "renewalDate": kinds.DATETIME, "lastUpdated": kinds.DATETIME, "tags": kinds.LIST,
                "usage": kinds.OBJECT, "orgRootId": kinds.REF},
    "license": {"companyId": kinds.REF, "product": kinds.TEXT, "value": kinds.NUMBER, "autoRenews": kinds.BOOLEAN,
                "renewalDate": kinds.DATETIME, "parent": kinds.REF},
    "issue": {"title": kinds.TEXT, "companyIds": kinds.REFS, "archived": kinds.BOOLEAN},
    "enduser": {"email": kinds.TEXT, "companyId": kinds.REF, "archived": kinds.BOOLEAN, "featured": kinds.BOOLEAN,
                "tags": kinds.LIST},
    "task": {"action": kinds.TEXT, "companyId": kinds.REF, "isArchived": kinds.BOOLEAN, "ownerId": kinds.REF,
             "repeatDays": kinds.INTEGER, "startTime": kinds.DATETIME, "parent": kinds.REF},
    "conversation": {"subject": kinds.TEXT, "type": kinds.TEXT, "companyId": kinds.REF, "starred": kinds.BOOLEAN},
    "user": {"email": kinds.TEXT, "nickName": kinds.TEXT, "isHidden": kinds.BOOLEAN, "externalId": kinds.TEXT,
             "createdAt": kinds.DATETIME},
}  # fmt: skip
"""What records hold, by resource."""

CUSTOM = {
    "Tier": kinds.TEXT, "Seats": kinds.INTEGER, "Share": kinds.NUMBER, "Renewed at": kinds.DATETIME,
    "Go-live": kinds.DAY, "Pilot": kinds.BOOLEAN, "Goals": kinds.LIST, "Box": kinds.OBJECT,
    'an "odd" \\ label\'s': kinds.TEXT, "Thing": kinds.ANY,
}  # fmt: skip
SIZES = {"company": 10, "license": 5, "issue": 4, "enduser": 4, "task": 4, "conversation": 4, "user": 3}
MARKS = {"company": "c", "license": "d", "issue": "e", "enduser": "f", "task": "1", "conversation": "2", "user": "3"}
REFERRED = {"owner": "user", "ownerId": "user", "companyId": "company", "orgRootId": "company", "parent": None,
            "companyIds": "company"}  # fmt: skip


def new_id(name: str, number: int) -> str:
    return f"{MARKS[name]}{number:023x}"


# --- values ---------------------------------------------------------------------------------------------

WORDS = ("a", "A", "b", "ab", "aB", "AB", "ba", "a%", "%", "_", "a_b", "\\", "ß", "ss", "SS", "ẞ", "İ", "i̇", "ı", "I",
         "i", "ſ", "s", "S", "'", '"', "", " a", "é", "É", "\u0130b", "𝄞", "a\nb", "K", "K")  # fmt: skip
SPELT = ("5", "05", "-7", "1.5", "1e1", "2026-01-31", "2026-01-31T10:00:00.000Z", "31 Jan 2026 10:00", "true", "null")
ALIKE = (True, False, 1, 0, 1.0, "1", "true", "a", "A", "")
"""What two readings may take for the same, or not."""
NUMBERS = (0, 1, 2, 3, -1, 5, 7, 10, 0.5, 1.5, -2.5, 1e20, 2**53 + 1, 20500, 20484)
START = datetime(2025, 12, 30, tzinfo=UTC)


class Dice(random.Random):
    """Draws what records and queries are made of."""

    def moment(self) -> datetime:
        return START + timedelta(
            hours=self.choice((0, 5, 10, 23, 24, 30, 48, 720, 744, 768)), milliseconds=self.choice((0, 1))
        )

    def scalar(self) -> Any:
        return self.choice((self.choice(WORDS), self.choice(SPELT), self.choice(NUMBERS), self.random() < 0.5, None))

    def json(self, depth: int = 2) -> Any:
        roll = self.random()
        if depth == 0 or roll < 0.5:
            return self.scalar()
        if roll < 0.8:
            return [self.json(depth - 1) for _ in range(self.randrange(4))]
        return {self.choice(WORDS): self.json(depth - 1) for _ in range(self.randrange(3))}

    def raw(self, kind: kinds.Kind, wire: str = "", name: str = "") -> Any:
        """A wire value: mostly what the field holds, now and then null, and anything at all."""
        roll = self.random()
        if roll < 0.08:
            return None
        if roll < 0.16:
            return self.scalar()
        if roll < 0.19:
            return self.json()
        if kind is kinds.REF or wire == "companyIds":
            there = REFERRED[wire] or name
            ids = [new_id(there, self.randrange(SIZES[there] + 1)) for _ in range(3)]
            if wire == "companyIds":
                return [self.choice((id, id, id, {"_id": id}, None)) for id in ids[: self.randrange(4)]]
            return {"_id": ids[0], "nickName": "x"} if roll > 0.9 else ids[0]
        if kind is kinds.TEXT:
            return self.choice(WORDS) if wire != "type" else self.choice(("note", "note", "call"))
        if kind in (kinds.NUMBER, kinds.INTEGER):
            return self.choice(NUMBERS) if roll < 0.9 else self.choice(("5", "1.5", "-1"))
        if kind is kinds.DATETIME:
            moment = self.moment()
            return self.choice(
                (kinds.iso(moment), moment.isoformat(), int(moment.timestamp() * 1000), f"{moment:%d %b %Y %H:%M}")
            )
        if kind is kinds.DAY:
            return self.choice((20450, 20484, 20485, 20500, "2026-01-31", 20484.0))
        if kind is kinds.BOOLEAN:
            return roll < 0.6 if roll < 0.94 else self.choice((0, 1))
        if kind is kinds.LIST:
            return [self.choice((self.scalar(), self.choice(ALIKE))) for _ in range(self.randrange(4))]
        return self.choice(ALIKE) if kind is kinds.ANY and roll < 0.7 else self.json()

    def row(self, name: str, number: int) -> Row:
        found: Row = {"_id": new_id(name, number)}
        for wire, kind in WIRES[name].items():
            if self.random() < 0.8:
                found[wire] = self.raw(kind, wire, name)
        if self.random() < 0.9:
            labels = [label for label in CUSTOM if self.random() < 0.6]
            found["custom"] = {label: self.raw(CUSTOM[label]) for label in labels}
        if self.random() < 0.06:
            found["custom"] = self.json()
        if self.random() < 0.1:
            found[self.choice(("unheardOf", "thing"))] = self.json()
        return found

    def tenant(self) -> Tenant:
        return {name: [self.row(name, number) for number in range(size)] for name, size in SIZES.items()}


# --- queries --------------------------------------------------------------------------------------------


class Asker:
    """Makes querysets over a tenant, with operands that its records hold."""

    def __init__(self, dice: Dice, tenant: Tenant) -> None:
        self.dice = dice
        self.tenant = tenant
        self.home = ""
        self.calls: list[Call] = []
        """What the latest queryset was refined by."""

    def queryset(self) -> QuerySet[Any]:
        dice = self.dice
        model = dice.choice([*FIELDS, Account, Account, Account, Enduser])
        self.home = model._meta.resource.name  # type: ignore[attr-defined]
        found: QuerySet[Any] = model.objects  # type: ignore[attr-defined]
        self.calls = []
        for _ in range(dice.choice((0, 1, 1, 1, 1, 2))):
            verb = dice.choice(("filter", "filter", "exclude"))
            condition = self.condition(model)
            self.calls.append((model, verb, condition))
            if condition.connector == "and" and not condition.negated and dice.random() < 0.5:
                found = getattr(found, verb)(*by_position(condition), **by_name(condition))
            else:
                found = getattr(found, verb)(condition)
        if dice.random() < 0.2:
            found = found.include_hidden()
        if dice.random() < 0.85:
            # What is compared are ids; fields that conditions look at have to come all the same.
            found = found.only(*dice.choice(((), (), ("id",), (dice.choice(list(model._meta.by_wire.values())).name,))))  # type: ignore[attr-defined]
        if dice.random() < 0.4:
            found = found.order_by(*self.order(model))
            if dice.random() < 0.3:
                found = found.reverse()
        if dice.random() < 0.2:
            start = dice.randrange(4)
            found = found[start : dice.choice((None, start, start + 1, start + 3, 2))]
            if dice.random() < 0.5:
                found = found[dice.randrange(2) :]
        return found

    def condition(self, model: type[Model]) -> Q:
        if self.dice.random() < 0.25:
            return self.about_one(model)
        return self.tree(model, self.dice.choice((0, 0, 0, 1, 2)))

    def about_one(self, model: type[Model]) -> Q:
        """Conditions over one relation, which speak of one record."""
        dice = self.dice
        names = [name for name in FIELDS[model].split() if name.split("__")[0] in model._meta.relations]
        if not names:
            return self.tree(model, 1)
        head = dice.choice(names).split("__")[0]
        leaves = [Q(**self.leaf(model, head)) for _ in range(dice.choice((2, 2, 3)))]
        leaves = [~leaf if dice.random() < 0.1 else leaf for leaf in leaves]
        if dice.random() < 0.3:
            leaves[-1] |= self.tree(model, 0)
        return Q(*leaves) if dice.random() < 0.8 else Q(leaves[0] | leaves[1], *leaves[2:], self.tree(model, 0))

    def tree(self, model: type[Model], depth: int) -> Q:
        if depth == 0:
            return Q(**self.leaf(model))
        parts = [self.tree(model, depth - 1) for _ in range(self.dice.choice((1, 2, 2, 3)))]
        joined = parts[0]
        for part in parts[1:]:
            joined = joined & part if self.dice.random() < 0.5 else joined | part
        return ~joined if self.dice.random() < 0.4 else joined

    def order(self, model: type[Model]) -> list[str]:
        names = [name for name in FIELDS[model].split() if "__" not in name and name in model._meta.fields]
        sortable = [name for name in names if target(model, name).kind not in (*kinds.LISTS, kinds.OBJECT, kinds.ANY)]
        return [self.dice.choice(("", "-")) + name for name in self.dice.sample(sortable, self.dice.choice((1, 1, 2)))]

    def leaf(self, model: type[Model], head: str = "") -> dict[str, Any]:
        """One condition, on anything or over one relation."""
        dice = self.dice
        if head:
            names = [name for name in FIELDS[model].split() if name.split("__")[0] == head]
            return self.lookup(model, dice.choice(names), dice.choice(names))
        if model is Account and dice.random() < 0.15:
            return self.alike()
        if model is Enduser and dice.random() < 0.3:
            # The one text that the API filters by itself, and only when it is compared exactly.
            op = dice.choice(("exact", "in", "iexact", "startswith", "contains", "gte", "regex"))
            word = next((near for _ in range(3) if (near := self.nearby(target(model, "email"), op))), "a")
            return {f"email__{op}": [word, "b"] if op == "in" else "^" if op == "regex" else word}
        paths = FIELDS[model].split()
        return self.lookup(model, self.path(model, paths), self.path(model, paths))

    def lookup(self, model: type[Model], name: str, other: str) -> dict[str, Any]:
        """A condition on the value at a name."""
        dice = self.dice
        relation = model._meta.relations.get(name)
        if relation is not None:
            return self.relation(name, relation)
        found = target(model, name)
        op = dice.choice(sorted(LEGAL[found.kind]))
        if dice.random() < 0.5 and name.split("__")[0] != other.split("__")[0]:
            # The lookup first, so that those that few fields take are asked for as well.
            op = dice.choice(sorted(LOOKUPS))
            paths = [part for part in FIELDS[model].split() if part not in model._meta.relations]
            names = [path for path in paths if op in LEGAL[target(model, path).kind]]
            if not names:
                return self.leaf(model)
            name = self.path(model, names)
            found = target(model, name)
        if op in ("exact", "gt", "gte", "lt", "lte") and not found.hops and dice.random() < 0.15:
            others = [
                part for part in FIELDS[model].split() if part in model._meta.fields or part.startswith("custom__")
            ]
            other = dice.choice(
                [other for other in others if alike_kinds(found.kind, target(model, other).kind)] or [name]
            )
            return {f"{name}__{op}": F(other)}
        if op == "exact" and dice.random() < 0.1:
            return {name: None}
        path = name if op == "exact" and dice.random() < 0.5 else f"{name}__{op}"
        return {path: self.operand(found, op)}

    def alike(self) -> dict[str, Any]:
        """A comparison that is wrong as soon as true is 1, or 1 is "1"."""
        dice = self.dice
        name = dice.choice(("custom__Thing", "custom__Thing", "pilot", "goals"))
        ops = {"pilot": ("exact", "in"), "goals": ("contains", "overlap")}.get(
            name, ("exact", "in", "gt", "gte", "lt", "lte")
        )
        op = dice.choice(ops)
        values = (True, False) if name == "pilot" or dice.random() < 0.3 else ALIKE
        many = [dice.choice(values) for _ in range(2)]
        return {f"{name}__{op}": many if op in ("in", "overlap") else many[0]}

    def path(self, model: type[Model], names: list[str]) -> str:
        near = [name for name in names if name.split("__")[0] not in model._meta.relations]
        return self.dice.choice(near if near and self.dice.random() < 0.7 else names)

    def relation(self, name: str, relation: Relation[Any]) -> dict[str, Any]:
        home = relation.model._meta.resource.name
        home = "conversation" if home == "note" else home
        ids = [new_id(home, self.dice.randrange(SIZES[home] + 1)) for _ in range(3)]
        records = [relation.model.from_wire({"_id": id}) for id in ids]
        shapes: list[dict[str, Any]] = [
            {name: records[0]}, {name: ids[0]}, {f"{name}__in": records[:2]}, {f"{name}__in": []},
            {f"{name}__isnull": self.dice.random() < 0.5}, {name: None},
        ]  # fmt: skip
        if isinstance(relation, One):
            shapes.append({f"{name}__in": [ids[0], None]})
        return self.dice.choice(shapes)

    def operand(self, found: Target, op: str) -> Any:
        dice = self.dice
        if op == "isnull":
            return dice.random() < 0.5
        if op in ("in", "overlap"):
            some = [self.one(found, op) for _ in range(dice.randrange(4))]
            return [*some, None] if op == "in" and dice.random() < 0.1 else some
        if op == "range":
            ends = [self.one(found, op), self.one(found, op)]
            if dice.random() < 0.8 and type(ends[0]) is type(ends[1]) and not isinstance(ends[0], bool):
                ends.sort()
            return tuple(ends)
        if op in ("year", "month", "day", "week_day", "hour"):
            return dice.choice(
                {"year": (2025, 2026), "month": (1, 12), "day": (1, 30, 31), "hour": (0, 5, 10, 23)}.get(
                    op, range(1, 8)
                )
            )
        if op == "date":
            return dice.choice((date(2026, 1, 31), date(2025, 12, 31), date(2025, 12, 30), "2026-01-30"))
        if op in ("regex", "iregex"):
            return dice.choice(("a", "^A", "ß", "[ab]$", r"\d", "i", "%", "^.$", "^$", "s", "a.b"))
        return self.one(found, op)

    def one(self, found: Target, op: str) -> Any:
        """One operand; more often than not a value that a record has there, or nearly so."""
        value = self.any_one(found, op)
        # Whole numbers beyond this are refused, as they would equal their neighbours.
        return float(value) if isinstance(value, int) and abs(value) >= 2**53 else value

    def any_one(self, found: Target, op: str) -> Any:
        dice, kind = self.dice, found.kind
        if kind is kinds.REF or found.keys[0] in ("_id", "companyIds"):
            home = found.hops[-1].resource if found.hops else self.home
            there = REFERRED.get(found.keys[0]) or home.replace("note", "conversation")
            key = new_id(there, dice.randrange(SIZES[there] + 1))
            return key if op not in TEXTUAL + ("contains",) else key[dice.choice((0, 0, 1, 22)) :]
        if kind is kinds.DATETIME:
            return dice.choice((dice.moment(), kinds.iso(dice.moment()), dice.moment().date()))
        if kind is kinds.DAY:
            return dice.choice((date(2026, 1, 31), date(2026, 1, 30), date(2025, 12, 28), "2026-02-16"))
        if kind is kinds.BOOLEAN:
            return dice.random() < 0.5
        if dice.random() < 0.5 and (near := self.nearby(found, op)) is not None:
            return near
        if kind in (kinds.ANY, *kinds.LISTS) and op not in TEXTUAL:
            value = dice.scalar() if dice.random() < 0.4 else dice.choice(ALIKE)
            return value if value is not None else "a"
        if kind in (kinds.NUMBER, kinds.INTEGER):
            return dice.choice(NUMBERS)
        word = dice.choice(WORDS + SPELT)
        return word if dice.random() < 0.7 else word.swapcase()

    def nearby(self, found: Target, op: str) -> Any:
        """A value that some record has at the target, or one that is nearly it; None for want of one."""
        dice = self.dice
        home = found.hops[-1].resource if found.hops else None
        rows = [row for name, some in self.tenant.items() if home in (None, name) for row in some]
        held = [raw for row in rows if (raw := raw_at(row, found.keys)) is not None]
        if not held:
            return None
        raw = dice.choice(held)
        if isinstance(raw, list) and raw:
            raw = dice.choice(raw)
            if found.kind is kinds.REFS and isinstance(raw, dict):
                raw = raw.get("_id")
        if isinstance(raw, str) and found.kind in (kinds.TEXT, kinds.ANY, *kinds.LISTS):
            start = dice.randrange(len(raw) + 1)
            return dice.choice(
                (raw, raw[start:], raw[:start], raw[start : start + 1], raw.swapcase(), raw.casefold(), raw.upper())
            )
        if op in TEXTUAL or not isinstance(raw, (int, float)):
            return None
        if found.kind in (kinds.NUMBER, kinds.INTEGER):
            return dice.choice((int(raw), raw + 0.5, raw + 1)) if abs(raw) < 1e15 else None
        if found.kind in (kinds.ANY, *kinds.LISTS):
            return dice.choice((raw, raw, int(raw), float(raw), bool(raw), not raw))
        return None


def alike_kinds(left: kinds.Kind, right: kinds.Kind) -> bool:
    families = ((kinds.TEXT, kinds.ID, kinds.REF), (kinds.NUMBER, kinds.INTEGER))
    same = left is right or any(left in family and right in family for family in families)
    return (same and right not in (*kinds.LISTS, kinds.OBJECT)) or (
        kinds.ANY in (left, right) and {left, right}.isdisjoint({*kinds.LISTS, kinds.OBJECT})
    )


TEXTUAL = ("iexact", "icontains", "startswith", "istartswith", "endswith", "iendswith")

Call = tuple[type[Model], str, Q]
"""One `filter()` or `exclude()` of a model."""


def by_position(condition: Q) -> list[Q]:
    return [child for child in condition.children if isinstance(child, Q)]


def by_name(condition: Q) -> dict[str, Any]:
    return {"__".join(child[0]): child[1] for child in condition.children if not isinstance(child, Q)}


# --- the oracle -----------------------------------------------------------------------------------------
#
# It shares no code with the library but what a date text means: a mistake in a lookup's Python would otherwise
# be in every reading at once, as the mirror asks Python for what SQL has no words for.


def value_of(kind: str, raw: Any) -> Any:
    """What a raw value compares by, or None."""
    truth = isinstance(raw, bool)
    if kind in ("text", "id", "ref"):
        if kind == "ref" and isinstance(raw, dict):
            raw = raw.get("_id") or raw.get("id")
        return str(raw) if isinstance(raw, int) and not isinstance(raw, bool) else raw if isinstance(raw, str) else None
    if kind in ("number", "integer"):
        if isinstance(raw, str):
            return float(raw) if re.fullmatch(r"[-+]?\d+(\.\d+)?([eE][-+]?\d+)?", raw) else None
        return float(raw) if isinstance(raw, (int, float)) and not truth else None
    if kind == "boolean":
        return raw if truth else None
    if kind == "datetime":
        read = kinds.DATETIME.load(raw)
        return read if isinstance(read, datetime) else None
    if kind == "day":
        if isinstance(raw, str):
            read = kinds.DATETIME.load(raw)
            return read.date() if isinstance(read, datetime) else None
        fits = isinstance(raw, (int, float)) and not truth and -719162 <= raw < 2932897
        return date(1970, 1, 1) + timedelta(days=int(raw)) if fits else None
    if kind == "any" and not isinstance(raw, (list, dict)):
        return float(raw) if isinstance(raw, (int, float)) and not truth else raw
    return None


def operand_of(kind: str, value: Any) -> Any:
    """An operand of a resolved test as a value that the oracle compares."""
    if kind == "datetime" and isinstance(value, str):
        return datetime.fromisoformat(value)
    return date(1970, 1, 1) + timedelta(days=value) if kind == "day" and isinstance(value, int) else value


def equal(left: Any, right: Any) -> bool:
    return (
        isinstance(left, bool) is isinstance(right, bool)
        and isinstance(left, str) is isinstance(right, str)
        and left == right
    )


def compared(op: str, left: Any, right: Any) -> bool:
    if op == "exact":
        return equal(left, right)
    if isinstance(left, bool) or isinstance(right, bool) or isinstance(left, str) is not isinstance(right, str):
        return False
    if isinstance(left, date) is not isinstance(right, date) or isinstance(left, datetime) is not isinstance(
        right, datetime
    ):
        return False
    return {"gt": left > right, "gte": left >= right, "lt": left < right, "lte": left <= right}[op]


def folded(text: Any) -> Any:
    return text.casefold() if isinstance(text, str) else None


def looked_up(op: str, kind: str, value: Any, wanted: Any) -> bool:
    """Whether a value that is there satisfies a lookup."""
    if op in ("year", "month", "day", "hour"):
        return getattr(value, op) == wanted
    if op == "week_day":
        return (value.isoweekday() % 7) + 1 == wanted
    if op == "date":
        return value.date() == date.fromisoformat(wanted)
    if op == "in":
        return any(equal(value, operand_of(kind, name)) for name in wanted)
    if op == "range":
        low, high = (operand_of(kind, name) for name in wanted)
        return compared("gte", value, low) and compared("lte", value, high)
    if op in ("exact", "gt", "gte", "lt", "lte"):
        return compared(op, value, operand_of(kind, wanted))
    if not isinstance(value, str) or not isinstance(wanted, str):
        return False
    if op in ("regex", "iregex"):
        return bool(re.search(wanted, value, re.I if op == "iregex" else 0))
    if op.startswith("i"):
        op, value, wanted = op[1:], value.casefold(), wanted.casefold()
    place = value.find(wanted)
    if op == "exact":
        return value == wanted
    if op == "contains":
        return place >= 0
    return (
        place == 0 if op == "startswith" else value[len(value) - len(wanted) :] == wanted and len(wanted) <= len(value)
    )


def raw_at(row: Row, keys: tuple[str, ...]) -> Any:
    value: Any = row
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def bare(listed: list[Any]) -> list[Any]:
    """The ids of a list of references, objects among them."""
    return [(row.get("_id") or row.get("id") or row) if isinstance(row, dict) else row for row in listed]


def holds(node: Node, row: Row, tenant: Tenant) -> bool:
    """Whether a record satisfies a tree; relations are followed by looking at every record."""
    match node:
        case All(children):
            return all(holds(child, row, tenant) for child in children)
        case Either(children):
            return any(holds(child, row, tenant) for child in children)
        case Not(child):
            return not holds(child, row, tenant)
        case Related(_, hop, where):
            return any(linked(hop, row, far) and holds(where, far, tenant) for far in records(tenant, hop.resource))
    found, op, wanted = node.target, node.op, node.value
    raw, kind = raw_at(row, found.keys), found.kind.name
    if op == "isnull":
        return (raw is None) is wanted
    if kind == "refs" and isinstance(raw, list):
        raw = bare(raw)
    if op == "overlap" or (op == "contains" and isinstance(raw, list) and kind in ("list", "refs", "any")):
        scalars = [value for value in raw if isinstance(value, (str, int, float))] if isinstance(raw, list) else []
        return any(equal(value, other) for value in scalars for other in (wanted if op == "overlap" else (wanted,)))
    if op == "contains" and kind in ("list", "refs"):
        return False
    value = value_of(kind, raw)
    if isinstance(wanted, Target):
        other = value_of(wanted.kind.name, raw_at(row, wanted.keys))
        return value is not None and other is not None and of_two_kinds(op, value, other)
    return value is not None and looked_up(op, kind, value, wanted)


def of_two_kinds(op: str, left: Any, right: Any) -> bool:
    """Two fields of different kinds compare by what the wire would hold: days are numbers, moments text."""

    def plain(value: Any) -> Any:
        if isinstance(value, datetime):
            return kinds.iso(value)
        return float((value - date(1970, 1, 1)).days) if isinstance(value, date) else value

    return compared(op, plain(left), plain(right))


def linked(hop: Hop, near: Row, far: Row) -> bool:
    def side(row: Row, wire: str, many: bool) -> set[str]:
        raw = row.get(wire)
        if many:
            return {item for item in bare(raw) if isinstance(item, str)} if isinstance(raw, list) else set()
        return {value} if (value := value_of("ref", raw)) is not None else set()

    return bool(side(near, hop.near, hop.many_near) & side(far, hop.far, hop.many_far))


def records(tenant: Tenant, name: str) -> list[Row]:
    if name == "note":
        return [row for row in tenant["conversation"] if row.get("type") == "note"]
    return tenant[name]


def satisfies(call: Call, row: Row, tenant: Tenant) -> bool:
    """Whether a record is kept by one call: some way of the condition holds, with one record for each relation."""
    model, verb, condition = call
    kept = any(holds_together(way, row, tenant) for way in ways(model, condition))
    return kept is (verb == "filter")


def ways(model: type[Model], condition: Q) -> list[list[Node]]:
    """The alternatives that a condition allows, each a list of single conditions that hold together."""
    if condition.negated:
        inside = ways(model, Q._of(condition.children, condition.connector))
        return [[Not(Either(tuple(All(tuple(together(way))) for way in inside)))]]
    parts = [
        ways(model, child) if isinstance(child, Q) else [[resolve(model, Q._of((child,)))]]
        for child in condition.children
    ]
    if condition.connector == "or":
        return [way for part in parts for way in part]
    return [[node for way in chosen for node in way] for chosen in product(*parts)]


def together(nodes: list[Node]) -> list[Node]:
    """Conditions over one relation as one condition on its records."""
    found: list[Node] = []
    over: dict[Hop, list[Node]] = {}
    for node in nodes:
        if isinstance(node, Related):
            over.setdefault(node.hop, []).append(node.where)
        else:
            found.append(node)
    return found + [Related("", hop, All(tuple(together(inside)))) for hop, inside in over.items()]


def holds_together(way: list[Node], row: Row, tenant: Tenant) -> bool:
    return holds(All(tuple(together(way))), row, tenant)


def oracle(query: Query, tenant: Tenant, calls: list[Call]) -> list[str]:
    """The ids that a query means, in its order. What is chosen follows from the calls, not from their tree."""
    hidden = resource(query.resource).hidden_by
    rows = [
        row
        for row in records(tenant, query.resource)
        if (query.hidden or hidden is None or row.get(str(hidden.hides)) is not True)
        and all(satisfies(call, row, tenant) for call in calls)
    ]
    rows.sort(key=lambda row: row["_id"])
    for found, descending in reversed(query.order):
        keyed = [(value_of(found.kind.name, raw_at(row, found.keys)), row) for row in rows]
        there = sorted((pair for pair in keyed if pair[0] is not None), key=lambda pair: pair[0], reverse=descending)
        rows = [row for _, row in there] + [row for value, row in keyed if value is None]
    return [row["_id"] for row in rows[query.start : query.stop]]


# --- the readings ---------------------------------------------------------------------------------------


def run(flow: Any, answer: Callable[[Request], Response] | None = None) -> tuple[list[Any], Any]:
    """What a flow emits and returns, with `answer` in the place of a server."""
    emitted: list[Any] = []
    reply: Any = None
    while True:
        try:
            effect = flow.send(reply)
        except StopIteration as stop:
            return emitted, stop.value
        match effect:
            case Emit(item):
                emitted += item
                reply = None
            case RunBlocking(call):
                reply = call()
            case Request():
                assert answer is not None
                reply = answer(effect)


class Server:
    """Answers GETs of lists and records as Planhat does: it knows the documented parameters and nothing else."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.requests: list[Request] = []

    def __call__(self, request: Request) -> Response:
        self.requests.append(request)
        _, path, *rest = request.path.split("/")
        name = next(item for item in resources() if resource(item).path == path)
        rows = self.tenant[name]
        if rest:
            found = [row for row in rows if row["_id"] == rest[0]]
            return Response(200, {}, data=found[0]) if found else _missing()
        params = dict(request.params)
        assert params["sort"] in ("_id", "-_id")
        backwards = params["sort"] == "-_id"
        shown = (row for row in rows if self._shown(name, row, params))
        rows = sorted(shown, key=lambda row: row["_id"], reverse=backwards)
        start = int(params["offset"])
        rows = rows[start : start + int(params["limit"])]
        if "select" in params:
            chosen = {*params["select"].split(","), "_id"}
            rows = [{key: value for key, value in row.items() if key in chosen} for row in rows]
        return Response(200, {}, data=[dict(row) for row in rows])

    @staticmethod
    def _shown(name: str, row: Row, params: dict[str, str]) -> bool:
        for param in resource(name).params.values():
            asked = params.get(param.name)
            if param.hides and asked != "true" and row.get(param.hides) is True:
                return False
            if asked is None or param.field is None:
                continue
            raw = row.get(param.field)
            held = {value_of("ref", value) for value in (raw if isinstance(raw, list) else [raw])}
            if not held & set(asked.split(",") if param.many else [asked]):
                return False
        return True


def _missing() -> Response:
    from planhat_orm.errors import NotFound

    raise NotFound("no such record")


class LocalSource:
    """The Python reading as a source, so that relations are resolved over it."""

    name = "python"

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant

    def pages(self, query: Query) -> Iterator[Any]:
        where = yield from without_hops(query.where, self)  # type: ignore[arg-type]
        test = predicate.predicate(where)
        hidden = resource(query.resource).hidden_by
        rows = [
            row
            for row in records(self.tenant, query.resource)
            if (query.hidden or hidden is None or row.get(str(hidden.hides)) is not True) and test(row)
        ]
        yield Emit(predicate.ordered(rows, query.order)[query.start : query.stop])


def by_python(query: Query, tenant: Tenant) -> list[str]:
    return [row["_id"] for row in run(LocalSource(tenant).pages(query))[0]]


def by_api(query: Query, tenant: Tenant) -> list[str]:
    source = ApiSource(ListCache(None, time.monotonic))
    server = Server(tenant)

    def answer(request: Request) -> Response:
        return server(request)

    return [row["_id"] for row in _caught(source.pages(query), answer)]


def _caught(flow: Any, answer: Callable[[Request], Response]) -> list[Row]:
    """Like `run`, for a server whose errors are thrown into the flow."""
    emitted: list[Row] = []
    reply: Any = None
    error: Exception | None = None
    while True:
        try:
            effect = flow.throw(error) if error is not None else flow.send(reply)
        except StopIteration:
            return emitted
        reply = error = None
        if isinstance(effect, Emit):
            emitted += effect.item
            continue
        if isinstance(effect, Start):
            reply = effect.request  # answered when it is waited for
            continue
        try:
            reply = answer(effect.begun if isinstance(effect, Wait) else effect)
        except Exception as failure:
            error = failure


class Emulated:
    """The API's reading over real requests: an emulator that holds the tenant, and a client of it."""

    def __init__(self) -> None:
        from planhat_orm import Planhat
        from planhat_orm.emulator import Emulator

        nothing: dict[str, Any] = dict.fromkeys(("companies", "licenses", "endusers", "conversations", "tasks"), 0)
        self.emulator = Emulator(**nothing).start()
        self.planhat = Planhat(self.emulator.api_token, api_url=self.emulator.url, calls_per_min=1e9)

    def fill(self, tenant: Tenant) -> None:
        for name, rows in tenant.items():
            table = self.emulator.store.table(name)
            for id in table.ids():
                table.remove(id)
            # A server's records refer by id; only its lists make objects of that.
            refs = [wire for wire, kind in WIRES[name].items() if kind is kinds.REF]
            plain = [{**row, **{ref: kinds.REF.load(row[ref]) for ref in refs if ref in row}} for row in rows]
            self.emulator.store.load(name, copy.deepcopy(plain))

    def __call__(self, query: Query, tenant: Tenant) -> list[str]:
        rows: list[Row] = []
        for page in self.planhat.iterate(self.planhat.source("api").pages(query)):
            rows += page
        return [row["_id"] for row in rows]

    def close(self) -> None:
        self.planhat.close()
        self.emulator.stop()


class Mirrored:
    """The SQL reading: one mirror, filled anew for each tenant."""

    def __init__(self, path: Any) -> None:
        from planhat_orm.mirror import Mirror

        self.mirror = Mirror(path)

    def fill(self, tenant: Tenant) -> None:
        from sqlalchemy import delete

        from planhat_orm.mirror.db import state, tables
        from planhat_orm.mirror.db.layout import layout_for
        from planhat_orm.mirror.db.store import Store

        with self.mirror.database.writing() as connection:
            for name, rows in tenant.items():
                connection.execute(delete(tables.records(layout_for(name))))
                Store(connection, layout_for(name), postgres=self.mirror.database.postgres).put(rows)
                state.save(connection, state.State(name, complete=True))

    def __call__(self, query: Query, tenant: Tenant) -> list[str]:
        return [row["_id"] for row in run(self.mirror.source.pages(query))[0]]

    def close(self) -> None:
        self.mirror.close()


@dataclass(frozen=True)
class Disagreement:
    """A query that two readings answer differently."""

    seed: int
    reading: str
    queryset: str
    expected: list[str]
    found: list[str] | str
    rows: list[Row]

    def __str__(self) -> str:
        rows = "\n".join(f"    {row}" for row in self.rows)
        return (
            f"seed {self.seed}: the {self.reading} reading of\n  {self.queryset}\n"
            f"gives {self.found}\ninstead of {self.expected}; they differ by\n{rows}"
        )


QUERIES_PER_TENANT = 40


def disagreements(seeds: range, readings: dict[str, Callable[[Query, Tenant], list[str]]]) -> Iterator[Disagreement]:
    """Ask `QUERIES_PER_TENANT` queries of the tenant of each seed in every reading."""
    for seed in seeds:
        dice = Dice(seed)
        tenant = dice.tenant()
        for reading in readings.values():
            if isinstance(reading, (Mirrored, Emulated)):
                reading.fill(tenant)
        asker = Asker(dice, tenant)
        for _ in range(QUERIES_PER_TENANT):
            queryset = asker.queryset()
            query = queryset._query
            expected = oracle(query, tenant, asker.calls)
            for name, reading in readings.items():
                try:
                    found: list[str] | str = reading(query, tenant)
                except Exception as error:
                    found = f"{type(error).__name__}: {error}"
                if found != expected:
                    differing = set(expected) ^ set(found) if isinstance(found, list) else set()
                    home = "conversation" if query.resource == "note" else query.resource
                    rows = [row for row in tenant[home] if row["_id"] in differing]
                    yield Disagreement(seed, name, repr(queryset), expected, found, rows[:3])
