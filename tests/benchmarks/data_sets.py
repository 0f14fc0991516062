"""The records that are synced: seeded samples, and lists of any length that repeat one with other ids, keys and stamps.

A million records do not fit in a list of dicts. A record of a list is that of the sample at its position, and differs from
it in an id, a key and the milliseconds of its stamp, which name the copy: so a page is made of encoded records by three
replacements, which cost less than anything that reads it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import msgspec

from planhat_orm.emulator import Emulator
from planhat_orm.wire.resources import resource

Raw = dict[str, Any]
STAMP = "updatedAt"
SAMPLE = 2000
_ID, _KEY = "65f0c1a2{:08x}{:08x}", "acct-{:08x}-{}"
_MILLISECONDS = ".###Z"
"""Where a stamp of the sample has them; not a date, so that nothing else is replaced."""


@dataclass(frozen=True, slots=True)
class DataSet:
    """What is in a list: the path of its requests, the longest page of the API, and what makes a sample."""

    path: str
    longest: int
    sample: Callable[[int], list[Raw]]


def _emulated(name: str) -> Callable[[int], list[Raw]]:
    def sample(few: int) -> list[Raw]:
        endusers, conversations = (few if name == other else 0 for other in ("enduser", "conversation"))
        with Emulator(
            companies=few, licenses=3 * few, endusers=endusers, conversations=conversations, tasks=0
        ) as emulator:
            return emulator.store.all(name)[:few]

    return sample


def _mixed(few: int) -> list[Raw]:
    """Forty fields; in each record some have a value, some are null and some absent; and keys that nobody documents."""
    chance = random.Random(40)
    documented = resource("company").fields
    always = ("name", "externalId", STAMP)
    names = [*always, *chance.sample(sorted(set(documented) - {"_id", *always}), 37)]
    return [_mixed_record(chance, names, number) for number in range(few)]


def _mixed_record(chance: random.Random, names: Sequence[str], number: int) -> Raw:
    fields = resource("company").fields
    record: Raw = {"_id": "-", "name": f"Company {number}", "externalId": "-", STAMP: _moment(chance)}
    for name in names[3:]:
        drawn = chance.random()
        if drawn < 0.55:
            record[name] = _value(chance, fields[name].type)
        elif drawn < 0.7:
            record[name] = None
    for number in range(8):
        drawn = chance.random()
        if drawn < 0.4:
            # One type a key, as a system has that writes its own, except in one record of twenty.
            record[f"legacy{number}"] = _value(
                chance, _TYPES[number if drawn > 0.02 else chance.randrange(len(_TYPES))]
            )
        elif drawn < 0.5:
            record[f"legacy{number}"] = None
    items = list(record.items())
    chance.shuffle(items)
    return dict(items)


_TYPES = ("string", "number", "integer", "boolean", "date", "object", "array of string", "objectId")
_WORDS = [
    "north",
    "south",
    "river",
    "harbour",
    "energy",
    "works",
    "group",
    "foods",
    "pharma",
    "limited",
    "bank",
    "rail",
    "stone",
    "bright",
]


def _value(chance: random.Random, kind: str) -> Any:
    """A value of the type."""
    if kind.startswith("array"):
        item = kind.removeprefix("array of ")
        return [_value(chance, item) for _ in range(chance.randrange(4))]
    makers: dict[str, Callable[[], Any]] = {
        "number": lambda: chance.choice((chance.randrange(100_000), round(chance.random() * 1000, 2))),
        "integer": lambda: chance.randrange(1000),
        "boolean": lambda: chance.random() < 0.5,
        "date": lambda: _moment(chance),
        "objectId": lambda: f"{chance.getrandbits(96):024x}",
        "object": lambda: {word: chance.randrange(100) for word in chance.sample(_WORDS, 3)},
    }
    return makers.get(kind, lambda: " ".join(chance.sample(_WORDS, 3)))()


def _moment(chance: random.Random) -> str:
    day = f"{chance.randrange(2020, 2026)}-{chance.randrange(1, 13):02d}-{chance.randrange(1, 29):02d}"
    return f"{day}T{chance.randrange(24):02d}:{chance.randrange(60):02d}:{chance.randrange(60):02d}.000Z"


def _custom(few: int) -> list[Raw]:
    """Companies of a tenant with 300 custom fields: a record has half of them, and some of these are null."""
    chance = random.Random(300)
    types = {f"Custom field {number}": _TYPES[:5][number % 5] for number in range(300)}
    sample = _emulated("company")(few)
    for record in sample:
        record["custom"] = {
            label: None if chance.random() < 0.1 else _value(chance, kind)
            for label, kind in types.items()
            if chance.random() < 0.5
        }
    return sample


DATA_SETS = {
    "companies": DataSet("companies", 5000, _emulated("company")),
    "mixed": DataSet("companies", 5000, _mixed),
    "custom": DataSet("companies", 5000, _custom),
    "endusers": DataSet("endusers", 2000, _emulated("enduser")),
    "conversations": DataSet("conversations", 2000, _emulated("conversation")),
}
TITLES = {
    "companies": "companies of the emulator",
    "mixed": "companies of 40 mixed fields",
    "custom": "companies of 300 custom fields",
    "endusers": "endusers",
    "conversations": "conversations",
}


@cache
def _sample(data: str, few: int) -> list[Raw]:
    return DATA_SETS[data].sample(few)


class Records:
    """A list of so many records of a data set."""

    def __init__(self, data: str, rows: int) -> None:
        self.rows = rows
        self.few = min(rows, SAMPLE)
        self.sample = [self._placed(record, place) for place, record in enumerate(_sample(data, self.few))]

    @staticmethod
    def _placed(record: Raw, place: int) -> Raw:
        """A record of the sample as the first of its copies, with its stamp open."""
        id, key = _ID.format(0, place), _KEY.format(0, place)
        others = {"orgPath": id, "orgRootId": id, "externalId": key, "lastUpdated": record[STAMP]}
        stamps = {name: f"{record[STAMP][:19]}{_MILLISECONDS}" for name in (STAMP, "lastUpdated") if name in record}
        return {**record, "_id": id, **{name: value for name, value in others.items() if record.get(name)}, **stamps}

    @cached_property
    def whole(self) -> list[bytes]:
        """The records of the sample, encoded."""
        return [msgspec.json.encode(record) for record in self.sample]

    @cached_property
    def heads(self) -> list[bytes]:
        """The two fields of them that a scan reads."""
        return [msgspec.json.encode({"_id": record["_id"], STAMP: record[STAMP]}) for record in self.sample]

    def page(self, sample: list[bytes], start: int, stop: int) -> bytes:
        """Records one after the other, as JSON without brackets."""
        parts = []
        while start < min(stop, self.rows):
            copy, place = divmod(start, self.few)
            end = min(stop, self.rows, (copy + 1) * self.few)
            parts.append(_copied(b",".join(sample[place : place + end - start]), copy))
            start = end
        return b",".join(parts)

    def one_by_one(self) -> Iterator[Raw]:
        """The records as dicts, which share what the copies have in common."""
        for number in range(self.rows):
            copy, place = divmod(number, self.few)
            record = self.sample[place]
            own = {name: _text_copied(value, copy) for name, value in record.items() if name in _OWN and value}
            yield {**record, **own}

    def by_stamp(self) -> list[int]:
        """The numbers of the records, the latest first."""
        ranks = {stamp: rank for rank, stamp in enumerate(sorted({record[STAMP] for record in self.sample}))}
        ranked = [ranks[record[STAMP]] * 1000 for record in self.sample]
        keys = [ranked[number % self.few] + number // self.few % 1000 for number in range(self.rows)]
        return sorted(range(self.rows), key=keys.__getitem__, reverse=True)


_OWN = {"_id", "orgPath", "orgRootId", "externalId", STAMP, "lastUpdated"}


def _replacements(copy: int) -> Iterator[tuple[str, str]]:
    yield _MILLISECONDS, f".{copy % 1000:03d}Z"
    if copy:
        yield _ID.format(0, 0)[:16], _ID.format(copy, 0)[:16]
        yield _KEY.format(0, ""), _KEY.format(copy, "")


def _copied(encoded: bytes, copy: int) -> bytes:
    for old, new in _replacements(copy):
        encoded = encoded.replace(old.encode(), new.encode())
    return encoded


def _text_copied(text: str, copy: int) -> str:
    for old, new in _replacements(copy):
        text = text.replace(old, new)
    return text


def number_of(id: str, few: int) -> int:
    """The number of the record with this id."""
    return int(id[8:16], 16) * few + int(id[16:], 16)


def companies(rows: int) -> Iterator[Raw]:
    """So many companies of the emulated tenant, each with an id and a key of its own, in the order of ids."""
    return Records("companies", rows).one_by_one()
