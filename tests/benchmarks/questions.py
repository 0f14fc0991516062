"""The forty questions on a mirror, against SQL written by hand: the statements, asked of one database in turn."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec

import planhat_orm
from planhat_orm import NPS, Churn, Company, Conversation, License, Opportunity, Planhat, Task, Ticket
from planhat_orm.emulator import Emulator
from planhat_orm.mirror.db import fork_gate, sqlite_functions, state
from planhat_orm.mirror.db.layout import layout_for
from planhat_orm.mirror.db.store import Store
from planhat_orm.mirror.reading.source import MirrorSource, _statement
from planhat_orm.queryset import Groups, QuerySet, queryset
from tests.query.forty import NOW, QUESTIONS, Question

from .measure import Line, Scale, medians

MODELS = {
    "C": Company, "L": License, "V": Conversation, "P": NPS, "T": Ticket, "K": Task, "O": Opportunity, "H": Churn
}  # fmt: skip
KEPT = ("user", "custom_field", "product")
"""Resources of which there are as many in a large tenant as in a small one."""
COPIED = ("company", "license", "enduser", "conversation", "ticket", "task", "nps", "opportunity", "churn")
MUST = 1.3
_SAMPLE = 200
pages = MirrorSource.pages
_IDS = re.compile(r"(?<![0-9a-f])[0-9a-f]{24}(?![0-9a-f])")
_APART = 1_000
"""Seconds between the ids of a copy and those of the next: more than the sample spans, so that ids grow as they would."""


def run(scale: Scale) -> Iterator[Line]:
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder) / "mirror.db"
        with Planhat("test-token", mirror=where, read="mirror", calls_per_min=1e9) as planhat:
            _fill(planhat, scale.rows)
            with closing(fork_gate.connect(where)) as connection:
                sqlite_functions.register(connection)
                connection.execute("ANALYZE")
                for question in QUESTIONS:
                    yield _line(question, planhat, connection, scale.times)


def _line(question: Question, planhat: Planhat, connection: Any, times: int) -> Line:
    text, values = _compiled(question, planhat)
    sql = with_ids(question.sql)

    def ours() -> object:
        return connection.execute(text, values).fetchall()

    def by_hand() -> object:
        return connection.execute(sql).fetchall()

    mine, hand = medians(times, ours, by_hand)
    return Line(question.text, mine, mine / hand, "SQL by hand", must=MUST)


def with_ids(sql: str) -> str:
    """SQL by hand that gives records as the library does: each with its id, by which it is known."""
    return re.sub(r"(?<=\bselect )c\.name,", "c.id, c.name,", sql)


def _compiled(question: Question, planhat: Planhat) -> tuple[str, tuple[Any, ...]]:
    """The library's statement for a question, with its parameters; of records it selects what the SQL by hand does."""

    class Then(queryset.datetime):  # type: ignore[name-defined, misc]
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return NOW.astimezone(tz)

    names = {name: getattr(planhat_orm, name) for name in planhat_orm.__all__}
    names |= {letter: model.objects.using(planhat) for letter, model in MODELS.items()}
    with patch.object(queryset, "datetime", Then):
        asked: list[Any] = []

        def note(source: MirrorSource, query: Any) -> Any:
            asked.append(query)
            return pages(source, query)

        with patch.object(MirrorSource, "pages", note), patch.object(MirrorSource, "records", note):
            made = eval(question.python, names)
            if isinstance(made, QuerySet):
                made = made.only(*(("name",) if "--columns" in question.command else ("id",)))
            if isinstance(made, (QuerySet, Groups)):
                made.first()
        query = asked[0].changed(start=0, stop=None)
    database = planhat.mirror.database
    with database.reading() as connection:
        statement = _statement(planhat.mirror.source._reader(connection, query), query)
    compiled: Any = statement.compile(dialect=database.engine.dialect, compile_kwargs={"render_postcompile": True})
    return str(compiled), tuple(compiled.params[name] for name in compiled.positiontup)


def _fill(planhat: Planhat, rows: int) -> None:
    """A tenant of so many companies, made of copies of a small one."""
    few = min(rows, _SAMPLE)
    with Emulator(
        companies=few,
        licenses=3 * few,
        endusers=few,
        conversations=few,
        tasks=few,
        tickets=3 * few,
        nps=few,
        opportunities=few,
        churn=few,
    ) as emulator:
        sample = {name: list(map(msgspec.json.encode, emulator.store.all(name))) for name in (*KEPT, *COPIED)}
    kept = {id for name in KEPT for line in sample[name] for id in _IDS.findall(line.decode())}
    with planhat.mirror.database.writing() as connection:
        for name, lines in sample.items():
            store = Store(connection, layout_for(name))
            for copy in range(1 if name in KEPT else rows // few):
                store.put([_copied(line.decode(), copy, kept) for line in lines], hashes={})
            state.save(connection, state.State(name, complete=True))


def _copied(line: str, copy: int, kept: set[str]) -> dict[str, Any]:
    def other(found: re.Match[str]) -> str:
        return found[0] if found[0] in kept else f"{int(found[0][:8], 16) + copy * _APART:08x}{found[0][8:]}"

    record: dict[str, Any] = msgspec.json.decode(_IDS.sub(other, line))
    return record
