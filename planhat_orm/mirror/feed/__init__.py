"""What changed since a reader's last time, for programs that keep a copy of the mirror: exports of changes, and dlt.

A reader keeps a cursor for each model. It gets the rows that changed, as the server holds them, and the ids of those
that are gone; or all rows, where the changes since its cursor are not known.
"""
