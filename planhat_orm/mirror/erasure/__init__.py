"""Erasing a person from a mirror: finding everything that is held of them, and leaving none of it in the files."""
