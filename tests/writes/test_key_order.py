"""Keys that change hands in one batch or push: in an order that any server takes, or refused before anything is sent."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from planhat_orm import BulkError, Company, Enduser, Invoice, License, Planhat, ValidationError
from planhat_orm.http.retry import Retry
from planhat_orm.writes.key_order import Place, layered
from planhat_orm.writes.outbox import MemoryEntry
from tests.other_server import OtherServer

ROUNDS = 20_000 if os.environ.get("PLANHAT_TORTURE") else 2_000
BATCHES = 300 if os.environ.get("PLANHAT_TORTURE") else 30

Start = Callable[..., tuple[OtherServer, Planhat]]


@pytest.fixture
def start(mirror: Path | None) -> Iterator[Start]:
    """A server that refuses a key that is taken and applies rows in any order, and a client of it."""
    with ExitStack() as stack:

        def begin(**behaviour: Any) -> tuple[OtherServer, Planhat]:
            server = stack.enter_context(OtherServer(**{"bulk_order": "random", **behaviour}))
            planhat = stack.enter_context(
                Planhat(**server.settings(), mirror=mirror, calls_per_min=1e6, retry=Retry(attempts=2, floor=0.001))
            )
            return server, planhat

        yield begin


def holders(server: OtherServer, wire: str = "externalId", kind: str = "company") -> dict[str, str]:
    """The names of the records that have keys, by key."""
    named = [(record.get(wire), str(record.get("name") or record.get("currency"))) for record in server.records(kind)]
    found = {str(key): name for key, name in named if key is not None}
    assert len(found) == sum(key is not None for key, _ in named), "no key twice"
    return found


def companies(server: OtherServer, *names: str) -> list[Company]:
    for name in names:
        server.write("company", {"name": name.upper(), "externalId": name, "sourceId": f"s-{name}"})
    return sorted(Company.objects.all(), key=lambda company: str(company.name))


Change = Callable[[Company, Company], None]


def test_a_key_of_a_deleted_record_goes_to_a_new_one(start: Start) -> None:
    server, planhat = start()
    a, _ = companies(server, "a", "b")
    with planhat.batch() as batch:
        Company(name="New", external_id="a").save()
        a.delete()
    assert [row.status for row in batch.result] == ["created", "deleted"]
    assert holders(server) == {"a": "New", "b": "B"}


def test_keys_of_each_kind_move_on_along_a_chain(start: Start) -> None:
    server, planhat = start()
    a, b, c = companies(server, "a", "b", "c")
    with planhat.batch():
        Company(name="New", external_id="a", source_id="s-c").save()
        a.external_id, b.external_id, c.source_id = "b", "c", "s-free"
        for company in (a, b):
            company.save()
        c.external_id = None
        c.save()
    assert holders(server) == {"a": "New", "b": "A", "c": "B"}
    assert holders(server, "sourceId") == {"s-a": "A", "s-b": "B", "s-c": "New", "s-free": "C"}
    first = server.write("invoice", {"cId": b.id, "extId": "i", "currency": "EUR", "invoiceDate": 1})
    invoice = Invoice.objects.get(first["_id"])
    with planhat.batch():
        Invoice(company=b, ext_id="i", currency="USD", invoice_date=date(2026, 1, 1)).save()
        invoice.delete()
    assert holders(server, "extId", "invoice") == {"i": "USD"}


def test_what_hangs_on_a_record_whose_key_is_handed_on_is_in_time(start: Start) -> None:
    server, planhat = start(delete_cascades=True)
    a, b = companies(server, "a", "b")
    terms: dict[str, Any] = {"currency": "EUR", "value": 1, "from_date": date(2026, 1, 1)}
    License(company=a, external_id="moves", **terms).save()
    License(company=a, external_id="goes", **terms).save()
    moves, goes = License.objects.order_by("-external_id")
    with planhat.batch() as batch:
        new = Company(name="New", external_id="a")
        License(company=new, external_id="child", **terms).save()
        new.save()
        moves.company = b
        moves.save()
        goes.delete()
        a.delete()
    assert batch.result.ok
    owners = {row["externalId"]: row["companyId"] for row in server.records("license")}
    assert owners == {"moves": b.id, "child": new.id} and holders(server) == {"a": "New", "b": "B"}


def swap(a: Company, b: Company) -> None:
    a.external_id, b.external_id = b.external_id, a.external_id


def two_takers(a: Company, b: Company) -> None:
    a.external_id = b.external_id = "z"


def kept(a: Company, b: Company) -> None:
    a.external_id, b.phase = "b", "Live"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (swap, "go round in a circle"),
        (two_takers, "two records are to have the externalId z"),
        (kept, "which keeps it"),
    ],
)
def test_what_no_order_can_do_is_refused_before_anything_is_sent(start: Start, change: Change, reason: str) -> None:
    server, planhat = start(duplicates="store")
    a, b = companies(server, "a", "b")
    with pytest.raises(ValidationError, match=f"Nothing was sent.*{reason}"), planhat.batch() as batch:
        change(a, b)
        for company in (a, b):
            company.save()
        Company(name="Else").save()
    assert not server.requests("PUT") and holders(server) == {"a": "A", "b": "B"}
    if planhat.settings.mirror:
        assert not len(planhat.mirror.outbox)
    a.external_id, b.external_id = "c", "a"
    assert len(batch.retry().updated) == 2, "mended, the batch is sent"
    assert holders(server) == {"c": "A", "a": "B"}


def test_an_email_is_not_handed_on_within_one_batch(start: Start) -> None:
    server, planhat = start()
    acme = server.write("company", {"name": "A"})["_id"]
    server.write("enduser", {"email": "x@a.example", "companyId": acme})
    [old] = Enduser.objects.all()
    with pytest.raises(ValidationError, match=r"the email x@a.example is another record's"), planhat.batch():
        Enduser(email="X@a.example", company_id=acme).save()
        old.delete()
    assert len(server.records("enduser")) == 1


def test_who_wants_a_key_waits_when_it_is_not_given_up(start: Start) -> None:
    server, planhat = start()
    a, b = companies(server, "a", "b")
    server.behave(dropped=lambda row: row.get("_id") == b.id)
    with pytest.raises(BulkError, match="did not give it up"), planhat.batch() as batch:
        a.external_id, b.external_id = "b", "c"
        a.save()
        b.save()
    assert {row.object.name: row.status for row in batch.result} == {"A": "failed", "B": "dropped"}
    assert holders(server) == {"a": "A", "b": "B"}
    server.behave(dropped=None)
    assert batch.retry().ok and holders(server) == {"b": "A", "c": "B"}


def test_a_holder_that_was_loaded_without_its_keys_is_asked_for(start: Start) -> None:
    server, planhat = start()
    a, _ = companies(server, "a", "b")
    narrow = Company.objects.only("phase").filter(id=a.id)[0]
    with planhat.batch() as batch:
        Company(name="New", external_id="a").save()
        narrow.delete()
    assert batch.result.ok and holders(server) == {"a": "New", "b": "B"}


def test_without_a_hand_over_nothing_more_is_asked(start: Start) -> None:
    server, planhat = start()
    a, b = companies(server, "a", "b")
    server.log.clear()
    with planhat.batch():
        Company(name="New", external_id="n").save()
        a.phase = "Live"
        a.save()
        b.delete()
    assert [(entry.method, entry.path.split("/")[1]) for entry in server.log] == [
        ("PUT", "companies"), ("DELETE", "companies")]  # fmt: skip


def test_the_outbox_hands_keys_on_too(start: Start) -> None:
    server, planhat = start()
    if not planhat.settings.mirror:
        pytest.skip("offline writes need a mirror")
    companies(server, "a", "b", "c", "d", "e")
    planhat.sync(Company)
    with planhat.offline():
        a, b, c, d, e = Company.objects.order_by("name")
        a.delete()
        Company.objects.create(name="New", external_id="a")
        b.external_id = "c"
        b.save()
        c.external_id = "free"
        c.save()
        swap(d, e)
        d.save()
        e.save()
    result = planhat.push()
    assert Counter(row.status for row in result) == {"created": 1, "deleted": 1, "updated": 2, "failed": 2}
    assert all("go round in a circle" in row.error for row in result.failed)
    assert holders(server) == {"a": "New", "c": "B", "free": "C", "d": "D", "e": "E"}
    assert {entry.state for entry in planhat.mirror.outbox} == {"failed"}


# --- many -------------------------------------------------------------------------------------------------


class Refused(Exception):
    """A key is taken."""


def entries(rng: random.Random) -> tuple[list[MemoryEntry], dict[Place, str]]:
    """Some writes of one push, and who has which key on the server."""
    size = rng.randint(2, 8)
    held: dict[Place, str] = {("company", ("externalId", f"k{n}")): f"r{n}" for n in range(size)}
    made = []
    for n in rng.sample(range(size), rng.randint(1, size)):
        kind = rng.choice(["delete", "move", "move", "clear", "none"])
        base = {"externalId": f"k{n}"} if rng.random() < 0.7 else {}
        key = {"move": rng.choice([f"k{rng.randrange(size)}", f"new{n}"]), "clear": None}.get(kind)
        patch = {"phase": "Live"} if kind == "none" else {} if kind == "delete" else {"externalId": key}
        made.append((("delete" if kind == "delete" else "update"), f"r{n}", patch, base))
    for n in range(rng.randint(0, 3)):
        key = rng.choice([f"k{rng.randrange(size)}", f"x{n}"])
        made.append((rng.choice(["upsert", "create"]), f"tmp:{n}", {"externalId": key}, {}))
    rng.shuffle(made)
    return [
        MemoryEntry(seq, op, "company", record, patch, base, "pending", "") for seq, (op, record, patch, base) in enumerate(made, 1)
    ], held  # fmt: skip


def apply(held: dict[Place, str], entry: MemoryEntry) -> None:
    """What a server makes of one write; raises where it meets a key of another record."""
    key = ("company", ("externalId", str(entry.patch.get("externalId"))))
    if entry.patch.get("externalId") is not None and held.get(key, entry.record) != entry.record:
        raise Refused
    for other in [other for other, record in held.items() if record == entry.record]:
        if entry.op == "delete" or "externalId" in entry.patch:
            del held[other]
    if entry.patch.get("externalId") is not None:
        held[key] = entry.record


def test_no_order_that_is_sent_meets_a_key_that_is_taken() -> None:
    depths: Counter[int] = Counter()
    broken = refused = 0
    for seed in range(ROUNDS):
        rng = random.Random(seed)
        writes, held = entries(rng)
        order = layered(writes, held)
        refused += bool(order.refused)
        sent = {entry.seq for layer in order.layers for entry in layer}
        assert sent | order.refused.keys() == {entry.seq for entry in writes} and not sent & order.refused.keys()
        if order.refused:
            continue
        server = dict(held)
        for layer in order.layers:
            # Deletions end a layer; the order inside a request is the server's.
            rng.shuffle(layer)
            for entry in sorted(layer, key=lambda entry: entry.op == "delete"):
                holder = server.get(("company", ("externalId", str(entry.patch.get("externalId")))), "")
                if entry.makes and (holder.startswith("tmp:") or (holder and not order.givers.get(entry.seq))):
                    continue  # An upsert of a record that keeps its key changes that one; a create is refused.
                apply(server, entry)  # type: ignore[arg-type]
        depths[len(order.layers)] += 1
        plain = dict(held)
        try:
            for entry in sorted(writes, key=lambda entry: entry.op == "delete"):
                apply(plain, entry)
        except Refused:
            broken += 1
    assert broken > ROUNDS // 20 and refused > ROUNDS // 20 and sum(depths[n] for n in depths if n >= 3) > ROUNDS // 200


def test_batches_that_hand_keys_on_leave_what_they_say(start: Start) -> None:
    server, planhat = start()
    names = [f"k{n}" for n in range(6)]
    for seed in range(BATCHES):
        rng = random.Random(seed)
        for record in server.records("company"):
            server.delete("company", record["_id"])
        old = companies(server, *names)
        wanted = {name: name.upper() for name in names}
        try:
            with planhat.batch() as batch:
                for company in rng.sample(old, rng.randint(1, 6)):
                    before = str(company.external_id)
                    if rng.random() < 0.4:
                        company.delete()
                        if wanted.get(before) == company.name:
                            del wanted[before]
                        continue
                    company.external_id = rng.choice([*names, f"new-{before}"])
                    if company.external_id != before:
                        company.save()
                        if wanted.get(before) == company.name:
                            del wanted[before]
                        wanted[company.external_id] = str(company.name)
                for n in range(rng.randint(0, 2)):
                    key = rng.choice([name for name in names if name not in wanted] or [f"x{n}"])
                    Company(name=f"New {n}", external_id=key).save()
                    wanted[key] = f"New {n}"
        except ValidationError:
            assert holders(server) == {name: name.upper() for name in names}, seed
        else:
            assert batch.result.ok and holders(server) == wanted, seed
