"""pydantic: the dicts of the API as models, with the types that the other scripts declare."""

from __future__ import annotations

import gc
import json
from datetime import datetime
from typing import Any

from ..run import Job, run_and_print
from .company import BOOLEANS, DATES, LISTS, NUMBERS, OBJECTS, TEXTS, wires


def wire(url: str, where: str, rows: str) -> Job:
    from pydantic import Field, TypeAdapter, create_model

    fields: dict[str, Any] = {"id": (str, Field(alias="_id"))}
    for names, kind in (
        (TEXTS, str),
        (NUMBERS, float),
        (BOOLEANS, bool),
        (DATES, datetime),
        (LISTS, list[Any]),
        (OBJECTS, dict[str, Any]),
    ):
        fields |= dict.fromkeys(names, (kind | None, None))
    company: Any = create_model("Company", **fields)
    validate = TypeAdapter(list[company]).validate_python
    dicts = wires(url, int(rows), json.loads)
    gc.freeze()

    def job() -> dict[str, Any]:
        made = validate(dicts)
        return {"rows": len([(item.name, item.mrr, item.updatedAt) for item in made])}

    return job


if __name__ == "__main__":
    run_and_print({"wire": wire})
