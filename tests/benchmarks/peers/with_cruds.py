"""CRUDs fetches all companies, sqlite-utils stores them."""

from __future__ import annotations

from typing import Any

from ..run import Job, run_and_print
from .company import BOOLEANS, DATES, LISTS, NUMBERS, OBJECTS, PAGE, TEXTS


def store(url: str, where: str, rows: str) -> Job:
    """Every company, page by page."""
    from cruds.interfaces.planhat import logic

    logic.PLANHAT_API_HOST = url + "/"  # it has no setting for the address
    from cruds.interfaces.planhat import Planhat
    from sqlite_utils import Database

    fields = ",".join(["_id", *TEXTS, *NUMBERS, *BOOLEANS, *DATES, *LISTS, *OBJECTS])

    def job() -> dict[str, Any]:
        planhat = Planhat(api_token="test-token")
        database = Database(where)
        database.enable_wal()
        table = database["company"]
        for page in planhat.company.get_list(sort="_id", select=fields, limit=PAGE):
            table.insert_all(page, pk="_id", alter=True, batch_size=PAGE)
        table.create_index(["externalId"])
        return {"rows": table.count}

    return job


if __name__ == "__main__":
    run_and_print({"store": store})
