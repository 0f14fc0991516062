"""Models: one class a resource, and the record they are instances of.

A record is two dicts: what the API said, never changed, and what you read or set. Its changes are the difference.
It knows its client by a protocol, and nothing of HTTP or SQL.
"""
