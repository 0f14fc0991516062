"""A seeded tenant: companies with contacts, licences, touches and a little of everything else.

The same seed, sizes and day give the same records, ids included. The many are made ready and loaded as they
are; the few of the other resources go through the store's rules like anybody's.
"""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from random import Random
from typing import Any

from ..errors import ConfigurationError
from ..names import did_you_mean
from . import words
from .defaults import change_stamps, creation_stamps, template
from .extras import fill_extras
from .store import Store
from .tables import Record
from .times import EPOCH, add_months, day_start, full_months, time_bucket
from .views import ROLES

_FIELDS = (
    ("Tier", "list", "Company", ("A", "B", "C")),
    ("Plan", "list", "Company", words.PLANS),
    ("Seats", "number", "Company", ()),
    ("Reference customer", "checkbox", "Company", ()),
    ("Go-live", "date", "Company", ()),
    ("Next review day", "day", "Company", ()),
    ("Modules", "multipicklist", "Company", words.MODULES),
    ("Executive sponsor", "team member", "Company", ()),
    ("Language", "list", "EndUser", ("en", "de", "fr", "sv")),
    ("Seats", "number", "License", ()),
    ("Duration", "number", "Conversation", ()),
    ("Priority", "list", "Task", ("P1", "P2", "P3")),
)
_SMALL = (
    "assets", "campaigns", "churn", "deals", "invoices", "issues", "metrics", "nps", "objectives", "opportunities",
    "products", "projects", "sales", "timeentries", "timesheets", "workflows", "workspaces", "activities",
)  # fmt: skip
_WITHOUT_LICENSES = 0.1
_OLDEST_DAYS = 1200


def sizes(companies: int, asked: Mapping[str, int]) -> dict[str, int]:
    """Return how many records of each kind to make; what was not asked for follows the number of companies."""
    small = min(companies, 30)
    counts = {
        "users": 12 if companies else 0,
        "endusers": companies * 20,
        "licenses": companies * 3,
        "conversations": companies * 3,
        "tasks": companies * 2,
        "tickets": min(companies * 2, 200),
        **dict.fromkeys(_SMALL, small),
    }
    counts["sales"] = min((companies + 1) // 2, 500)
    for name, count in asked.items():
        if name not in counts:
            raise ConfigurationError(f"The tenant has no size {name!r}.{did_you_mean(name, counts)}")
        if count < 0:
            raise ConfigurationError(f"{name} must not be negative, it is {count}.")
        if count and not companies and name != "users":
            raise ConfigurationError(f"{name}={count} needs companies; there are none.")
    return {**counts, **asked, "companies": companies}


def fill(store: Store, counts: Mapping[str, int], seed: int, today: date) -> None:
    """Make the tenant's records."""
    store.loading = True  # the tenant starts settled, with stamps from its own past
    collecting = gc.isenabled()
    gc.disable()  # nothing made here is garbage, and looking for it takes most of the time
    try:
        _make(store, counts, seed, today)
        store.settle("company")
    finally:
        if collecting:
            gc.enable()
    store.loading = False
    store.moments.run()


def _make(store: Store, counts: Mapping[str, int], seed: int, today: date) -> None:
    maker = _Maker(store, Random(seed), today)
    store.load("custom_field", maker.custom_fields() if counts["companies"] else ())
    store.load("user", maker.users(counts["users"]))
    store.load("company", maker.companies(counts["companies"]))
    store.load("license", maker.licenses(counts["licenses"]))
    store.load("enduser", maker.endusers(counts["endusers"]))
    store.load("conversation", maker.conversations(counts["conversations"]))
    store.load("task", maker.tasks(counts["tasks"]))
    fill_extras(store, counts, Random(seed + 1), today)


_BELOW = {1: 0, 2: 0, 3: 1}
"""Of each ten companies, which is below which: the first has two daughters, and one of them has one, too."""


def _place(number: int, ids: list[str], count: int) -> Record:
    """The place of a company in the tree of its group."""
    first, place = number - number % 10, number % 10
    steps = [place]
    while steps[0] in _BELOW:
        steps.insert(0, _BELOW[steps[0]])
    path = [ids[first + step] for step in steps]
    below = [child for child, parent in _BELOW.items() if parent == place and first + child < count]
    return {
        "orgPath": f",{','.join(path)}," if len(path) > 1 else path[0], "orgRootId": path[0], "orgLevel": len(path),
        "orgPathCount": len(path) - 1, "orgUnits": len(below),
    }  # fmt: skip


class _Maker:
    def __init__(self, store: Store, random: Random, today: date) -> None:
        self._store = store
        self._random = random
        self._today = today
        self._owners: list[str] = []
        self._days = [f"{today - timedelta(days=back + 1)}" for back in range(_OLDEST_DAYS)]
        self._next_touch = (today - EPOCH).days * 86_400_000 - 272_000_000
        self._sixtieths = [f"{number:02d}" for number in range(60)]
        self._minutes = [f"{hour:02d}:{minute}" for hour in range(24) for minute in self._sixtieths]
        self._companies: list[tuple[str, str, str]] = []
        self._licensed: list[tuple[str, str]] = []
        self._people: dict[str, list[Record]] = {}

    def custom_fields(self) -> Iterator[Record]:
        for name, kind, parent, values in _FIELDS:
            yield {
                "_id": self._id(), **template("custom_field"), "name": name, "type": kind, "parent": parent,
                "isFeatured": True, "listValues": list(values),
            }  # fmt: skip

    def users(self, count: int) -> Iterator[Record]:
        roles = list(ROLES)
        for number in range(count):
            first, last = words.FIRST[number % len(words.FIRST)], words.LAST[number % len(words.LAST)]
            suffix = "" if number < len(words.FIRST) else str(number)
            record = {
                "_id": self._id(), **template("user"), "email": f"{first.lower()}{suffix}@vendor.example",
                "nickName": first + suffix, "firstName": first, "lastName": last, "externalId": f"emp-{number + 1}",
                "inactive": number % 12 == 11, "roles": [roles[min(number, 2) if number < 3 else 1]],
                **self._stamps("user", 900),
            }  # fmt: skip
            self._owners.append(record["_id"])
            yield record

    def companies(self, count: int) -> Iterator[Record]:
        random = self._random
        ids: list[str] = []
        for number in range(count):
            name, domain = _company_name(number)
            city, country, _ = words.CITIES[number % len(words.CITIES)]
            phase = words.PHASES[min(int(random.random() * 5.4), 5)]
            id = self._id()
            record = {
                "_id": id, **template("company"), "name": name, "externalId": f"acct-{1001 + number}",
                "owner": self._owner(), "phase": phase, "domains": [domain], "city": city, "country": country,
                "address": f"{1 + number % 97} {words.STREETS[number % 6]}", "web": f"https://{domain}",
                "h": min(10, int(random.random() * 8) + int(random.random() * 4)),
                "custom": self._company_custom(), "phaseSince": self._past(400),
                **self._stamps("company", _OLDEST_DAYS),
            }  # fmt: skip
            ids.append(id)
            record |= _place(number, ids, count)
            if number % 10 == 2:
                # A daughter that writes from her mother's domain: a domain does not tell which company it is
                record["domains"] = [domain, self._companies[-2][2]]
            if number % 16 == 9:
                record["custom"]["Old segment"] = ("SMB", "Mid-market")[number // 16 % 2]  # its field was deleted
            if number % 5:
                record["sourceId"] = f"crm-{number:06d}"
            if number % 4 == 0:
                record["coOwner"] = self._owner()
                record["custom"]["Executive sponsor"] = self._owner()
            if number % 3:
                record["tags"] = random.sample(words.COMPANY_TAGS, 1 + number % 3)
            if number % 6:
                record["csmScore"] = 1 + int(random.random() * 5)
            if number % 7:
                self._touch(record, words.TOUCHES[number % len(words.TOUCHES)])
            if number % 9 == 0:
                record["description"] = f"{name} in {city}"
                record["nextTouch"] = self._next_touch + number * 86_400_000  # milliseconds, as old tenants have it
            if number % 13 == 12:
                # Old records: no custom at all, and keys that were never set
                record["custom"] = None
                del record["shareable"], record["sunits"]
            self._companies.append((id, name, domain))
            yield record

    def licenses(self, count: int) -> Iterator[Record]:
        random, today = self._random, self._today
        licensed = self._companies[: max(1, int(len(self._companies) * (1 - _WITHOUT_LICENSES)))]
        fates = {id: random.random() for id, _, _ in licensed}
        for number in range(count):
            id, name, _ = licensed[number % len(licensed)]
            product = words.PRODUCTS[number // len(licensed) % 3]
            fate, months = fates[id], 12 if random.random() < 0.8 else 24
            mrr = (10 + int(random.random() * 190)) * (10 if product == "Platform" else 2)
            lost = fate > 0.85
            if fate > 0.92:  # lost and over
                start = add_months(today, -months - 1 - int(random.random() * 12))
            elif fate < 0.06:  # coming
                start = add_months(today, 1 + int(random.random() * 3))
            else:  # running, from a little to nearly all of its months
                start = add_months(today, -int(random.random() * (months - 1)) - 1)
            start = start.replace(day=1)
            end = add_months(start, months)
            days = (end - today).days
            starts, ends = day_start(start), day_start(end)
            open_ended = number % 11 == 10 and not lost
            record = {
                "_id": self._id(), **template("license"), "product": product, "_currency": "EUR", "companyId": id,
                "companyName": name, "externalId": f"lic-{2001 + number}", "fromDate": starts,
                "fixedPeriod": not open_ended, "mrr": mrr, "arr": mrr * 12, "renewalMrr": mrr, "renewalArr": mrr * 12,
                "renewalStatus": "lost" if lost else "ongoing", "autoRenews": number % 2 == 0, "invoiceCycle": "yearly",
                "custom": {"Seats": 5 + number % 200},
            }  # fmt: skip
            if not open_ended:
                record |= {
                    "toDate": ends, "length": full_months(starts, ends), "value": mrr * months, "renewalDate": ends,
                    "renewalPeriod": months, "renewalUnit": "month", "renewalDaysFromNow": days,
                    "isOverdue": days < 0 and not lost,
                }  # fmt: skip
            if number % 4:
                record["sourceId"] = f"crm-l-{number}"
            self._store.dirty.add(id)
            yield record

    def endusers(self, count: int) -> Iterator[Record]:
        random = self._random
        companies = self._companies
        for number in range(count):
            id, company, domain = companies[number % len(companies)]
            first = words.FIRST[int(random.random() * len(words.FIRST))]
            last = words.LAST[int(random.random() * len(words.LAST))]
            email = f"{first}.{last}{number // len(companies) or ''}@{domain}".lower()
            record = {
                "_id": self._id(), **template("enduser"), "email": email, "firstName": first, "lastName": last,
                "name": f"{first} {last}", "companyId": id, "companyName": company,
                "externalId": f"user-{501 + number}", "position": words.POSITIONS[int(random.random() * 10)],
                "primary": number < len(companies),
                "featured": number % 8 == 0, "archived": number % 25 == 24, "beats": int(random.random() * 60),
                "beatsTotal": int(random.random() * 900), "emailMd5": _md5(email),
                "custom": {"Language": ("en", "de", "fr", "sv")[number % 4]}, **self._stamps("enduser", 900),
            }  # fmt: skip
            if number % 3 == 0:
                record["sourceId"] = f"crm-c-{number}"
            if number % 6 == 0:
                record["tags"] = [words.PERSON_TAGS[number // 6 % 4]]
            if number % 14 == 13:
                del record["position"]  # nobody asked what they do
            if number % 2:
                record["lastActive"] = self._past(120)
            if number % 5 == 0:
                self._touch(record, "note")
            if number % 40 == 39:
                record["custom"] = None
            if len(self._people.setdefault(id, [])) < 3:
                self._people[id].append(record)
            yield record

    def conversations(self, count: int) -> Iterator[Record]:
        random = self._random
        for number in range(count):
            id, company, _ = self._companies[number * 7 % len(self._companies)]
            kind = words.TOUCHES[int(random.random() * len(words.TOUCHES))]
            sentence = words.SENTENCES[int(random.random() * len(words.SENTENCES))]
            when = self._past(300)
            owner = self._owner()
            record = {
                "_id": self._id(), **template("conversation"), "type": kind, "companyId": id, "companyName": company,
                "subject": words.SUBJECTS[int(random.random() * len(words.SUBJECTS))],
                "description": f"<p>{sentence}</p>", "snippet": sentence, "date": when, "timeBucket": time_bucket(when),
                "days": (date.fromisoformat(when[:10]) - EPOCH).days,
                "isCustomType": kind in self._store.switches.touch_types, **self._stamps("conversation", 300),
            }  # fmt: skip
            if owner:
                user = self._store.table("user").row(owner).record
                record["users"] = [{"id": owner, "name": user["nickName"], "isOwner": True}]
                record["userIds"] = [owner]
            people = self._people.get(id, ())
            if people:
                person = people[number % len(people)]
                record["endusers"] = [{"id": person["_id"], "name": person["name"]}]
            if number % 3 == 0:
                record["externalId"] = f"conv-{9001 + number}"
            if kind == "Training":
                record["custom"] = {"Duration": 30 + number % 4 * 15}
            yield record

    def tasks(self, count: int) -> Iterator[Record]:
        random = self._random
        for number in range(count):
            id, company, _ = self._companies[number * 3 % len(self._companies)]
            owner = self._owner()
            done = number % 4 == 3
            due = self._today + timedelta(days=int(random.random() * 90) - (90 if done else 20))
            record = {
                "_id": self._id(), **template("task"), "mainType": "event" if number % 9 == 8 else "task",
                "action": words.TASKS[int(random.random() * len(words.TASKS))], "companyId": id, "companyName": company,
                "type": "note", "status": "Done" if done else ("To Do", "In-progress")[number % 2],
                "startTime": day_start(due - timedelta(days=4)), "endTime": day_start(due), "isArchived": done,
                "custom": {"Priority": f"P{1 + number % 3}"}, **self._stamps("task", 200),
            }  # fmt: skip
            if owner:
                record["ownerId"] = owner
                record["ownerName"] = self._store.table("user").row(owner).record["nickName"]
            if done:
                record["dateDone"] = day_start(due)
            if number % 2:
                record["sourceId"] = f"crm-t-{number}"
            people = self._people.get(id, ())
            if people and number % 3 == 0:
                record["endusers"] = [{"id": people[0]["_id"], "name": people[0]["name"]}]
            yield record

    def _company_custom(self) -> Record:
        random = self._random
        custom: dict[str, Any] = {
            "Tier": "ABC"[int(random.random() * 3)],
            "Plan": words.PLANS[int(random.random() * 3)],
            "Seats": 5 + int(random.random() * 495),
            "Reference customer": random.random() < 0.2,
        }
        if random.random() < 0.7:
            custom["Go-live"] = self._past(700)
            custom["Modules"] = list(words.MODULES[: 1 + int(random.random() * 4)])
        if random.random() < 0.6:
            custom["Next review day"] = (self._today - EPOCH).days + int(random.random() * 120)
        return custom

    def _touch(self, record: Record, kind: str) -> None:
        when = self._past(90)
        record |= {"lastTouch": when, "lastTouchType": kind, "lastTouchByType": {kind: when}}

    def _owner(self) -> str | None:
        owners = self._owners
        return owners[int(self._random.random() * len(owners))] if owners else None

    def _stamps(self, name: str, days: int) -> Record:
        made, changed = self._past(days), self._past(days)
        if made > changed:
            made, changed = changed, made
        stamps = dict.fromkeys(creation_stamps(name), made)
        for stamp in change_stamps(name):
            stamps[stamp] = changed
        return stamps

    def _past(self, days: int) -> str:
        """A moment of the last so many days, never today."""
        moment = int(self._random.random() * days * 1440)
        back, minute = divmod(moment, 1440)
        return f"{self._days[back]}T{self._minutes[minute]}:{self._sixtieths[moment % 60]}.{100 + moment % 900}Z"

    def _id(self) -> str:
        return self._store.new_id()


def _company_name(number: int) -> tuple[str, str]:
    lap, place = divmod(number, len(words.COMPANY_BODIES))
    body, tail = words.COMPANY_BODIES[place], words.COMPANY_TAILS[number * 7 % len(words.COMPANY_TAILS)]
    again = str(lap + 1) if lap else ""
    return f"{body} {tail} {again}".rstrip(), f"{body}-{tail}{again}.example".lower()


def _md5(email: str) -> str:
    return hashlib.md5(email.encode(), usedforsecurity=False).hexdigest()
