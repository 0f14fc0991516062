"""Bringing a mirror up to date: which strategy, which pages, what they change.

It knows the server's lists (through `wire` flows) and the store; it answers no queries.
"""
