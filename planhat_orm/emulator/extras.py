"""The small resources of a seeded tenant, a few records each, made through the store's own rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from random import Random

from . import words
from .store import Store
from .tables import Record
from .times import EPOCH, add_months, day_start, moment

_STAGES = ("Qualified", "Proposal", "Negotiation", "Closed Won", "Closed Lost")


def fill_extras(store: Store, counts: Mapping[str, int], random: Random, today: date) -> None:
    """Make tickets, sales, deals and the like for companies that exist."""
    companies = [store.table("company").row(id).record for id in store.ids("company")[: max(counts.values())]]
    if not companies:
        return
    makers: tuple[tuple[str, str, Callable[[_Extras, int], Record]], ...] = (
        ("ticket", "tickets", _Extras.ticket),
        ("sale", "sales", _Extras.sale),
        ("product", "products", _Extras.product),
        ("asset", "assets", _Extras.asset),
        ("campaign", "campaigns", _Extras.campaign),
        ("churn", "churn", _Extras.churn),
        ("deal", "deals", _Extras.deal),
        ("line_item", "deals", _Extras.line_item),
        ("invoice", "invoices", _Extras.invoice),
        ("issue", "issues", _Extras.issue),
        ("nps", "nps", _Extras.nps),
        ("objective", "objectives", _Extras.objective),
        ("opportunity", "opportunities", _Extras.opportunity),
        ("project", "projects", _Extras.project),
        ("workspace", "workspaces", _Extras.workspace),
        ("workflow", "workflows", _Extras.workflow),
        ("time_entry", "timeentries", _Extras.time_entry),
        ("timesheet", "timesheets", _Extras.timesheet),
    )
    extras = _Extras(store, companies, random, today)
    for name, size, make in makers:
        for number in range(counts[size]):
            store.create(name, make(extras, number))
    for number in range(counts["metrics"]):
        store.table("metric").add(extras.metric(number))
    for number in range(counts["activities"]):
        store.table("user_activity").add(extras.activity(number))


class _Extras:
    def __init__(self, store: Store, companies: list[Record], random: Random, today: date) -> None:
        self._store = store
        self._companies = companies
        self._random = random
        self._today = today
        self._people = [store.table("enduser").row(id).record for id in store.ids("enduser")[:200]]
        self._users = store.ids("user")

    def ticket(self, number: int) -> Record:
        company, person, made = self._company(number), self._person(number), self._past(120)
        title = words.TICKETS[number % len(words.TICKETS)]
        if person:
            company = self._store.table("company").row(person["companyId"]).record
        return {
            **_of(company), "externalId": f"T-{4711 + number}", "subject": title, "source": "helpdesk",
            "email": person.get("email", f"someone@{(company['domains'] or ['nowhere.example'])[0]}"),
            "description": f"{title}, seen again since Monday", "status": ("open", "pending", "closed")[number % 3],
            "severity": ("low", "normal", "high")[number % 3], "url": f"https://helpdesk.example/T-{4711 + number}",
            "createDate": made, "updateDate": made, "updatedAt": made,
            "endusers": [{"id": person["_id"], "name": person["name"]}] if person else [],
        }  # fmt: skip

    def sale(self, number: int) -> Record:
        return {
            **_of(self._company(number * 2)), "product": ("Advanced onboarding", "Workshop", "Data import")[number % 3],
            "_currency": "EUR", "externalId": f"sale-{3001 + number}", "salesDate": self._past(100),
            "value": 250 * (1 + int(self._random.random() * 12)),
        }  # fmt: skip

    def product(self, number: int) -> Record:
        name = words.PRODUCTS[number] if number < 3 else f"Package {number - 2}"
        mrr = 100 * (1 + number)
        return {
            "name": name, "externalId": f"prod-{1 + number}", "mrr": mrr, "currency": "EUR", "fixedPeriod": True,
            "autoRenews": True, "length": 12, "renewalMrr": mrr, "renewalPeriod": 12, "noticePeriod": 30,
            "noticeUnit": "day", **self._stamps(),
        }  # fmt: skip

    def asset(self, number: int) -> Record:
        company = self._company(number)
        name = f"{company.get('city', 'Main')} site"
        return {**_of(company), "name": name, "externalId": f"site-{1 + number}", "status": "Active", **self._stamps()}

    def campaign(self, number: int) -> Record:
        name = ("Adopt the planner", "Win back", "New module")[number % 3]
        return {
            **_of(self._company(number)),
            "name": name,
            "campaignPurpose": "Adoption",
            "externalId": f"camp-{1 + number}",
        }

    def churn(self, number: int) -> Record:
        return {
            **_of(self._company(number * 3)), "churnDate": self._past(400)[:10] + "T00:00:00.000Z",
            "value": 600 * (1 + number % 5), "currency": "EUR",
            "reasons": [("Budget", "Merger", "Competitor")[number % 3]], "onlyDowngrade": number % 2 == 0,
            "sourceId": f"crm-ch-{number}", **self._stamps(),
        }  # fmt: skip

    def deal(self, number: int) -> Record:
        return {
            **_of(self._company(number)), "name": f"Renewal {self._today.year + 1}",
            "externalId": f"deal-{6001 + number}",
            "stage": _STAGES[number % 3 if number % 5 else 4], "ownerId": self._user(number), "currency": "EUR",
            "closeDate": day_start(self._today + timedelta(days=30 + number)), **self._stamps(),
        }  # fmt: skip

    def line_item(self, number: int) -> Record:
        deal = self._store.table("deal").row(self._store.ids("deal")[number]).record
        products = self._store.ids("product")
        start = add_months(self._today.replace(day=1), 3)
        return {
            "dealId": deal["_id"], "externalId": f"li-{7001 + number}", "fromDate": day_start(start),
            "productId": products[number % len(products)] if products else None, "productType": "subscription",
            "fixedPeriod": True, "length": 12, "mrr": 100 * (1 + number % 9), "currency": "EUR", **self._stamps(),
        }  # fmt: skip

    def invoice(self, number: int) -> Record:
        company = self._company(number)
        day = (self._today - EPOCH).days - 10 * number
        return {
            "cId": company["_id"], "extId": f"inv-{4001 + number}", "currency": "EUR", "product": "Platform",
            "invoiceDate": day, "dueDate": day + 30, "paidDate": day + 16 if number % 3 else None,
            "amountTotal": 1200 * (1 + number % 7), "status": "paid" if number % 3 else "pending",
            "lastUpdated": self._past(60), "updatedAt": self._past(60),
        }  # fmt: skip

    def issue(self, number: int) -> Record:
        ids = list(dict.fromkeys(self._company(number + step)["_id"] for step in range(1 + number % 3)))
        return {
            "title": f"{words.TICKETS[number % len(words.TICKETS)]} ({number + 1})", "companyIds": ids,
            "source": "tracker", "sourceId": f"BUG-{88 + number}", "priority": ("High", "Low")[number % 2],
            "status": ("Open", "In Progress", "Done")[number % 3], **self._stamps(),
        }  # fmt: skip

    def nps(self, number: int) -> Record:
        person = self._person(number)
        answered = self._past(600 if number % 4 == 3 else 300)
        return {
            "email": person.get("email", f"nobody{number}@unknown.example"), "score": int(self._random.random() * 11),
            "comment": words.SENTENCES[number % len(words.SENTENCES)], "dateSent": answered, "dateAnswered": answered,
            "source": "survey.example", "sourceId": f"resp-{1 + number}",
        }  # fmt: skip

    def objective(self, number: int) -> Record:
        name = ("Cut planning time", "Roll out to all sites", "Train the team")[number % 3]
        return {
            **_of(self._company(number)),
            "name": name,
            "health": number * 7 % 101,
            "externalId": f"obj-{1 + number}",
        }

    def opportunity(self, number: int) -> Record:
        status = ("active", "active", "won", "lost")[number % 4]
        return {
            **_of(self._company(number)), "title": ("Extra seats", "New module", "Second site")[number % 3],
            "salesStage": _STAGES[number % 3], "status": status, "_currency": "EUR",
            "externalId": f"opp-{5001 + number}", "ownerId": self._user(number), "mrr": 100 * (1 + number % 5),
            "arr": 1200 * (1 + number % 5), "nrr": 0,
            "landingDate": day_start(self._today + timedelta(days=20 + number)), "probability": 10 * (number % 10),
            "closeDate": self._past(90) if status == "won" else None,
        }  # fmt: skip

    def project(self, number: int) -> Record:
        return {
            **_of(self._company(number)), "name": ("ERP connection", "Data migration")[number % 2],
            "externalId": f"proj-{1 + number}", "currency": "EUR",
            "startDate": day_start(self._today - timedelta(days=90)),
            "endDate": day_start(self._today + timedelta(days=60)), "nrr": 1000 * (1 + number % 5),
        }  # fmt: skip

    def workspace(self, number: int) -> Record:
        company, owner = self._company(number), self._user(number)
        return {**_of(company), "name": "Planning department", "ownerId": owner, "externalId": f"ws-{1 + number}"}

    def workflow(self, number: int) -> Record:
        company = self._company(number)
        return {
            **_of(company), "name": "Onboarding", "type": "playbook", "status": "active", "owner": self._user(number),
            "companyName": company["name"], "targetModel": "Company", "targetId": company["_id"],
            "targetName": company["name"], "startDate": self._past(200), "percentDone": number * 10 % 101,
            "isArchived": False, **self._stamps(),
        }  # fmt: skip

    def time_entry(self, number: int) -> Record:
        day = self._past(30)[:10] + "T00:00:00.000Z"
        return {
            **_of(self._company(number)), "date": day, "hours": 0.5 * (1 + number % 8), "isBillable": number % 2 == 0,
            "description": words.SUBJECTS[number % len(words.SUBJECTS)], "billableRate": 120, "costRate": 60,
            "currency": "EUR", "assignedModel": "User", "assignedId": self._user(number), **self._stamps(),
        }  # fmt: skip

    def timesheet(self, number: int) -> Record:
        entries = self._store.ids("time_entry")
        week = (self._today - EPOCH).days - 7 * (number + 1)
        return {
            "timeEntries": entries[number : number + 1], "dateFrom": week, "dateTo": week + 7,
            "status": ("submitted", "approved")[number % 2], "assignedId": self._user(number), **self._stamps(),
        }  # fmt: skip

    def metric(self, number: int) -> Record:
        company = self._company(number)
        when = day_start(self._today - timedelta(days=1 + number % 30))
        return {
            "_id": self._store.new_id(), "dimensionId": "activeseats", "time": when, "value": 10 + number * 3 % 90,
            "model": "Company", "parentId": company["_id"], "companyId": company["_id"], "companyName": company["name"],
        }  # fmt: skip

    def activity(self, number: int) -> Record:
        person = self._person(number)
        return {
            "_id": self._store.new_id(), "email": person.get("email", f"nobody{number}@unknown.example"),
            "action": ("Created a plan", "Exported a report", "Invited a colleague")[number % 3],
            "date": self._past(14), "weight": 1, "count": 1,
        }  # fmt: skip

    def _company(self, number: int) -> Record:
        return self._companies[number % len(self._companies)]

    def _person(self, number: int) -> Record:
        return self._people[number * 3 % len(self._people)] if self._people else {}

    def _user(self, number: int) -> str | None:
        return self._users[number % len(self._users)] if self._users else None

    def _past(self, days: int) -> str:
        when = moment(day_start(self._today))
        assert when is not None
        back = when - timedelta(minutes=1 + int(self._random.random() * days * 1440))
        return f"{back:%Y-%m-%dT%H:%M}:00.000Z"

    def _stamps(self) -> Record:
        made, changed = sorted((self._past(200), self._past(200)))
        return {"createdAt": made, "updatedAt": changed}


def _of(company: Record) -> Record:
    return {"companyId": company["_id"]}
