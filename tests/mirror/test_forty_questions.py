"""Forty questions give the same answer from the API, from a mirror in SQLite and one in PostgreSQL, and on the command
line; the answer is that of SQL written by hand. `make docs` writes them down with their answers."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

import planhat_orm
from planhat_orm import NPS, Churn, Company, Conversation, License, Opportunity, Planhat, Task, Ticket
from planhat_orm.cli import main
from planhat_orm.emulator import Emulator
from planhat_orm.query.kinds import iso
from planhat_orm.queryset import Groups, QuerySet, queryset
from tests.query.forty import NOW, QUESTIONS, Question
from tests.registry import no_clients

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "questions.md"
MODELS = {
    "C": Company, "L": License, "V": Conversation, "P": NPS, "T": Ticket, "K": Task, "O": Opportunity, "H": Churn
}  # fmt: skip


class _Then(datetime):
    """The moment as of which everything is asked."""

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return NOW.astimezone(tz)


@dataclass(frozen=True)
class Tenants:
    folder: Path
    url: str
    sources: dict[str, Planhat]


@pytest.fixture(scope="module")
def tenants(postgres: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    folder = tmp_path_factory.mktemp("forty")
    with Emulator(companies=100) as emulator, no_clients():
        made = {
            name: Planhat(
                emulator.api_token, emulator.tenant_token, api_url=emulator.url, analytics_url=emulator.url,
                calls_per_min=1e9, scan="allow", mirror=mirror, read="api" if mirror is None else "mirror",
            )
            for name, mirror in (("API", None), ("SQLite", folder / "planhat.db"), ("PostgreSQL", postgres()))
        }  # fmt: skip
        for name in ("SQLite", "PostgreSQL"):
            made[name].sync()
        yield Tenants(folder, emulator.url, made)
        for client in made.values():
            client.close()


def plain(value: Any) -> Any:
    """A value as all readings and SQL give it."""
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, date):
        return value.isoformat()
    return round(float(value), 6) if isinstance(value, (int, float)) else value


def rows_of(made: Any, question: Question) -> list[tuple[Any, ...]]:
    """What a question in Python answers, row by row: ids, or the values of annotations and groups."""
    if isinstance(made, dict):
        return [tuple(map(plain, made.values()))]
    if isinstance(made, Groups):
        return [tuple(map(plain, row.values())) for row in made]
    assert isinstance(made, QuerySet)
    names = ("name", *dict(made._query.annotations)) if "--columns" in question.command else ("id",)
    return [tuple(map(plain, row)) for row in made.values_list(*names)]


def asked(question: Question, client: Planhat) -> list[tuple[Any, ...]]:
    names = {name: getattr(planhat_orm, name) for name in planhat_orm.__all__}
    names |= {letter: model.objects.using(client) for letter, model in MODELS.items()}
    return rows_of(eval(question.python, names), question)


@pytest.mark.parametrize("question", QUESTIONS, ids=[question.text for question in QUESTIONS])
def test_a_question_has_one_answer(
    question: Question, tenants: Tenants, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(queryset, "datetime", _Then)
    found = tenants.sources["SQLite"].mirror.sql(question.sql)
    by_hand = [tuple(map(plain, row)) for row in found.rows]
    for name, client in tenants.sources.items():
        assert asked(question, client) == by_hand, name
    monkeypatch.chdir(tenants.folder)
    monkeypatch.setenv("PLANHAT_CONFIG", "no-profiles.toml")
    columns = [] if "--columns" in question.command or "--by" in question.command else ["--columns", "id"]
    figures = {"--sum", "--by"} & set(shlex.split(question.command))
    more = ["--limit", "0", "--format", "jsonl", "--offline", *([] if figures else columns)]
    with pytest.raises(SystemExit) as stop:
        main(["query", *shlex.split(question.command), *more])
    printed = capsys.readouterr()
    assert stop.value.code == 0, printed.err
    assert [tuple(map(plain, json.loads(line).values())) for line in printed.out.splitlines()] == by_hand


def test_there_are_forty_and_some_of_their_answers_are_long_and_short() -> None:
    assert len(QUESTIONS) == len({question.text for question in QUESTIONS}) == 40


def test_the_page_of_the_questions_is_current(tenants: Tenants) -> None:
    lines = []
    for question in QUESTIONS:
        rows = tenants.sources["SQLite"].mirror.sql(question.sql).rows
        lines.append(f"| {question.text} | {_code(question.python)} | {_code(question.command)} | {_answer(rows)} |")
    page = _HEAD + "\n".join(lines) + "\n"
    if os.environ.get("PLANHAT_WRITE_DOCS"):
        PAGE.write_text(page, "utf-8")
    assert PAGE.read_text("utf-8") == page, "docs/reference/questions.md is old: make docs"


def _code(text: str) -> str:
    return f"`{text}`"


def _answer(rows: list[tuple[Any, ...]]) -> str:
    if not rows:
        return "none"
    if len(rows[0]) == 1 and isinstance(rows[0][0], str):
        return f"{len(rows)}, the first is {rows[0][0]}" if len(rows) > 1 else f"1: {rows[0][0]}"
    shown = ", ".join(
        "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value) for value in rows[0]
    )
    return shown if len(rows) == 1 else f"{len(rows)} rows, the first {shown}"


_HEAD = """# Forty questions

What is asked every week: in Python, on the command line (after `planhat query`), and the answer on the tenant of
`planhat emulator --companies 100 --now 2026-06-01`. `C` is `Company.objects`, `L` of licences, `V` of conversations, `P` of NPS answers, `T` of tickets,
`K` of tasks, `O` of opportunities and `H` of churns. A test asks each of the API, of a mirror in SQLite, of one in PostgreSQL and on the command
line, and holds the answer against SQL written by hand. How they are made: [ask questions](../how-to/questions.md).

| question | Python | command | answer |
|---|---|---|---|
"""
