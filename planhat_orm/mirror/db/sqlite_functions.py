"""The functions that SQLite is taught: where SQL has no words for a comparison, the Python predicate itself decides."""

from __future__ import annotations

import sqlite3
from functools import lru_cache
from typing import Any

import msgspec

from ...query import kinds
from ...query.kinds import Kind
from ...query.lookups import COMPARE
from ...query.predicate import Predicate, fetch, predicate
from ...query.tree import Target, Test

_decode = msgspec.json.Decoder().decode
KINDS: dict[str, Kind] = {kind.name: kind for kind in vars(kinds).values() if isinstance(kind, Kind)}


@lru_cache(maxsize=512)
def _operand(text: str) -> Any:
    value = _decode(text)
    return tuple(value) if isinstance(value, list) else value


@lru_cache(maxsize=512)
def _predicate(kind: str, op: str, operand: str) -> Predicate:
    return predicate(Test(Target("", ("",), KINDS[kind]), op, _operand(operand)))


def compare(op: str, value: Any, operand: str) -> bool:
    """A lookup on what a column holds; the operand is JSON."""
    return value is not None and COMPARE[op](value, _operand(operand))


def matches(kind: str, op: str, cell: str | None, operand: str) -> bool:
    """A lookup on a JSON cell, read as a value of a kind."""
    return _predicate(kind, op, operand)({"": None if cell is None else _decode(cell)})


def compare_pair(op: str, kind: str, cell: str | None, other_kind: str, other: str | None) -> bool:
    """A comparison of two JSON cells."""
    left, right = comparable(kind, cell), comparable(other_kind, other)
    return left is not None and right is not None and COMPARE[op](left, right)


def comparable(kind: str, cell: str | None) -> Any:
    """What a JSON cell compares by as a value of a kind."""
    return None if cell is None else KINDS[kind].comparable(_decode(cell))


def dig(cell: str | None, keys: str) -> str | None:
    """The JSON at some keys of a JSON cell: for labels that a JSON path of SQLite cannot name."""
    found = None if cell is None else fetch({"": _decode(cell)}, ("", *_operand(keys)))
    return None if found is None else msgspec.json.encode(found).decode()


def register(connection: sqlite3.Connection) -> None:
    """Make the functions known to a connection."""
    for name, count, function in (
        ("planhat_compare", 3, compare),
        ("planhat_matches", 4, matches),
        ("planhat_compare_pair", 5, compare_pair),
        ("planhat_comparable", 2, comparable),
        ("planhat_dig", 2, dig),
    ):
        connection.create_function(name, count, function, deterministic=True)
