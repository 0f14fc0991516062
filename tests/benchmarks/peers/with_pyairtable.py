"""pyairtable: records of an API as objects of its ORM."""

from __future__ import annotations

import gc
import json
from typing import Any

from ..run import Job, run_and_print
from .company import BOOLEANS, DATES, LISTS, NUMBERS, OBJECTS, TEXTS, wires


def wire(url: str, where: str, rows: str) -> Job:
    from pyairtable.orm import Model, fields

    kinds = (
        (TEXTS, fields.TextField),
        (NUMBERS, fields.NumberField),
        (BOOLEANS, fields.CheckboxField),
        (DATES, fields.DatetimeField),
        (LISTS + OBJECTS, fields.Field),
    )
    declared = {name: kind(name) for names, kind in kinds for name in names}
    meta = {"base_id": "app00000000000000", "table_name": "Companies", "api_key": "test-token"}
    company: Any = type("Company", (Model,), {"Meta": meta, **declared})
    records = [
        {"id": record["_id"], "createdTime": record["createdAt"], "fields": record}
        for record in wires(url, int(rows), json.loads)
    ]
    gc.freeze()

    def job() -> dict[str, Any]:
        made = [company.from_record(record) for record in records]
        return {"rows": len([(item.name, item.mrr, item.updatedAt) for item in made])}

    return job


if __name__ == "__main__":
    run_and_print({"wire": wire})
