"""Search stays in step with the rows, means the same in both databases, and takes any words."""

from __future__ import annotations

import random
import sqlite3
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from planhat_orm.mirror import Mirror
from planhat_orm.mirror.db import state
from planhat_orm.mirror.db.layout import layout_for
from planhat_orm.mirror.db.store import Store
from planhat_orm.mirror.sharing.search import check_statement, columns
from planhat_orm.models.resources import Conversation, Note
from tests.scale import LONG, sized

Row = dict[str, Any]
STEPS = sized(300, 10_000)
WORDS = [
    "renewal", "Renewals", "risk", "ÄRGER", "ärger", "café", "cafe\u0301", "Straße", "ελλάδα", "ЁЛКА", "5", "1e5",
    "acme.com", "zoe@acme.com", "e-mail", "a_b", "x/y", "R&amp;D", "<b>bold</b>", "<p class=\"renewal\">", "🙂", "it's",
]  # fmt: skip
ASKED = ["renew", "risk", "arger", "Ärger", "cafe", "CAFÉ", "strasse", "straße", "Ελλάδα", "ёлка", "5", "1e", "acme",
         "com", "zoe", "mail", "b", "r d", "bold", "class", "p", "renewal risk", "e-mail", "zoe@acme.com", "it's"]  # fmt: skip


def put(mirror: Mirror, name: str, rows: list[Row], gone: list[str] | None = None) -> None:
    with mirror.database.writing() as connection:
        if not state.load(connection, name).complete:
            state.save(connection, state.State(name, complete=True))
        store = Store(connection, layout_for(name), postgres=mirror.database.postgres)
        store.put(rows)
        store.put([], gone or [])


class Text(HTMLParser):
    """What a reader sees of a text."""

    def __init__(self, marked: str) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.feed(marked)
        self.close()

    def handle_data(self, data: str) -> None:
        self.parts.append(data)

    def tokens(self) -> list[str]:
        text = unicodedata.normalize("NFD", " ".join(self.parts)).lower()
        letters = "".join(letter for letter in text if not unicodedata.combining(letter))
        return "".join(letter if letter.isalnum() else " " for letter in letters).split()


def vacuum(mirror: Mirror) -> None:
    """As anybody can from outside: in SQLite it may give rows other numbers."""
    if mirror.database.postgres:
        with mirror.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("VACUUM")
    else:
        with closing(sqlite3.connect(str(mirror.database.path))) as connection:
            connection.execute("VACUUM")


def scan(rows: dict[str, Row], words: str) -> set[str]:
    asked = Text(words).tokens()
    found = set()
    for id, row in rows.items():
        tokens = [token for key in ("name", "description") for token in Text(row.get(key) or "").tokens()]
        if asked and all(any(token.startswith(word) for token in tokens) for word in asked):
            found.add(id)
    return found


def test_search_finds_what_a_scan_of_all_rows_finds_after_any_writes(either: Mirror) -> None:
    chance = random.Random(1)
    rows: dict[str, Row] = {}
    put(either, "company", [])
    either.search("x")
    done = 0
    while done < STEPS:
        changed, gone = {}, []
        for _ in range(chance.randrange(1, 40)):
            done += 1
            id = f"c{chance.randrange(120)}"
            if id in rows and id not in changed and chance.random() < 0.3:
                del rows[id]
                gone.append(id)
            elif id not in gone:
                texts = [" ".join(chance.choices(WORDS, k=chance.randrange(4))) for _ in range(2)]
                changed[id] = rows[id] = {"_id": id, "name": texts[0], "description": texts[1], "mrr": done}
        put(either, "company", list(changed.values()), gone)
        if chance.random() < 0.08:
            vacuum(either)
    for words in ASKED:
        assert {hit.id for hit in either.search(words, limit=1000)} == scan(rows, words), words
    assert len(scan(rows, "renew")) > 5
    if not either.database.postgres:
        with either.database.writing() as connection:
            connection.exec_driver_sql(check_statement(layout_for("company")))


def test_titles_weigh_more_and_the_words_are_marked(either: Mirror) -> None:
    filler = " ".join(f"w{n}" for n in range(60))
    put(
        either,
        "company",
        [
            {
                "_id": "c1",
                "name": "Other",
                "description": f"<p>{filler} the Café&nbsp;renewal, of&#32;May {filler}</p>",
            },
            {"_id": "c2", "name": "Renewal Labs"},
        ],
    )
    first, second = either.search("renewal")
    assert (first.id, first.snippet, second.id, second.title) == ("c2", "[Renewal] Labs", "c1", "Other")
    [hit] = either.search("CAFE renew")
    assert "the [Café] [renewal], of May" in hit.snippet and hit.snippet.startswith("...") and "<" not in hit.snippet
    assert len(hit.snippet) < 200 and hit.snippet.endswith("...")


def test_what_is_named_so_comes_first(either: Mirror) -> None:
    people = [{"_id": f"{n:024x}", "companyId": "c", "email": f"p{n}@foods.com", "name": f"P{n}"} for n in range(40)]
    people.append({"_id": f"{99:024x}", "companyId": "c", "email": "ann@example.com", "name": "Foodsmith"})
    put(either, "enduser", people)
    companies = [{"_id": f"{n:024x}", "name": f"Company {n}", "description": "foods, foods, foods"} for n in range(40)]
    companies += [{"_id": f"{100 + n:024x}", "name": name} for n, name in enumerate(["Foods AG", "North Foods"])]
    put(either, "company", companies)
    titles = [hit.title for hit in either.search("foods", limit=20)]
    assert {*titles[:2]} == {"Foods AG", "North Foods"}
    assert titles[2] == "Foodsmith"
    assert len(titles) == 20


def test_a_search_among_notes_finds_no_other_conversation(either: Mirror) -> None:
    rows = [{"_id": f"v{n}", "type": kind, "subject": "Renewal"} for n, kind in enumerate(["note", "email", "note"])]
    put(either, "conversation", rows)
    assert {hit.id for hit in either.search("renewal", Note)} == {"v0", "v2"}
    assert {hit.id for hit in either.search("renewal", [Conversation])} == {"v0", "v1", "v2"}
    assert {hit.id for hit in either.search("renewal", limit=2)} < {"v0", "v1", "v2"}


odd = st.text(max_size=12) | st.text(alphabet="\"*()^-:+&|!<>\\'% NEAROTDaä🙂\0", max_size=12)


@settings(
    max_examples=sized(10, 300),
    derandomize=not LONG,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(odd)
def test_any_words_are_an_answer_and_no_error(either: Mirror, words: str) -> None:
    if not either.database.indexes() & {"search__company"}:
        put(either, "company", [{"_id": "c1", "name": 'NEAR "quoted" AND OR NOT', "description": "ä a:b*"}])
    found = either.search(words)
    assert {hit.id for hit in found} <= {"c1"}


@pytest.mark.parametrize("words", ["", "   ", '"', "*", "AND", 'NEAR("a" "b")', "name:x", "-x", "🙂", "%s", ":asked"])
def test_operators_of_the_databases_are_plain_words(either: Mirror, words: str) -> None:
    put(either, "company", [{"_id": "c1", "name": "Acme"}])
    assert either.search(words) == []


def test_two_searches_make_one_index(either: Mirror) -> None:
    put(either, "company", [{"_id": "c1", "name": "Acme"}])
    mirrors = [Mirror(either.where) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda one: [hit.id for hit in one.search("acme")], mirrors))
    for mirror in mirrors:
        mirror.close()
    assert found == [["c1"]] * 4


def test_every_text_that_people_write_is_searched() -> None:
    for name in ("company", "enduser", "conversation", "ticket", "task", "issue", "opportunity", "project"):
        assert columns(layout_for(name)), name
