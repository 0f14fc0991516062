"""The database itself: tables, their layout, the codec of rows, state, leases, transactions.

Every other room stands on it; it knows nothing of syncs, queries or exports.
"""
