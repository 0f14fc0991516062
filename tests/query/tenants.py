"""Generated tenants: records of a few resources that refer to each other, whose fields hold anything at all.

Values are drawn from few letters and numbers, or half of the mistakes would never meet.
"""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

from planhat_orm import Company, Custom, Enduser, Issue, License, Model, Note, Task, User
from planhat_orm.query import kinds

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
    licenses__parent__value owner licenses endusers issues org_root parent_id parent parent__name parent__mrr
    parent__owner__email children children__mrr descendants descendants__mrr descendants__name
    descendants__licenses__value ancestors ancestors__name ancestors__h tree tree__mrr tree__tags""",
    Company: """id name external_id owner_id mrr h auto_renews renewal_date last_updated tags custom__Thing custom__Tier
    custom__Seats owner__email owner__is_hidden licenses__value licenses__product endusers__email org_root__name owner
    licenses org_root""",
    License: """id company_id product value auto_renews renewal_date custom__Tier company__name company__mrr company__tags
    company__custom__Tier company__owner__email company__licenses__value company parent parent__product
    company__parent__name company__ancestors__mrr company__tree__name""",
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
                "usage": kinds.OBJECT, "orgRootId": kinds.REF, "orgPath": kinds.ID},
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
            "companyIds": "company", "orgPath/parent": "company"}  # fmt: skip


def new_id(name: str, number: int) -> str:
    return f"{MARKS[name]}{number:023x}"


# --- values ---------------------------------------------------------------------------------------------

WORDS = ("a", "A", "b", "ab", "aB", "AB", "ba", "a%", "%", "_", "a_b", "\\", "ß", "ss", "SS", "ẞ", "İ", "i̇", "ı", "I",
         "i", "ſ", "s", "S", "'", '"', "", " a", "é", "É", "\u0130b", "𝄞", "a\nb", "K", "K")  # fmt: skip
SPELT = ("5", "05", "-7", "1.5", "1e1", "2026-01-31", "2026-01-31T10:00:00.000Z", "31 Jan 2026 10:00", "true", "null")
ALIKE = (True, False, 1, 0, 1.0, "1", "true", "a", "A", "")
"""What two readings may take for the same, or not."""
NUMBERS = (0, 1, 2, 3, -1, 5, 7, 10, 0.5, 1.5, -2.5, 1e20, 2**53 + 1, 20500, 20484)
DOUBLES = (0.1, 0.2, 0.3, 2.675, 1e-9, 5e-10, -0.1, 1e308, -1e308, 1e-308, 123456789012.5, 1e12, -1e20, 4.35, 99.99)
START = datetime(2025, 12, 30, tzinfo=UTC)


class Dice(random.Random):
    """Draws what records and queries are made of."""

    def moment(self) -> datetime:
        return START + timedelta(
            hours=self.choice((0, 5, 10, 23, 24, 30, 48, 720, 744, 768)), milliseconds=self.choice((0, 1))
        )

    def odd_moment(self) -> datetime:
        """A moment at which a calendar is not simple: leap days, changes of summer time, the ends of the years."""
        return self.choice(
            (
                datetime(2024, 2, 29, 12, tzinfo=UTC),
                datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC),
                datetime(2026, 3, 29, 1, 0, 0, tzinfo=UTC),
                datetime(2025, 10, 26, 0, 30, tzinfo=UTC),
                datetime(2025, 12, 31, 23, 30, tzinfo=UTC),
                datetime(2027, 1, 3, 18, 31, tzinfo=UTC),
                datetime(1969, 12, 31, 23, 59, 59, 999000, tzinfo=UTC),
                datetime(1, 1, 1, 3, tzinfo=UTC),
                datetime(9999, 12, 31, 22, tzinfo=UTC),
            )
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
        if kind is kinds.ID:
            return new_id("company", 1)
        if kind is kinds.TEXT:
            return self.choice(WORDS) if wire != "type" else self.choice(("note", "note", "call"))
        if kind in (kinds.NUMBER, kinds.INTEGER):
            if roll < 0.4 and kind is kinds.NUMBER:
                return self.choice(DOUBLES)
            return self.choice(NUMBERS) if roll < 0.9 else self.choice(("5", "1.5", "-1"))
        if kind is kinds.DATETIME:
            moment = self.moment() if roll < 0.8 else self.odd_moment()
            if moment.year in (1, 9999):
                return kinds.iso(moment)
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

    def org_path(self, number: int) -> str:
        """A path in the tree of companies: in all its forms, below companies that are there and others, and in circles."""
        most = number if number and self.random() < 0.85 else SIZES["company"] + 1
        own, *steps = new_id("company", number), *(new_id("company", self.randrange(most)) for _ in range(2))
        return self.choice(
            (f",{steps[0]},{own},", f",{steps[0]},{own},", f",{steps[0]},", f",{steps[1]},{steps[0]},{own},",
             f"{steps[0]} , {own}", own, f",{own},", "", f",{steps[0]},{own},{steps[1]},")
        )  # fmt: skip

    def row(self, name: str, number: int) -> Row:
        found: Row = {"_id": new_id(name, number)}
        for wire, kind in WIRES[name].items():
            if self.random() < 0.8:
                odd = wire != "orgPath" or self.random() < 0.1
                found[wire] = self.raw(kind, wire, name) if odd else self.org_path(number)
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
