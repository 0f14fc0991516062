"""A record of a mirror holds its row: what is read of it is what came, whichever value is asked for first."""

from __future__ import annotations

import copy
import pickle
import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from planhat_orm import Company, MirrorError, Model, Planhat
from planhat_orm.emulator import Emulator
from planhat_orm.json_encoding import rewrite
from planhat_orm.mirror import Mirror
from planhat_orm.mirror.db.codec import RowCodec
from planhat_orm.mirror.db.layout import layout_for, layouts
from planhat_orm.mirror.db.stored_record import RowColumns, StoredRecord
from planhat_orm.models import resources as declared
from planhat_orm.models.state import Origin
from planhat_orm.wire.patches import same

from ..models.test_odd_records import EDIT, ODD
from .test_rows import records

ENGINES = ("sqlite", "postgres")
MISSING = object()


def row(name: str, raw: dict[str, Any], engine: str) -> tuple[Any, ...]:
    """The row of a record as the database gives it: SQLite has no flags, and PostgreSQL no whole numbers."""
    postgres = engine == "postgres"
    given = {bool: bool, int: float} if postgres else {bool: int}
    cells = RowCodec(layout_for(name), postgres=postgres).encode_row(rewrite(raw))[:-1]
    return tuple(given.get(type(cell), lambda same: same)(cell) for cell in cells)


def stored(name: str, raw: dict[str, Any], engine: str) -> StoredRecord:
    return StoredRecord(row(name, raw, engine), RowColumns(layout_for(name).columns, postgres=engine == "postgres"))


@settings(max_examples=100)
@given(
    st.sampled_from(sorted(layouts())).flatmap(lambda name: st.tuples(st.just(name), records(name))),
    st.randoms(use_true_random=False),
    st.integers(0, 8),
)
@example(("company", {"_id": "5f0c", "h": 7, "mrr": 2.5, "autoRenews": False, "tags": [1]}), random.Random(1), 60)
def test_values_that_are_asked_for_in_any_order_are_those_of_the_record(
    case: tuple[str, dict[str, Any]], chance: Any, few: int
) -> None:
    name, raw = case
    wires = [*raw, "nothing", *layout_for(name).by_wire]
    for engine in ENGINES:
        record = stored(name, raw, engine)
        read = {}
        for wire in chance.sample(wires, min(few, len(wires))):
            read[wire] = record.get(wire, MISSING)
            assert same(read[wire], raw[wire]) if wire in raw else read[wire] is MISSING
        whole = record.to_dict()
        page = RowCodec(layout_for(name), postgres=engine == "postgres")
        (read_at_once,) = page.decode_rows(layout_for(name).columns, [row(name, raw, engine)])
        assert same(whole, raw) and repr(whole) == repr(read_at_once)
        for wire, value in read.items():
            if isinstance(value, (list, dict)):
                assert whole[wire] is value is record.get(wire)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", ODD)
def test_an_odd_record_of_a_mirror_is_read_edited_and_kept(case: str, engine: str) -> None:
    model: type[Model] = getattr(declared, ODD[case][0])
    name, value, key, sent = EDIT[model.__name__]
    wire = ODD[case][1]

    def record() -> Model:
        return model._made_of(stored(model._meta.resource.name, copy.deepcopy(wire), engine), Origin())

    one, other = record(), record()
    for field in model._meta.fields:
        assert getattr(one, field) == getattr(model.from_wire(copy.deepcopy(wire)), field)
    assert one.changes() == {} and one.to_wire() == wire

    setattr(other, name, value)
    assert (other._payload(), list(other.changes())) == ({key: sent}, [name])
    assert other.to_wire() == {**wire, key: sent}
    assert record().to_dict() == model.from_wire(wire).to_dict()
    assert same(pickle.loads(pickle.dumps(record())).to_wire(), wire)
    assert repr(record()) == repr(one)


@pytest.fixture
def emulator(make_emulator: Callable[..., Emulator]) -> Emulator:
    emulator = make_emulator()
    for number in range(3):
        emulator.store.insert("company", {"name": f"C{number}", "tags": ["a"], "custom": {"Tier": "A", "Flag": True}})
    return emulator


@pytest.fixture
def planhat(emulator: Emulator, either: Mirror) -> Iterator[Planhat]:
    with Planhat("test-token", api_url=emulator.url, mirror=either.where, read="mirror") as planhat:
        planhat.sync(Company)
        yield planhat


def test_what_is_read_of_a_record_is_no_change_and_what_is_edited_in_place_is(planhat: Planhat) -> None:
    first, second, third = Company.objects.using(planhat).order_by("name")
    assert (first.custom["Tier"], first.tags, first.changes()) == ("A", ["a"], {})
    second.custom["Flag"] = 1
    assert second.changes() == {"custom": {"Flag": (True, 1)}}
    third.tags.append("b")
    assert third.changes() == {"tags": (["a"], ["a", "b"])}
    assert third.to_wire()["tags"] == ["a", "b"]
    Company.objects.using(planhat).bulk_upsert([first, second, third])
    assert [item.changes() for item in (first, second, third)] == [{}, {}, {}]


def test_threads_that_read_one_record_at_once_get_the_same_list(planhat: Planhat) -> None:
    for _ in range(20):
        record = Company.objects.using(planhat).order_by("name").first()
        assert record is not None
        start = threading.Barrier(4)
        found: list[Any] = []

        def read(record: Company = record, start: Any = start, found: list[Any] = found) -> None:
            start.wait()
            found.append((record.tags, record.custom, len(record.to_wire())))

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({id(tags) for tags, _, _ in found}) == len({id(custom) for _, custom, _ in found}) == 1
        assert record.changes() == {}


def test_a_cell_of_sqlite_that_is_no_json_raises_when_it_is_read(mirror: Mirror, emulator: Emulator) -> None:
    with Planhat("test-token", api_url=emulator.url, mirror=mirror.where, read="mirror") as planhat:
        planhat.sync(Company)
        with planhat.mirror.database.writing() as connection:
            connection.execute(text("UPDATE company SET tags = '[1,' WHERE name = 'C1'"))
        first, second = Company.objects.using(planhat).order_by("name")[:2]
        assert (first.tags, second.name) == (["a"], "C1")
        for read in (lambda: second.tags, second.to_dict, second.to_wire):
            with pytest.raises(MirrorError, match='cannot be read .*: "planhat doctor"'):
                read()


def test_who_reads_all_of_a_record_undoes_no_save_of_another_thread(
    planhat: Planhat, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = Company.objects.using(planhat).order_by("name").first()
    assert record is not None
    record.name = "Newer"
    make, reader = StoredRecord.to_dict, threading.get_ident()

    def made(row: StoredRecord) -> dict[str, Any]:
        found = make(row)
        if threading.get_ident() == reader and record._live:
            thread = threading.Thread(target=record.save)
            thread.start()
            thread.join()
        return found

    monkeypatch.setattr(StoredRecord, "to_dict", made)
    record.to_dict()
    assert (record.name, record.to_wire()["name"], record.changes()) == ("Newer", "Newer", {})
