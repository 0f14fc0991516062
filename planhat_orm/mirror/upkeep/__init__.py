"""Making a mirror usable over the years: migrations, backfills, checks and rescue of a damaged file.

It opens databases, upgrades them, and says what is wrong with them. It knows nothing of syncs or queries.
"""
