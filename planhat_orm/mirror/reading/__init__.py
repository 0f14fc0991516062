"""Answering queries from the mirror: the compiler from a query to SQL, its two dialects, the past.

It only reads. It knows nothing of how rows came to be there.
"""
