"""Whatever is edited in what a record hands out is a change, at any depth, and nothing else is one."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planhat_orm import Company, Custom, Task
from planhat_orm.fields.base import Field
from planhat_orm.models.state import Origin
from planhat_orm.wire.values import copied, copy_of

ID = "65f0c1a2b3d4e5f607001000"
LEAVES = st.sampled_from([None, True, False, 0, 1, -1, 1.0, 0.0, -0.0, 1.5, 2**53 + 1, 2**64, "", "1", "a", "true"])
JSON = st.recursive(
    LEAVES,
    lambda deeper: st.lists(deeper, max_size=3) | st.dictionaries(st.sampled_from("abc"), deeper, max_size=3),
    max_leaves=8,
)
LABELS = st.dictionaries(st.sampled_from(["Tier", "Seats", "Goals", "Box"]), JSON, max_size=4)
EDITS = st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["put", "add", "drop", "turn"]), JSON), max_size=5)
READ_AGAIN = st.sampled_from(["no", "refresh", "save"])


def written(value: Any) -> str:
    """A value as JSON, in which a whole float is an integer: 1.0 is no other number than 1."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, list):
            return list(map(plain, value))
        return int(value) if isinstance(value, float) and value.is_integer() else value

    return json.dumps(plain(value), sort_keys=True)


def differs(old: Any, new: Any) -> bool:
    """Whether a custom field is another than it was; what is read as empty where nothing is, is nothing new."""
    return written(old) != written(new) and not (old is None and new in ([], {}))


def containers(value: Any) -> list[Any]:
    """A list or dict, and all that are in it."""
    if not isinstance(value, (dict, list)):
        return []
    items = value.values() if isinstance(value, dict) else value
    return [value, *(inner for item in items for inner in containers(item))]


def edit(value: Any, edits: list[tuple[int, str, Any]]) -> None:
    """Edit a list or dict, or one that is in it."""
    for number, how, new in edits:
        held = containers(value)
        chosen = held[number % len(held)]
        new = json.loads(json.dumps(new))
        keys = list(chosen) if isinstance(chosen, dict) else list(range(len(chosen)))
        key = keys[number % len(keys)] if keys else None
        if how == "add" or key is None:
            chosen.append(new) if isinstance(chosen, list) else chosen.update(
                {"a" if chosen is not value else "Tier": new}
            )
        elif how == "put":
            chosen[key] = new
        elif how == "drop":
            del chosen[key]
        else:
            chosen[key] = twin(chosen[key])


def twin(value: Any) -> Any:
    """A value that Python takes for equal, of another type."""
    return float(value) if isinstance(value, bool) else bool(value) if value in (0, 1) else value


def check(record: Company, read: str) -> None:
    """Hold what a record says of its custom fields against the plain comparison of what it came with and what it has."""
    old, new = json.loads(read), record.custom
    expected = {
        label: (old.get(label), new.get(label))
        for label in {**new, **old}
        if differs(old.get(label), new.get(label))
    }  # fmt: skip
    found = record.changes().get("custom", {})
    assert {label: written(list(pair)) for label, pair in found.items()} == {
        label: written(list(pair)) for label, pair in expected.items()
    }
    sent = record._payload(guard=False).get("custom", {})
    assert {label: written(value) for label, value in sent.items()} == {
        label: written(new) for label, (_, new) in expected.items()
    }


@settings(max_examples=60, deadline=None)
@given(LABELS, EDITS, READ_AGAIN, EDITS)
def test_every_edit_of_custom_is_found_and_nothing_else(
    labels: dict[str, Any], edits: list[Any], then: str, more: list[Any]
) -> None:
    read = json.dumps(labels)
    record = Company.from_wire({"_id": ID, "custom": json.loads(read)})
    assert record.changes() == {}
    edit(record.custom, edits)
    check(record, read)
    before = record.custom
    if then == "refresh":
        record._refreshed({"_id": ID, "custom": json.loads(read)}, None, False)
    elif then == "save":
        record._saved({"_id": ID}, record._payload(guard=False))
        read = json.dumps(record.custom)
        edit(before, more)  # what was handed out before the save is no part of the record any more
    check(record, read)
    edit(record.custom, more)
    check(record, read)
    record.custom = json.loads(read)
    assert record.changes() == {}


@settings(max_examples=60, deadline=None)
@given(st.lists(JSON, max_size=3), EDITS, EDITS)
def test_every_edit_of_a_list_is_found_and_nothing_else(items: list[Any], edits: list[Any], more: list[Any]) -> None:
    read = json.dumps(items)
    task = Task.from_wire({"_id": ID, "checklist": json.loads(read)})
    edit(task.checklist, edits)
    for _ in range(2):
        assert bool(task.changes()) == (written(task.checklist) != written(json.loads(read)))
        task._refreshed({"_id": ID, "checklist": json.loads(read)}, None, False)
        edit(task.checklist, more)
    task.checklist[:] = json.loads(read)
    assert task.changes() == {}


@pytest.mark.parametrize(("old", "new"), [(True, 1), (1, True), (0, False), ("1.5", Decimal("1.5")), ([1], [True])])
def test_a_value_of_another_type_is_a_change_though_it_is_equal_or_written_alike(old: Any, new: Any) -> None:
    record = Company.from_wire({"_id": ID, "custom": {"Seats": old, "Box": {"in": [old]}}})
    record.custom["Seats"] = new
    record.custom["Box"]["in"][0] = new
    assert record.changes().keys() == {"custom"}
    assert record.changes()["custom"].keys() == {"Seats", "Box"}


def test_a_value_that_equals_nothing_is_no_change_until_it_is_another_one() -> None:
    record = Company.from_wire({"_id": ID, "custom": {"Seats": float("nan"), "Tier": "A"}})
    record.custom  # noqa: B018
    assert record.changes() == {}
    record.custom["Seats"] = 1
    assert record.changes()["custom"]["Seats"][1] == 1


class Account(Company):
    tier = Custom("Tier", str)
    renewed = Custom("Renewed", date)


def test_a_list_where_a_text_belongs_is_edited_in_place_as_any_other() -> None:
    record = Account.from_wire({"_id": ID, "phase": {"odd": ["x"]}, "custom": {"Tier": ["a"]}})
    record.phase["odd"].append("y")  # type: ignore[index, attr-defined]
    record.tier.append("b")  # type: ignore[attr-defined]
    assert record.changes() == {"phase": ({"odd": ["x"]}, {"odd": ["x", "y"]}), "tier": (["a"], ["a", "b"])}
    assert record._wire == {"_id": ID, "phase": {"odd": ["x"]}, "custom": {"Tier": ["a"]}}


def test_what_was_read_and_cannot_be_edited_is_converted_once_and_not_compared() -> None:
    record = Account.from_wire(
        {"_id": ID, "lastUpdated": "2026-05-04T00:00:00.000Z", "externalId": 7, "custom": {"Renewed": 20577}}
    )
    read = [record.last_updated, record.external_id, record.renewed]
    assert [*map(id, read)] == [id(record.last_updated), id(record.external_id), id(record.renewed)]
    assert record._live is None
    record.custom["Renewed"] = 20578
    assert record.renewed == date(2026, 5, 5)
    assert record.changes() == {"renewed": (date(2026, 5, 4), date(2026, 5, 5))}
    record._refreshed({"_id": ID, "lastUpdated": "2026-05-05T00:00:00.000Z", "externalId": "8"}, None, True)
    assert (record.last_updated.day, record.external_id) == (5, "8")


def test_what_was_saved_is_no_more_edited_by_who_still_holds_it() -> None:
    record = Company.from_wire({"_id": ID, "tags": ["a"]})
    tags = record.tags
    tags.append("b")
    record._saved({"_id": ID}, record._payload())
    tags.append("c")
    assert (record.tags, record.changes()) == (["a", "b"], {})


def test_what_is_unsaved_beside_newer_values_is_edited_apart_from_them() -> None:
    record = Account.from_wire({"_id": ID, "custom": {"Tier": "A", "Goals": ["a"]}})
    record.tier = "B"
    record._refreshed({"_id": ID, "custom": {"Tier": "A", "Goals": ["a"]}}, None, False)
    record.custom["Goals"].append("b")
    assert record.changes() == {"tier": ("A", "B"), "custom": {"Goals": (["a"], ["a", "b"])}}
    task, theirs = Task.from_wire({"_id": ID}), [{"title": "a"}]
    # As after a conflict: their list with what was added to it.
    task._rebase({"_id": ID, "checklist": theirs}, {"checklist": [*theirs, {"title": "b"}]})
    task.checklist[0]["title"] = "c"
    assert task.changes() == {"checklist": ([{"title": "a"}], [{"title": "c"}, {"title": "b"}])}


NAN = float("nan")
TWINS = st.sampled_from([True, False, 1, 0, 1.0, 0.0, -0.0, NAN, None, "1"])
TWIN_JSON = st.recursive(
    TWINS,
    lambda deeper: st.lists(deeper, max_size=3) | st.dictionaries(st.sampled_from("abc"), deeper, max_size=3),
    max_leaves=8,
)
TWIN_LABELS = st.dictionaries(st.sampled_from(["Tier", "Seats", "Goals", "Box"]), TWIN_JSON, min_size=1, max_size=4)
MOVE = st.sampled_from(["twin", "put", "back", "order", "share", "swap"])
MOVES = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), MOVE), min_size=1, max_size=4)


def read_again(record: Company) -> Company:
    record._reread({"_id": ID}, Origin())
    return record


def refreshed(record: Company) -> Company:
    record._refreshed({"_id": ID, "custom": copy.deepcopy(record._wire["custom"])}, None, True)
    return record


def saved(record: Company) -> Company:
    record.phase = "Moved"
    record._saved({"_id": ID}, record._payload())
    return record


def replaced(record: Company) -> Company:
    record._live = {"custom": copy.deepcopy(record.custom)}
    return record


WAYS: list[Callable[[Company], Company]] = [
    lambda record: record, copy.copy, copy.deepcopy, lambda record: pickle.loads(pickle.dumps(record)),
    read_again, refreshed, saved, replaced,
]  # fmt: skip


def is_same(old: Any, new: Any) -> bool:
    """Whether two JSON values are the same at every depth, flags and numbers told apart."""
    if isinstance(old, dict) and isinstance(new, dict):
        return old.keys() == new.keys() and all(is_same(old[key], new[key]) for key in old)
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(is_same, old, new))
    return (is_nan(old) and is_nan(new)) or (isinstance(old, bool) == isinstance(new, bool) and bool(old == new))


def is_nan(value: Any) -> bool:
    return isinstance(value, float) and value != value


def has_nan(value: Any) -> bool:
    return is_nan(value) or any(
        map(has_nan, value.values() if isinstance(value, dict) else value if isinstance(value, list) else ())
    )


def twinned(value: Any) -> Any:
    """Another value, that Python takes for equal, with twins at every depth."""
    if isinstance(value, dict):
        return {key: twinned(item) for key, item in value.items()}
    return [*map(twinned, value)] if isinstance(value, list) else twin(value)


def move(labels: dict[str, Any], moves: list[tuple[int, int, str]]) -> None:
    """Put what is in a dict, or equals it, into another place or back into its own."""
    for number, other, how in moves:
        held = [holder for holder in containers(labels)[:50] if holder]
        if not held:
            return
        left, right = held[number % len(held)], held[other % len(held)]
        key = [*left][number % len(left)] if isinstance(left, dict) else number % len(left)
        place = [*right][other % len(right)] if isinstance(right, dict) else other % len(right)
        if how == "twin":
            left[key] = twinned(left[key])
        elif how == "put":
            left[key] = [None, True, 1, [0], {"a": False}][other % 5]
        elif how == "swap" and not containers(left[key]) and not containers(right[place]):
            left[key], right[place] = right[place], left[key]
        elif how == "share" and not any(right is inner for inner in containers(left[key])):
            right[place] = left[key]
        elif isinstance(left, dict) and how in ("back", "order"):
            value = left.pop(key)
            left[key] = value if how == "order" else copy.deepcopy(value)


@settings(max_examples=500, deadline=None)
@given(TWIN_LABELS, st.sampled_from(WAYS), st.sampled_from(WAYS), MOVES, MOVES)
def test_no_edit_of_custom_is_missed_however_the_record_came(
    labels: dict[str, Any], first: Callable[[Company], Company], then: Callable[[Company], Company],
    moves: list[Any], more: list[Any],
) -> None:  # fmt: skip
    came = copy.deepcopy(labels)
    record = first(Company.from_wire({"_id": ID, "custom": copy.deepcopy(labels)}))
    record.custom  # noqa: B018
    assert record.changes() == {}
    record = then(record)
    for step in (moves, more):
        move(record.custom, step)
        new = record.custom
        changed = {label for label in {**came, **new} if not is_same(came.get(label), new.get(label))}
        changed -= {label for label in changed if came.get(label) is None and new.get(label) in ([], {})}
        found = record.changes().get("custom", {})
        assert changed <= found.keys() == record._payload(guard=False).get("custom", {}).keys()
        record.tags  # noqa: B018  # from here on more than `custom` can be edited
        assert record.changes().get("custom", {}).keys() == found.keys()
        if not has_nan(came):
            assert changed == found.keys()


def test_equal_values_that_changed_their_places_are_changes() -> None:
    record = Company.from_wire({"_id": ID, "custom": {"Tier": True, "Seats": 1, "Goals": [True], "Box": [1]}})
    labels = record.custom
    labels["Tier"], labels["Seats"] = labels["Seats"], labels["Tier"]
    labels["Goals"], labels["Box"] = labels["Box"], labels["Goals"]
    assert record.changes()["custom"].keys() == {"Tier", "Seats", "Goals", "Box"}
    record._refreshed({"_id": ID, "custom": {"Seats": True, "Tier": 1}}, None, True)
    record.custom["Seats"] = record.custom.pop("Tier")
    record.custom["Tier"] = True
    assert record.changes()["custom"].keys() == {"Tier", "Seats"}


def test_a_copy_is_held_against_what_is_said_now_and_not_against_what_it_was_made_of() -> None:
    record = Company.from_wire({"_id": ID, "custom": {"Seats": True}})
    record.custom  # noqa: B018
    record._came = {"_id": ID, "custom": {"Seats": 1}}
    assert record.changes() == {"custom": {"Seats": (1, True)}}


@pytest.mark.parametrize("name", ["custom", "tags", "goals", "features"])
def test_two_threads_that_read_a_list_or_dict_at_once_get_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Shared(Company):
        goals = Custom("Goals", list)

    record = Shared.from_wire({"_id": ID, "custom": {"Tier": "A"}, "tags": ["a"]})
    seen: list[Any] = []

    def while_another_reads(made: Callable[..., Any]) -> Callable[..., Any]:
        def make(*arguments: Any) -> Any:
            if not seen:
                seen.append(None)
                seen.append(getattr(record, name))
            return made(*arguments)

        return make

    monkeypatch.setattr("planhat_orm.fields.base.copied", while_another_reads(copied))
    monkeypatch.setattr("planhat_orm.fields.custom.copy_of", while_another_reads(copy_of))
    monkeypatch.setattr(Field, "_empty", while_another_reads(Field._empty))
    assert getattr(record, name) is seen[1] and record.changes() == {}


@pytest.mark.parametrize(("first", "then"), [(1, True), (False, 0), ([1], [True]), ({"a": 0}, {"a": False})])
def test_a_flag_that_is_set_in_the_place_of_its_number_while_that_is_sent_is_a_change(first: Any, then: Any) -> None:
    record, task = Company.from_wire({"_id": ID, "custom": {"Other": "x"}}), Task.from_wire({"_id": ID})
    record.custom["Odd"], task.checklist = first, [{"done": first}]
    sent, sent_task = record._payload(), task._payload()
    record.custom["Odd"], task.checklist = then, [{"done": then}]
    record._saved({"_id": ID, **copy.deepcopy(sent)}, sent)
    task._saved({"_id": ID, **copy.deepcopy(sent_task)}, sent_task)
    assert repr(record.changes()) == repr({"custom": {"Odd": (first, then)}})
    assert repr(task.changes()) == repr({"checklist": ([{"done": first}], [{"done": then}])})
