"""What each verb costs in requests, counted in the emulator's log; docs/reference/costs.md is what was counted."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from planhat_orm import Company, Count, Enduser, License, Model, Planhat, QuerySet, Sum
from planhat_orm.emulator import Emulator
from planhat_orm.queryset import Groups, Values, ValuesList

from ..test_surface import ONLY_ASYNC, verbs

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "costs.md"
COMPANIES, ENDUSERS, LICENSES = 300, 4500, 900
EVERYTHING = "for"


@dataclass(frozen=True)
class Verb:
    """One line of the table: a method, what it is called on, and with what; both are made before anything counts."""

    name: str
    text: str
    requests: int
    cost: str
    on: Callable[[], Any]
    args: tuple[Any, ...] = ()
    values: dict[str, Any] = field(default_factory=dict)

    def ready(self) -> tuple[Any, dict[str, Any]]:
        """What to call it on, and the named arguments."""
        return self.on(), {name: value() if callable(value) else value for name, value in self.values.items()}

    def call(self, target: Any, values: dict[str, Any]) -> None:
        found = target if self.name == EVERYTHING else getattr(target, self.name)(*self.args, **values)
        if self.name in (EVERYTHING, "iterator"):
            list(found)

    async def acall(self, target: Any, values: dict[str, Any]) -> None:
        if self.name == EVERYTHING:
            async for _ in target:
                pass
            return
        found = getattr(target, f"a{self.name}")(*self.args, **values)
        if inspect.isasyncgen(found):
            async for _ in found:
                pass
        else:
            await found


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Emulator, Planhat, Planhat]]:
    mirror = tmp_path_factory.mktemp("costs") / "planhat.db"
    with Emulator(companies=COMPANIES, endusers=ENDUSERS, licenses=LICENSES, conversations=0, tasks=0) as emulator:
        mirrored = Planhat(api_url=emulator.url, api_token="test-token", scan="allow", mirror=mirror, calls_per_min=1e6)
        mirrored.sync(Company, License)
        # Without a mirror, so that reads and writes cost what they cost by themselves.
        with Planhat(api_url=emulator.url, api_token="test-token", scan="allow", calls_per_min=1e6) as plain:
            yield emulator, plain, mirrored
        mirrored.close()


def table(planhat: Planhat, mirrored: Planhat) -> Iterator[Verb]:
    companies = list(Company.objects.all())
    company = companies[0]
    ids = [company.id for company in companies]
    keys = [company.external_id for company in companies if company.external_id]
    numbers = count(1)

    def objects(model: type[Model] = Company) -> Callable[[], QuerySet[Any]]:
        return lambda: model.objects

    def changed(model: type[Model], many: int, name: str) -> Callable[[], list[Any]]:
        def make() -> list[Any]:
            records = list(model.objects.all()[:many])
            for record in records:
                setattr(record, name, f"Moved {next(numbers)}")
            return records

        return make

    def new(**values: Any) -> Any:
        return Company(name="New", external_id=f"new-{next(numbers)}", **values)

    def key() -> str:
        return f"cost-{next(numbers)}"

    def one_changed() -> Any:
        return changed(Company, 1, "phase")()[0]

    def kept() -> Any:
        return Company.objects.create(name="To delete")

    yield Verb("get", "`get(id)`", 1, "one", objects(), (company.id,))
    yield Verb("get", '`get(external_id="...")`', 1, "one", objects(), (), {"external_id": keys[0]})
    yield Verb(
        "get", '`get(name="...")`', 2, "pages, until a second one turns up", objects(), (), {"name": company.name}
    )
    yield Verb("get_or_none", "`get_or_none(id)`", 1, "one", objects(), ("0" * 24,))
    yield Verb(
        EVERYTHING,
        "`for company in Company.objects.all()`, 300 rows, a page is 5,000",
        2,
        "the page, and beside it one to prove the end",
        lambda: Company.objects.all(),
    )
    yield Verb(
        EVERYTHING,
        "`for contact in Enduser.objects.all()`, 4,500 rows, a page is 2,000",
        4,
        "ceil(rows/page), and one to prove the end",
        lambda: Enduser.objects.all(),
    )
    yield Verb("iterator", "`iterator()`", 4, "the same", objects(Enduser))
    yield Verb(
        EVERYTHING,
        "`for company in filter(mrr__gt=1)`",
        2,
        "the same pages: the API cannot filter by it",
        lambda: Company.objects.filter(mrr__gt=1),
    )
    yield Verb(
        EVERYTHING,
        "`for company in queryset[:10]`",
        1,
        "one where nothing is filtered here",
        lambda: Company.objects.all()[:10],
    )
    yield Verb(
        EVERYTHING,
        "`for licence in company.licenses`",
        2,
        "its page, and beside it one to prove the end; three where there is one licence",
        lambda: company.licenses,
    )
    yield Verb(
        EVERYTHING,
        '`for licence in filter(company__status="customer")`',
        4,
        "the pages of both lists",
        lambda: License.objects.filter(company__status="customer"),
    )
    yield Verb(
        EVERYTHING,
        '`for licence in filter(company__status="customer", company__h__lte=3)`',
        4,
        "the same: the companies are read once",
        lambda: License.objects.filter(company__status="customer", company__h__lte=3),
    )
    yield Verb(
        EVERYTHING,
        '`for licence in prefetch_related("company")`',
        4,
        "the pages of both: the companies come once",
        lambda: License.objects.prefetch_related("company"),
    )
    yield Verb("first", "`first()`", 1, "one where nothing is filtered or sorted here", objects())
    yield Verb("last", "`last()`", 2, "all pages", objects())
    yield Verb("earliest", '`earliest("create_date")`', 2, "all pages", objects(), ("create_date",))
    yield Verb("latest", '`latest("create_date")`', 2, "all pages", objects(), ("create_date",))
    yield Verb("count", "`count()`", 4, "all pages, ids only", objects(Enduser))
    yield Verb("exists", "`exists()`", 1, "one where nothing is filtered here", objects())
    yield Verb("in_bulk", "`in_bulk()` of 3 ids", 3, "one each", objects(), (ids[:3],))
    yield Verb("in_bulk", "`in_bulk()` of 80 ids", 1, "one list by ids", objects(), (ids[:80],))
    yield Verb("in_bulk", "`in_bulk()` of 240 ids", 1, "the list, until all are found", objects(), (ids[:240],))
    yield Verb(
        "in_bulk",
        '`in_bulk(key="external_id")` of 3 ids',
        3,
        "one each",
        objects(),
        (keys[:3],),
        {"key": "external_id"},
    )
    yield Verb(
        "in_bulk",
        '`in_bulk(key="external_id")` of 80 ids',
        2,
        "all pages",
        objects(),
        (keys[:80],),
        {"key": "external_id"},
    )
    yield Verb(
        "aggregate",
        '`aggregate(total=Sum("mrr"))`',
        2,
        "all pages, that field only",
        objects(License),
        (),
        {"t": Sum("mrr")},
    )
    yield Verb(
        "aggregate",
        '`group_by("phase").aggregate(n=Count())`',
        2,
        "all pages, those fields only",
        lambda: Company.objects.group_by("phase"),
        (),
        {"n": Count()},
    )
    yield Verb(
        EVERYTHING,
        '`group_by("owner").annotate(n=Count())`',
        4,
        "all pages, those fields only, and the users once for their names",
        lambda: Company.objects.group_by("owner").annotate(n=Count()),
    )
    for verb in ("count", "first", "to_arrow", "to_polars", "to_pandas"):
        yield Verb(
            verb,
            f'`group_by("phase").annotate(n=Count()).{verb}()`',
            2,
            "all pages, those fields only",
            lambda: Company.objects.group_by("phase").annotate(n=Count()),
        )
    yield Verb(
        EVERYTHING,
        '`annotate(n=Count("licenses"))`',
        4,
        "all pages, and those of the related list once",
        lambda: Company.objects.annotate(n=Count("licenses")),
    )
    yield Verb(
        EVERYTHING,
        '`for row in values("name")`',
        2,
        "all pages, that field only",
        lambda: Company.objects.values("name"),
    )
    yield Verb("count", '`values("name").count()`', 2, "as `count()`", lambda: Company.objects.values("name"))
    yield Verb("first", '`values_list("name").first()`', 1, "as `first()`", lambda: Company.objects.values_list("name"))
    for frame in ("to_arrow", "to_polars", "to_pandas"):
        yield Verb(frame, f"`{frame}()`", 2, "all pages", lambda: Company.objects.only("name"))
        text = f'`values("name").{frame}()`'
        yield Verb(frame, text, 2, "all pages, those fields only", lambda: Company.objects.values("name"))
    yield Verb("create", "`create()` without a key", 1, "one POST", objects(), (), {"name": "No key"})
    yield Verb(
        "create",
        '`create(external_id="...")`',
        2,
        "one GET for the key, one POST",
        objects(),
        (),
        {"name": "x", "external_id": key},
    )
    yield Verb(
        "get_or_create", "`get_or_create()` of one that exists", 1, "one GET", objects(), (), {"external_id": keys[0]}
    )
    yield Verb(
        "get_or_create",
        "`get_or_create()` of a new one",
        3,
        "one GET, and `create()` by key",
        objects(),
        (),
        {"external_id": key, "defaults": {"name": "x"}},
    )
    yield Verb(
        "update_or_create",
        '`update_or_create(external_id="...")`',
        1,
        "one bulk upsert; one more GET for the id where nothing changed",
        objects(),
        (),
        {"external_id": key, "defaults": {"name": "x"}},
    )
    for verb, rows in (
        ("bulk_upsert", lambda: [{"external_id": key(), "name": "x"} for _ in range(100)]),
        ("bulk_create", lambda: [new() for _ in range(100)]),
        ("bulk_update", changed(Company, 100, "phase")),
    ):
        argument = "records" if verb != "bulk_upsert" else "rows"
        yield Verb(verb, f"`{verb}()` of 100 rows", 1, "ceil(rows/5,000)", objects(), (), {argument: rows})
    yield Verb(
        "reconcile",
        '`reconcile(rows, key="external_id")`',
        2,
        "all pages; `apply()` then ceil(changed/5,000)",
        objects(),
        (),
        {"rows": [{"external_id": keys[0], "phase": "x"}], "key": "external_id"},
    )
    yield Verb(
        "update",
        "`update(phase=...)`",
        3,
        "all pages, then ceil(changed/5,000)",
        objects(),
        (),
        {"phase": lambda: f"Moved {next(numbers)}"},
    )

    def doomed() -> QuerySet[Any]:
        name = f"Doomed {next(numbers)}"
        Company.objects.bulk_create([Company(name=name, external_id=key()) for _ in range(4)])
        return Company.objects.filter(name=name)

    yield Verb("delete", "`queryset.delete()` of 4", 6, "all pages, then one DELETE each", doomed)
    yield Verb("save", "`record.save()` of a change", 1, "one PUT", one_changed)
    yield Verb("save", "`record.save()` with nothing changed", 0, "none", lambda: company)
    yield Verb("save", "`record.save()` of a new one with a key", 2, "one GET for the key, one POST", new)
    yield Verb(
        "save",
        '`record.save(on_conflict="raise")`',
        2,
        "one GET of the changed fields, one PUT",
        one_changed,
        (),
        {"on_conflict": "raise"},
    )
    yield Verb("refresh", "`record.refresh()`", 1, "one GET", lambda: company)
    yield Verb("delete", "`record.delete()`", 1, "one DELETE", kept)
    yield Verb(
        "merge", "`merge(keep, other)`, its plan", 62, "both, and the whole list of each model that refers to companies",
        objects(), (companies[0], companies[1]),
    )  # fmt: skip
    yield Verb(
        "save_all",
        "`planhat.save_all(records)`, or a batch, of 4,500 changed",
        1,
        "ceil(changed/5,000) for each model",
        lambda: planhat,
        (),
        {"objects": changed(Enduser, 4500, "position")},
    )
    yield Verb(
        EVERYTHING,
        '`using("mirror")`, whatever it is',
        0,
        "none",
        lambda: License.objects.using(mirrored).using("mirror").filter(company__status="customer"),
    )


def cost(emulator: Emulator, act: Callable[[], Any]) -> int:
    before = len(emulator.log)
    act()
    return len(emulator.log) - before


def run(planhat: Planhat, task: Coroutine[Any, Any, None]) -> None:
    async def whole() -> None:
        await task
        await planhat.aclose()

    asyncio.run(whole())


def test_every_verb_and_its_twin_cost_what_the_table_says(tenant: tuple[Emulator, Planhat, Planhat]) -> None:
    emulator, planhat, mirrored = tenant
    lines = []
    for verb in table(planhat, mirrored):
        counted = cost(emulator, partial(verb.call, *verb.ready()))
        in_a_task = cost(emulator, partial(run, planhat, verb.acall(*verb.ready())))
        assert (counted, in_a_task) == (verb.requests, verb.requests), verb.text
        lines.append(f"| {verb.text} | {_twin(verb)} | {counted} | {verb.cost} |")
    lines += _by_hand(emulator, planhat)
    page = _page(lines)
    if os.environ.get("PLANHAT_WRITE_DOCS"):
        PAGE.write_text(page, "utf-8")
    assert PAGE.read_text("utf-8") == page, "run make docs"


def _by_hand(emulator: Emulator, planhat: Planhat) -> list[str]:
    """What is no method with a twin of its name."""

    def loop() -> None:
        for licence in License.objects.all():
            assert licence.company.name

    def reverse_loop() -> None:
        assert sum(len(record.licenses) for record in Company.objects.all()) >= LICENSES

    async def loads() -> None:
        found = [record async for record in License.objects.all()]
        await found[0].aload("company")
        assert all(record.company.name for record in found)

    def looks() -> None:
        found = Company.objects.filter(mrr__gt=1).order_by("-mrr").only("name")[:5]
        assert repr(found) and found._repr_html_() and str(found.explain()) and Company(name="x").changes()

    assert cost(emulator, looks) == 0
    assert cost(emulator, loop) == cost(emulator, lambda: run(planhat, loads())) == 4
    assert cost(emulator, reverse_loop) == 6
    return [
        '| `company.licenses` in a loop over all companies | `await company.aload("licenses")` | 6 | '
        "their pages, the first one's licences, and those of all others at once |",
        '| `licence.company` in a loop over 900 licences | `await licence.aload("company")` | 4 | '
        "the licences' pages, and the companies once, for all of them |",
        "| what refines or shows: `filter()`, `only()`, `repr()`, `explain()`, `changes()`, ... | the same | 0 | none |",
    ]


def test_no_verb_is_missing_in_the_table(tenant: tuple[Emulator, Planhat, Planhat]) -> None:
    counted = {verb.name for verb in table(*tenant[1:])}
    known = {name for owner in (QuerySet, Model, Values, ValuesList, Groups) for name in verbs(owner)}
    assert known <= counted, f"{known - counted} cost nobody knows what"
    assert {"aload"} == ONLY_ASYNC


CERTAINTY = [
    ("whether a key is free that a URL takes", "one for each key of the record"),
    ("whether an email of a contact is free", "one list by `email`, one or two pages"),
    ("whether an email of a user, or the `source_id` of a ticket, is free", "the pages of the list, and one"),
    ("whether the keys of up to 50 new records of a push are free", "one for each key"),
    ("whether those of more are", "the pages of the list, and one; up to 50 that it lacks are asked for one by one"),
    ("what became of the rows of a bulk answer without an error", "none"),
    (
        "what became of n rows of which f failed, and the answer does not say which",
        "f(log2(n/f)+2)+1, on most servers two for each; one GET for each row with an `_id` that it does not name; at "
        "most 400, the rest is `unknown`",
    ),
    ("what became of a create whose answer was lost", "up to three looks: one GET with a key, else the newest pages"),
    ("what became of a change or a deletion whose answer was lost", "one GET; `push()` asks"),
    ("whether a page of a sync is older than a write that was acknowledged meanwhile", "one GET a record, 20 at most"),
    (
        "who has a key that changes hands in a batch",
        "one for each such key, and a bulk upsert for each turn, eight at most",
    ),
    ("which keys nobody documents", "one a week for companies, users and conversations, when a sync reads them whole"),
]
"""What no verb costs by itself: what is asked where an answer, a list or a key is in doubt."""


def _twin(verb: Verb) -> str:
    if verb.name == EVERYTHING:
        return "`async for`"
    return f"`a{verb.name}()`"


def _page(lines: list[str]) -> str:
    return "\n".join(
        [
            "# Costs",
            "",
            f"Requests of each verb, counted by a test in the emulator's log on a tenant of {COMPANIES} companies,",
            f"{ENDUSERS:,} contacts and {LICENSES} licences (`make docs` writes this page). A twin costs what its verb costs;",
            "both were counted.",
            "",
            "A list costs ceil(rows/page) requests and one more, sent beside the first, which proves where it ends: servers cut",
            "pages by rows, by bytes or by what a token may see, so neither a short page nor one without anything new is an end.",
            "A list of no record costs two, of one record three. `first()` and `[:n]` cost one where that many came, two or three",
            "where the list has fewer; `exists()` costs one for a yes and three for a no. How a server differs that hides rows or",
            "cuts pages is paid for in requests, never in rows: [lists](../explanation/lists.md).",
            "",
            "| verb | in a task | requests here | in general |",
            "|---|---|---|---|",
            *lines,
            "",
            "## What certainty costs",
            "",
            "Nothing of it is asked where nothing is in doubt: [what may be sent twice](../explanation/exactly-once.md).",
            "",
            "| what is to be known | requests |",
            "|---|---|",
            *(f"| {what} | {requests} |" for what, requests in CERTAINTY),
            "",
        ]
    )
