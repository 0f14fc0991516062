"""Records in memory, against the JSON parse that comes before them and against copying their dicts."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import msgspec

from planhat_orm import Company, Planhat

from .measure import Line, Scale, best
from .server import companies, serving

PAGE = 5000


def run(scale: Scale) -> Iterator[Line]:
    wires = list(companies(scale.rows))
    pages = [msgspec.json.encode(wires[start : start + PAGE]) for start in range(0, scale.rows, PAGE)]
    # What is kept of one case must not make the collector's work in the next one longer.
    gc.freeze()
    parsing = best(lambda: sum(len(msgspec.json.decode(page)) for page in pages), scale.times)
    yield Line("parse the pages, one by one", parsing, beside=f"{scale.rows / parsing:,.0f} a second")
    copying = best(lambda: [dict(wire) for wire in wires], scale.times)
    yield Line("copy the dicts", copying, copying / parsing, "the parse", f"{scale.rows / copying:,.0f} a second")
    making = best(lambda: [Company.from_wire(wire) for wire in wires], scale.times)
    yield Line("make objects of them", making, making / copying, "dict(row)", f"{scale.rows / making:,.0f} a second")

    def read() -> list[object]:
        return [(item.name, item.mrr, item.last_updated) for item in map(Company.from_wire, wires)]

    reading = best(read, scale.times)
    beside = f"{scale.rows / reading:,.0f} a second"
    yield Line("and read three fields, one a date", reading, reading / copying, "dict(row)", beside)
    objects = [Company.from_wire(wire) for wire in wires]
    for record in objects[:: max(1, scale.rows // 1000)]:
        record.phase = "Moved"
    finding = best(lambda: [record for record in objects if record.changes()], scale.times)
    page = best(lambda: msgspec.json.decode(pages[0]), scale.times)
    yield Line("find the thousand changed", finding, finding / page, f"the parse of {min(PAGE, scale.rows):,}")
    with serving(scale.rows) as url, Planhat(api_url=url, api_token="test-token", calls_per_min=1e6) as planhat:
        first = Company.objects.using(planhat)
        loading = best(lambda: list(first.all()[:PAGE]), scale.times)
    yield Line("the same", finding, finding / loading, f"loading one page of {min(PAGE, scale.rows):,}")
    gc.unfreeze()
