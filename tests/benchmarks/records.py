"""Records in memory, against the JSON parse that comes before them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import msgspec

from planhat_orm import Company
from planhat_orm.emulator import Emulator


def run(rows: int) -> Iterator[str]:
    with Emulator(companies=min(rows, 2000), endusers=0, licenses=0, conversations=0, tasks=0) as emulator:
        sample = emulator.store.all("company")
    wires = [dict(sample[place % len(sample)], _id=f"{place:024x}") for place in range(rows)]
    pages = [msgspec.json.encode(wires[start : start + 5000]) for start in range(0, rows, 5000)]
    parse = best(lambda: [msgspec.json.decode(page) for page in pages])
    made = best(lambda: [Company.from_wire(wire) for wire in wires])
    yield f"parse {rows:,} records of JSON: {parse:.2f} s; make objects of them: {made / parse:.2f} of that"
    objects = [Company.from_wire(wire) for wire in wires]
    reading = best(lambda: [(one.name, one.mrr, one.last_updated) for one in objects])
    yield f"read three fields of each, one a date: {reading / parse:.2f} of the parse"
    objects = [Company.from_wire(wire) for wire in wires]
    for one in objects[:: max(1, rows // 1000)]:
        one.phase = "Moved"
    finding = best(lambda: [one for one in objects if one.changes()])
    page = best(lambda: msgspec.json.decode(pages[0]))
    yield f"find the changed among {rows:,}: {finding * 1000:.0f} ms; parse a page of 5,000: {page * 1000:.0f} ms"


def best(call: Callable[[], object], times: int = 3) -> float:
    found = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        found.append(time.perf_counter() - started)
    return min(found)
