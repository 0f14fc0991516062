"""Records in memory, against the JSON parse that comes before them and against copying their dicts."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import msgspec

from planhat_orm import Company, Planhat

from .data_sets import companies
from .measure import Line, Scale, medians
from .server import serving

PAGE = 5000
CALLED, REPEATED = 1000, 10
"""So many records are asked for their changes, so often in a round."""


def run(scale: Scale) -> Iterator[Line]:
    wires = list(companies(scale.rows))
    pages = [msgspec.json.encode(wires[start : start + PAGE]) for start in range(0, scale.rows, PAGE)]
    # What is kept of one case must not make the collector's work in the next one longer.
    gc.freeze()

    def read() -> list[object]:
        return [(item.name, item.mrr, item.last_updated) for item in map(Company.from_wire, wires)]

    parsing, copying, making, reading = medians(
        scale.times,
        lambda: sum(len(msgspec.json.decode(page)) for page in pages),
        lambda: [dict(wire) for wire in wires],
        lambda: [Company.from_wire(wire) for wire in wires],
        read,
    )
    for what, seconds, of, to in (
        ("parse the pages, one by one", parsing, None, ""),
        ("copy the dicts", copying, parsing, "the parse"),
        ("make objects of them", making, copying, "dict(row)"),
        ("and read three fields, one a date", reading, copying, "dict(row)"),
    ):
        yield Line(what, seconds, of and seconds / of, to, f"{scale.rows / seconds:,.0f} a second")
    objects = [Company.from_wire(wire) for wire in wires]
    for record in objects[:: max(1, scale.rows // 1000)]:
        record.phase = "Moved"
    with serving(scale.rows) as url, Planhat(api_url=url, api_token="test-token", calls_per_min=1e6) as planhat:
        first = Company.objects.using(planhat)
        finding, page, loading = medians(
            scale.times,
            lambda: [record for record in objects if record.changes()],
            lambda: msgspec.json.decode(pages[0]),
            lambda: list(first.all()[:PAGE]),
        )
    yield Line("find the thousand changed", finding, finding / page, f"the parse of {min(PAGE, scale.rows):,}")
    yield Line("the same", finding, finding / loading, f"loading one page of {min(PAGE, scale.rows):,}")
    yield from _calls(scale, wires)
    gc.unfreeze()


class _Slotted:
    """The least that an answer to a call can cost: a method that returns what is in a slot."""

    __slots__ = ("changed",)

    def __init__(self) -> None:
        self.changed = None

    def changes(self) -> None:
        return self.changed


def _calls(scale: Scale, wires: list[dict[str, Any]]) -> Iterator[Line]:
    """What `changes()` costs a record of which nothing changed, in calls of a bare method.

    A bare call of 50 nanoseconds makes 150 of them three, and a microsecond twenty.
    """
    few = wires[:CALLED]
    untouched, dated, custom = ([Company.from_wire(wire) for wire in few] for _ in range(3))
    for record in dated:
        record.last_updated, record.customer_from  # noqa: B018
    for record in custom:
        record.custom  # noqa: B018
    cases: list[Sequence[Any]] = [[_Slotted() for _ in few], untouched, dated, custom]
    bare, *others = medians(5 * scale.times, *(partial(_ask, records) for records in cases))
    for what, seconds, must in zip(
        ("as they came", "after two dates were read", "after custom was read"), others, (3, 3, 20), strict=True
    ):
        each = 1e9 * seconds / (len(few) * REPEATED)
        yield Line(
            f"changes() of records {what}", seconds, seconds / bare, "a bare method", f"{each:,.0f} ns each", must=must
        )


def _ask(records: Sequence[Any]) -> None:
    for _ in range(REPEATED):
        for record in records:
            record.changes()
