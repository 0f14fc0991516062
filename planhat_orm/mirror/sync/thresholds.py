"""From when on which way of syncing is worth its requests, and how long what was found out about a list is believed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ..db import state

SMALL = 500
"""Up to so many records are read whole: that costs no more requests, and sees everything."""
SINGLY = 20
"""Up to so many records that differ are read one by one; for more of them the whole list is."""
FULL_EVERY = timedelta(days=7)
VOLATILE_EVERY = timedelta(days=1)
"""Full passes are what sees changes that move no stamp: the more of them there were, the oftener."""
SWEEP_EVERY = timedelta(days=1)
"""How often all ids are read where a probe cannot show that something was deleted."""
LEARN_EVERY = timedelta(days=7)
"""How often a record is read alone whose list is thin, as it may have keys that nobody documents."""
TRUST_AGAIN = timedelta(days=7)


def older(text: str | None, age: timedelta) -> bool:
    """Whether a moment is longer ago; one that never was is."""
    return text is None or datetime.now(UTC) - state.moment(text) > age
