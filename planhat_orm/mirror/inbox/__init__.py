"""What webhooks said and nobody looked at yet, beside the mirror."""

from .inbox import MOST_TRIES, Event, Inbox, PendingRecord, Retry

__all__ = ["MOST_TRIES", "Event", "Inbox", "PendingRecord", "Retry"]
