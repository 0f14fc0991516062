"""The language of questions on the command line: what each text means, and what is said of one that means nothing."""

from __future__ import annotations

import io
import json
import math
import re
from datetime import UTC, date, datetime
from typing import Any

import pyarrow.parquet
import pytest

from planhat_orm import (
    Coalesce,
    Company,
    Count,
    Exists,
    F,
    FieldError,
    Max,
    Q,
    Sum,
    days,
    month_start,
    months,
    quarter_start,
    quarters,
    today,
)
from planhat_orm.cli.asking import condition as asked
from planhat_orm.cli.language import columns, condition, items
from planhat_orm.cli.out import Format, write
from planhat_orm.query.settle import settled

from .conftest import Run
from .test_query import copy, jsonl, shared, synced, tenant  # noqa: F401

MEANINGS: list[tuple[str, Q]] = [
    (
        "status='customer' and mrr>=1000 and renewal_date<today+60d",
        Q(status="customer") & Q(mrr__gte=1000) & Q(renewal_date__date__lt=today() + days(60)),
    ),
    ("status = customer", Q(status="customer")),
    ("phase in ('Live','Renewal')", Q(phase__in=["Live", "Renewal"])),
    ("phase not in (Live, Renewal)", ~Q(phase__in=["Live", "Renewal"])),
    ("name ~ 'acme' or name startswith 'Acme'", Q(name__icontains="acme") | Q(name__startswith="Acme")),
    ("not (h < 4 or csm_score <= 2)", ~(Q(h__lt=4) | Q(csm_score__lte=2))),
    ("renewal_date between today and today+90d", Q(renewal_date__date__range=(today(), today() + days(90)))),
    ("renewal_date <= 2026-12-31", Q(renewal_date__date__lte=date(2026, 12, 31))),
    ("last_touch_time < -30d", Q(last_touch_time__lt=-days(30))),
    ("next_touch is missing and status='customer'", Q(next_touch__isnull=True) & Q(status="customer")),
    ("owner is not missing", ~Q(owner__isnull=True)),
    ("owner.nick_name = 'Ada'", Q(owner__nick_name="Ada")),
    ("tags contains 'vip'", Q(tags__contains="vip")),
    ("tags overlaps ('vip','beta')", Q(tags__overlap=["vip", "beta"])),
    (
        "custom.Tier in ('A','B') and custom.\"Renewal in days\" < 30",
        Q(custom__Tier__in=["A", "B"]) & Q.custom("Renewal in days", lt=30),
    ),
    ('custom."Say ""hi""" = \'O\'\'Brien\'', Q.custom('Say "hi"', "O'Brien")),
    ("mrr*12 > arr + 100", F("mrr") * 12 > F("arr") + 100),
    ("(mrr - renewal_mrr) / mrr > 0.1", (F("mrr") - F("renewal_mrr")) / F("mrr") > 0.1),
    ("arr > renewal_arr", Q(arr__gt=F("renewal_arr"))),
    ("tickets[status='open' and severity='urgent']", Exists("tickets", Q(status="open") & Q(severity="urgent"))),
    ("not conversations[date > -90d]", ~Exists("conversations", Q(date__gt=-days(90)))),
    ("count(tickets[status='open']) >= 5", Count("tickets", filter=Q(tickets__status="open")) >= 5),
    (
        "sum(licenses[product='Core'].mrr) > 2*max(sales.value)",
        Sum("licenses__mrr", filter=Q(licenses__product="Core")) > 2 * Max("sales__value"),
    ),
    (
        "max(conversations.date) < today-60d or count(conversations)=0",
        (Max("conversations__date") < today() - days(60)) | (Count("conversations") == 0),
    ),
    ("month(renewal_date)=12 and year(renewal_date)=2026", Q(renewal_date__month=12) & Q(renewal_date__year=2026)),
    (
        "renewal_date >= quarter_start and renewal_date < quarter_start+1q",
        Q(renewal_date__date__gte=quarter_start()) & Q(renewal_date__date__lt=quarter_start() + quarters(1)),
    ),
    ("coalesce(renewal_mrr, mrr) >= 5000", Coalesce("renewal_mrr", "mrr") >= 5000),
    ("auto_renews and not org_independent", Q(auto_renews=True) & ~Q(org_independent=True)),
    (
        "org_root.custom.Tier = 'A' AND org_root.owner.email endswith '@x.example'",
        Q(org_root__custom__Tier="A") & Q(org_root__owner__email__endswith="@x.example"),
    ),
    (
        "licenses.renewal_date < month_start+1mo and licenses.renewal_status != 'lost'",
        Q(licenses__renewal_date__date__lt=month_start() + months(1)) & ~Q(licenses__renewal_status="lost"),
    ),
    ("licenses[product='Core'].mrr > 100", Exists("licenses", Q(product="Core") & Q(mrr__gt=100))),
    ("1000 <= mrr", Q(mrr__gte=1000)),
    ("external_id = 0012", Q(external_id="0012")),
    ("name iendswith 'AG' and not domains contains acme", Q(name__iendswith="AG") & ~Q(domains__contains="acme")),
    ("h-csm_score*2>=4", F("h") - F("csm_score") * 2 >= 4),
    ("distinct(licenses.product)>=2", Count("licenses__product", distinct=True) >= 2),
]


def tree(queryset: Any) -> Any:
    return settled(queryset._query, datetime(2026, 5, 17, 12, tzinfo=UTC), "UTC").where


@pytest.mark.parametrize(("text", "meant"), MEANINGS, ids=[text for text, _ in MEANINGS])
def test_a_text_means(text: str, meant: Q) -> None:
    assert tree(Company.objects.filter(condition(Company, text))) == tree(Company.objects.filter(meant))
    assert tree(Company.objects.filter(asked(Company, text))) == tree(Company.objects.filter(meant))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("name=Alderbay Analytics", Q(name="Alderbay Analytics")),
        ("name!=Alderbay Analytics", ~Q(name="Alderbay Analytics")),
        ("web=https://a.example/x?y", Q(web="https://a.example/x?y")),
        ("owner__email=a@x.example", Q(owner__email="a@x.example")),
        ("mrr__gte=1000", Q(mrr__gte=1000)),
        ("custom__Reference customer=true", Q.custom("Reference customer", True)),
    ],
)
def test_words_as_they_were_keep_their_meaning(text: str, meant: Q) -> None:
    assert tree(Company.objects.filter(asked(Company, text))) == tree(Company.objects.filter(meant))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mrr like 5", r"position 5: 'like' cannot stand here. Use contains"),
        ("mrr >= 5 adn h < 3", "Did you mean and?"),
        ("mrr__gte >= 1000", "mrr__gte says >=: write mrr >= "),
        ("mrr__gte=1000 and h<5", "mrr__gte says >="),
        ("mrr =< 5", "Use <="),
        ("status = 'a' && mrr > 5", "Use and"),
        ("name = Big Corp and mrr > 5", "quotes"),
        ("name = 'abc", "does not end"),
        ("mrr >", "more is expected here"),
        ("=customer", "Write field=value"),
        ("customer", "is no condition. Write field=value"),
        ("mmr > 5", "Did you mean 'mrr'?"),
        ("mrr in (h, 3+x)", "plain values"),
        ("tickets[statsu='open']", "Did you mean 'status'?"),
        ("name[h>3]", "no relation of Company"),
        ("mrr > 5 / 0", "divides by zero"),
        ("renewal_date > 2026-02-30", "no day or moment"),
        ("auto_renews = perhaps", "takes true or false"),
    ],
)
def test_a_wrong_text_is_answered_with_what_to_write(text: str, said: str) -> None:
    with pytest.raises(
        FieldError if "true or" not in said and "zero" not in said and "day" not in said else Exception,
        match=re.escape(said),
    ):
        Company.objects.filter(asked(Company, text))


def test_parts_of_lists_are_whole_in_quotes_and_brackets() -> None:
    assert items(["name,trunc(a,'b'),x", 'custom."a,b"']) == ["name", "trunc(a,'b')", "x", 'custom."a,b"']
    (n, tier) = columns(Company, "n:count(tickets[status='open']),custom.Tier")
    assert (n.name, tier.value) == ("n", "custom.Tier")


def test_a_wrong_place_is_pointed_at(synced: Run) -> None:  # noqa: F811
    shown = synced("query", "Company", "mrr like 5")
    assert shown.code == 2
    assert shown.err.splitlines()[1:] == ["  mrr like 5", "      ^"]


def test_a_whole_question(synced: Run) -> None:  # noqa: F811
    rows = jsonl(
        synced(
            "query", "status='customer' and mrr>=500", "--columns", "name,custom.Tier,n:count(licenses),y:mrr*12",
            "--order", "-n,name", "--limit", "5", "--format", "jsonl",
        )
    )  # fmt: skip
    assert [list(row) for row in rows] == [["name", "custom.Tier", "n", "y"]] * 5
    assert [row["n"] for row in rows] == sorted((row["n"] for row in rows), reverse=True)  # type: ignore[type-var]


def test_groups_with_conditions_an_order_and_a_limit(synced: Run) -> None:  # noqa: F811
    ask = ["query", "License", "--by", "product", "--sum", "mrr", "--count"]
    every = jsonl(synced(*ask, "--format", "jsonl"))
    bound = sorted(row["sum_mrr"] for row in every)[0]  # type: ignore[type-var]
    some = jsonl(
        synced(*ask, "--having", f"sum_mrr>{bound}", "--order", "-sum_mrr", "--limit", "1", "--format", "jsonl")
    )
    assert some == [max(every, key=lambda row: row["sum_mrr"])]  # type: ignore[arg-type, return-value]
    by_month = jsonl(synced("query", "--by", "m:trunc(renewal_date,'month')", "--sum", "arr", "--format", "jsonl"))
    assert list(by_month[0]) == ["m", "sum_arr"]
    assert "--by says which" in synced("query", "License", "--having", "count>1").err


@pytest.mark.parametrize("quoted", ["custom.'Next review day'", '"custom.Next review day"'])
def test_a_label_in_quotes_is_a_column_without_them_and_sorts(synced: Run, quoted: str) -> None:  # noqa: F811
    label, form = "custom.Next review day", ("--limit", "0", "--format", "jsonl")
    shown = jsonl(synced("query", "Company", "--columns", f"name,{quoted}", "--order", f"-{quoted}", *form))
    assert list(shown[0]) == ["name", label]
    days = [row[label] for row in shown if row[label] is not None]
    assert days and days == sorted(days, reverse=True)  # type: ignore[type-var]
    (last,) = {name for name in jsonl(synced("query", "--order", f"-{quoted}", *form))[0] if "Next review day" in name}
    assert last in (label, "custom__Next review day")


def test_a_table_in_markdown(synced: Run) -> None:  # noqa: F811
    ask = ["query", "Company", "--columns", "name,mrr,tags", "--limit", "2", "--format"]
    lines = synced(*ask, "md").out.splitlines()
    assert lines[:2] == ["| name | mrr | tags |", "| --- | --- | --- |"] and len(lines) == 4


def test_parquet_is_a_table(synced: Run) -> None:  # noqa: F811
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "planhat_orm.cli", "query", "Company", "--columns", "name,mrr,tags", "--limit", "2",
         "--format", "parquet"],
        capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    table = pyarrow.parquet.read_table(io.BytesIO(done.stdout))
    assert table.column_names == ["name", "mrr", "tags"] and table.num_rows == 2


def test_parquet_takes_columns_of_values_that_do_not_agree(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    columns: dict[str, list[Any]] = {
        "lists": [[], [{"a": 1}], None, ["x"]],
        "texts": [["x"], None, [], ["y", "z"]],
        "mixed": [1, "a", True, datetime(2026, 1, 31, tzinfo=UTC)],
        "numbers": [1, 2.5, None, -1],
        "flags": [True, None, 1, 0.5],
        "great": [2**70, 1, None, 2.5],
        "objects": [{"b": 1, "a": math.inf}, None, "x", []],
    }
    rows = [{name: values[place] for name, values in columns.items()} for place in range(4)]
    write(rows, list(columns), Format.parquet)
    table = pyarrow.parquet.read_table(io.BytesIO(capfdbinary.readouterr().out))
    assert table.to_pydict() == {
        "lists": ["[]", '[{"a": 1}]', None, '["x"]'],
        "texts": [["x"], None, [], ["y", "z"]],
        "mixed": ["1", "a", "true", "2026-01-31T00:00:00.000Z"],
        "numbers": [1.0, 2.5, None, -1.0],
        "flags": ["true", None, "1", "0.5"],
        "great": [str(2**70), "1", None, "2.5"],
        "objects": ['{"b": 1, "a": null}', None, "x", "[]"],
    }


def test_a_figure_over_a_model_that_the_mirror_lacks_is_asked_of_planhat(synced: Run) -> None:  # noqa: F811
    shown = synced("query", "count(tickets[status='open'])>=1", "--columns", "name", "--format", "json")
    assert shown.code == 0 and "From http" in shown.err
    assert json.loads(shown.out)


def test_sql_of_ones_own(synced: Run) -> None:  # noqa: F811
    ask = "select name, mrr from v_company where mrr > :least order by mrr desc"
    rows = jsonl(synced("sql", ask, "--param", "least=500", "--limit", "2", "--format", "jsonl"))
    assert [list(row) for row in rows] == [["name", "mrr"]] * 2
    assert "This reads" in synced("sql", "delete from company").err
    assert "--param takes name=value" in synced("sql", "select 1", "--param", "x").err


@pytest.mark.parametrize("label", ["Go-live", "R&D spend", "A-b-c d"])
@pytest.mark.parametrize("lookup", ["", "__gte"])
def test_a_label_with_a_sign_in_it_is_no_difference(label: str, lookup: str) -> None:
    for start in ("custom.", "custom__"):
        meant = Q(**{f"{start}{label}{lookup}": "x"})
        assert tree(Company.objects.filter(asked(Company, f"{start}{label}{lookup}=x"))) == tree(
            Company.objects.filter(meant)
        )
        assert tree(Company.objects.filter(asked(Company, f"{start}{label}{lookup}!=x"))) == tree(
            Company.objects.filter(~meant)
        )
    with pytest.raises(FieldError, match="quote the label"):
        asked(Company, f"custom.{label}{lookup}=x and mrr>5")
    apart = "custom.Seats - mrr = 4"
    assert tree(Company.objects.filter(asked(Company, apart))) == tree(
        Company.objects.filter(condition(Company, apart))
    )
