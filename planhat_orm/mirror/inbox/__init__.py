"""What webhooks said and nobody looked at yet, beside the mirror.

It knows which records may have changed, and forgets one when it was read again; it keeps nothing of a body.
"""

from .inbox import MOST_TRIES, Event, Inbox, PendingRecord, Retry

__all__ = ["MOST_TRIES", "Event", "Inbox", "PendingRecord", "Retry"]
