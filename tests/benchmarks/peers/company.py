"""What a company of the benchmark has, by the types that a model declares; and what all scripts need."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

TEXTS = [
    "status",
    "headId",
    "name",
    "owner",
    "phase",
    "city",
    "country",
    "address",
    "web",
    "orgPath",
    "orgRootId",
    "coOwner",
    "description",
    "sourceId",
    "externalId",
    "lastTouchType",
]
NUMBERS = [
    "mr",
    "nrr30",
    "mrr",
    "arr",
    "mrrTotal",
    "nrrTotal",
    "mrTotal",
    "arrTotal",
    "renewalMrr",
    "renewalArr",
    "renewalDaysFromNow",
    "orgMrr",
    "orgArr",
    "orgMrrTotal",
    "orgArrTotal",
    "orgHealthTotal",
    "orgLevel",
    "orgUnits",
    "orgCount",
    "orgPathCount",
    "h",
    "nextTouch",
    "csmScore",
]
BOOLEANS = ["autoRenews"]
DATES = [
    "renewalDate",
    "customerFrom",
    "customerTo",
    "lastRenewal",
    "phaseSince",
    "createDate",
    "createdAt",
    "updatedAt",
    "lastUpdated",
    "lastTouch",
]
LISTS = [
    "domains",
    "tags",
    "products",
    "followers",
    "collaborators",
    "alerts",
    "csmScoreLog",
    "documents",
    "links",
    "lastActivities",
    "lastPerformedTriggers",
]
OBJECTS = ["features", "sunits", "usage", "lastTouchByType", "shareable", "custom"]
KEY = "externalId"
NAMES = ("name", "mrr", "updatedAt")
"""The fields that are read."""
PAGE = 5000
WIRES = 20_000
"""How many dicts are made objects, at most: they are all in memory."""
GETS = 300


def pages(url: str, decode: Any) -> Iterator[list[dict[str, Any]]]:
    """The pages of the list, for libraries that fetch nothing themselves."""
    with closing(HTTPConnection(urlsplit(url).netloc)) as connection:
        offset = 0
        while True:
            connection.request("GET", f"/companies?limit={PAGE}&offset={offset}&sort=_id")
            page = decode(connection.getresponse().read())
            if not page:
                return
            yield page
            offset += PAGE


def wires(url: str, rows: int, decode: Any) -> list[dict[str, Any]]:
    """The first dicts of the list."""
    return [wire for page in pages(url, decode) for wire in page][: min(rows, WIRES)]


def keys(rows: int, sample: int = 2000) -> list[str]:
    """Keys of records of the list, drawn by chance; each says which copy of the sample it is of, and where there."""
    few = min(rows, sample)
    numbers = random.Random(7).choices(range(rows), k=min(rows, GETS))
    return [f"acct-{number // few:08x}-{number % few}" for number in numbers]
