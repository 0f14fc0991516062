"""Bulk upserts: as few requests as the limits allow, one after another, and an outcome for every row.

A chunk of keyed rows may be repeated when its answer is lost: the keys make it find what it stored. Rows
without a key, and those that append to an array, travel in chunks of their own, which are sent once. A chunk
that is refused whole, or that the server fails on, is halved until the bad row is alone, so that the good ones
are stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from ..errors import BulkError, ValidationError
from ..http.effects import Flow
from .bulk_sender import BulkAnswer, BulkSender
from .outcomes import Outcome
from .resources import BULK_MAX_ROWS, Resource


def upsert(
    resource: Resource, rows: Iterable[Mapping[str, Any]], *, chunk_size: int = BULK_MAX_ROWS, remember: bool = True
) -> Flow[BulkAnswer]:
    """Send rows as bulk upserts and return an outcome for each.

    ceil(rows/5000) requests when all goes well. `rows` may be a generator; it is read a chunk at a time.
    Never raises for what happens to a row or a chunk: that is in its outcome. `ValidationError` before
    anything is sent for a chunk size that the API does not take, and for a list that holds more than dicts.
    When a generator fails after rows of it were sent, `BulkError` has their outcomes. `remember` notes records as
    made; who has an outbox does so when they are acknowledged there.
    """
    if isinstance(chunk_size, bool) or not isinstance(chunk_size, int):
        raise ValidationError(f"chunk_size must be a whole number, not {type(chunk_size).__name__}.")
    if not 1 <= chunk_size <= BULK_MAX_ROWS:
        raise ValidationError(f"chunk_size must be between 1 and {BULK_MAX_ROWS}, not {chunk_size}.")
    if isinstance(rows, (str, bytes)) or not isinstance(rows, Iterable):
        raise ValidationError(
            f"A bulk upsert takes rows, as a list or a generator of dicts, not a {type(rows).__name__}."
        )
    if isinstance(rows, Sequence):
        _check(rows)
    answer = BulkAnswer()
    sender = BulkSender(resource, answer, remember)
    source = iter(rows)
    while True:
        start = len(answer.outcomes)
        try:
            chunk = list(islice(source, chunk_size))
            _check(chunk)
        except Exception as failure:
            if not start:
                raise
            raise BulkError(
                f"The rows ended with {type(failure).__name__} after {start} of them were sent: "
                f".result.outcomes has what became of those.",
                result=answer,
            ) from failure
        if not chunk:
            return answer
        answer.outcomes.extend(Outcome(start + place, "unknown") for place in range(len(chunk)))
        yield from sender.send(start, chunk)


def _check(rows: Iterable[Any]) -> None:
    for row in rows:
        if not isinstance(row, Mapping):
            raise ValidationError(f"A bulk upsert takes dicts, not {type(row).__name__}.")
