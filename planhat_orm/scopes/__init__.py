"""Which client a piece of code uses, and which block holds its writes.

A scope is what a `with` opens: a client, or a batch, a dry run or an offline block of one. Scopes form a chain, the
innermost first, in one context variable, so threads and tasks each have their own. What is read or made inside a
scope remembers it; so a block holds its records in threads that know nothing of it, too. One registry knows the
clients that exist, one the blocks that are open.
"""
