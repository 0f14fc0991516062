"""Records in memory, against the JSON parse that comes before them and against copying their dicts."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import msgspec

from planhat_orm import Company, Planhat

from .data_sets import companies
from .measure import Line, Scale, medians
from .server import serving

PAGE = 5000


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
    gc.unfreeze()
