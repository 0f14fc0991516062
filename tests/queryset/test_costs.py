"""What each verb costs in requests, counted in the emulator's log; docs/reference/costs.md is what was counted."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from planhat_orm import Company, Enduser, License, Planhat, Sum, User
from planhat_orm.emulator import Emulator

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "costs.md"
COMPANIES, ENDUSERS, LICENSES = 300, 4500, 900

Verb = tuple[str, str, Callable[[], Any]]


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Emulator, Planhat]]:
    mirror = tmp_path_factory.mktemp("costs") / "planhat.db"
    with Emulator(companies=COMPANIES, endusers=ENDUSERS, licenses=LICENSES, conversations=0, tasks=0) as emulator:
        planhat = Planhat(api_url=emulator.url, api_token="test-token", scan="allow", mirror=mirror)
        planhat.sync(Company, License)
        planhat.close()
        # Without a mirror, so that reads and writes cost what they cost by themselves.
        with Planhat(api_url=emulator.url, api_token="test-token", scan="allow") as plain:
            plain.mirrored = planhat  # type: ignore[attr-defined]
            yield emulator, plain
        planhat.close()


def verbs(planhat: Planhat) -> Iterator[Verb]:
    company = Company.objects.order_by("name")[0]
    ids = [one.id for one in Company.objects.all()]
    key = next(one.external_id for one in Company.objects.all() if one.external_id)

    def save() -> None:
        company.phase = "Saved"
        company.save()

    def save_again() -> None:
        company.save()

    def many(number: int) -> Callable[[], Any]:
        records = list(Enduser.objects.all())[:number]

        def send() -> None:
            for one in records:
                one.position = "Moved"
            planhat.save_all(records)

        return send

    def loop() -> None:
        for licence in License.objects.all():
            assert licence.company.name

    def reverse_loop() -> None:
        assert sum(len(one.licenses) for one in Company.objects.all()) == 900

    yield (
        "`Company.objects.filter(...)`, `repr()`, `explain()`",
        "none",
        lambda: Company.objects.filter(mrr=1).explain(),
    )
    yield "`get(id)`", "one", lambda: Company.objects.get(company.id)
    yield '`get(external_id="...")`', "one", lambda: Company.objects.get(external_id=key)
    yield (
        "`list(Company.objects.all())`, 300 rows, a page is 5,000",
        "the page, and one to prove the end",
        lambda: list(Company.objects.all()),
    )
    yield (
        "`list(Enduser.objects.all())`, 4,500 rows, a page is 2,000",
        "ceil(rows/page): the last page is shorter",
        lambda: list(Enduser.objects.all()),
    )
    yield "`filter(...)` that the API cannot express", "the same pages", lambda: list(Company.objects.filter(mrr__gt=1))
    yield "`company.licenses`", "its page, and one to prove the end", lambda: list(company.licenses)
    yield "`Company.objects.all()[:10]`", "one", lambda: list(Company.objects.all()[:10])
    yield "`first()`", "one", lambda: Company.objects.first()
    yield "`exists()`", "one", lambda: Company.objects.exists()
    yield "`count()`", "all pages, ids only", lambda: Enduser.objects.count()
    yield '`aggregate(total=Sum("mrr"))`', "all pages, that field only", lambda: License.objects.aggregate(t=Sum("mrr"))
    yield "`in_bulk()` of 3 ids", "one each", lambda: Company.objects.in_bulk(ids[:3])
    yield "`in_bulk()` of 80 ids", "one list by ids", lambda: Company.objects.in_bulk(ids[:80])
    yield "`in_bulk()` of 240 ids", "the list, until all are found", lambda: Company.objects.in_bulk(ids[:240])
    yield "`licence.company` in a loop over 900 licences", "their pages, and the companies once", loop
    yield (
        "`company.licenses` in a loop over 300 companies",
        "their pages, the first one's licences, and those of all others at once",
        reverse_loop,
    )
    yield (
        '`License.objects.prefetch_related("company")`',
        "the same",
        lambda: list(License.objects.prefetch_related("company")),
    )
    yield (
        '`filter(company__status="customer")`',
        "the companies' pages, then the licences'",
        lambda: list(License.objects.filter(company__status="customer")),
    )
    yield "`save()` of one change", "one PUT", save
    yield "`save()` with nothing changed", "none", save_again
    yield "`create()` without a key", "one POST", lambda: Company.objects.create(name="No key")
    yield (
        '`create(external_id="...")`',
        "one GET for the key, one POST",
        lambda: Company.objects.create(name="Keyed", external_id="cost-1"),
    )
    yield (
        '`update_or_create(external_id="...")`',
        "one bulk upsert",
        lambda: Company.objects.update_or_create(external_id="cost-2", defaults={"name": "Upserted"}),
    )
    yield "`save_all()` or a batch of 4,500 changed", "ceil(rows/5,000)", many(4500)
    yield "`refresh()`", "one GET", lambda: company.refresh()
    yield "`delete()`", "one DELETE", lambda: Company.objects.get(external_id="cost-1").delete()
    yield (
        '`using("mirror")`, whatever it is',
        "none",
        lambda: list(
            License.objects.using(planhat.mirrored).using("mirror").filter(company__status="customer")  # type: ignore[attr-defined]
        ),
    )
    yield "`User.objects.all()`", "the page, and one to prove the end", lambda: list(User.objects.all())


EXPECTED = [0, 1, 1, 2, 3, 2, 2, 1, 1, 1, 3, 2, 3, 1, 1, 3, 6, 3, 4, 1, 0, 1, 2, 1, 1, 1, 2, 0, 2]


def test_every_verb_costs_what_the_table_says(tenant: tuple[Emulator, Planhat]) -> None:
    emulator, planhat = tenant
    counted = []
    for verb, cost, call in verbs(planhat):
        before = len(emulator.log)
        call()
        counted.append((verb, len(emulator.log) - before, cost))
    assert [number for _, number, _ in counted] == EXPECTED
    page = _page(counted)
    if os.environ.get("PLANHAT_WRITE_DOCS"):
        PAGE.write_text(page, "utf-8")
    assert PAGE.read_text("utf-8") == page, "run make docs"


def _page(rows: list[tuple[str, int, str]]) -> str:
    return "\n".join(
        [
            "# Costs",
            "",
            f"Requests of each verb, counted by a test in the emulator's log on a tenant of {COMPANIES} companies,",
            f"{ENDUSERS:,} contacts and {LICENSES} licences (`make docs` writes this page). A list that fits into one page costs a",
            "second request, which proves that it ended: servers cap pages, and a short page alone proves nothing.",
            "",
            "| verb | requests here | in general |",
            "|---|---|---|",
            *(f"| {verb} | {number} | {cost} |" for verb, number, cost in rows),
            "",
        ]
    )
