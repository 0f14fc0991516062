"""Planhat's REST without objects: resources, paths, lists, records, bulk upserts, analytics.

It knows what the API takes, answers and leaves open, as flows over plain dicts: a list is complete or raises, a row
has one outcome, a create is looked for before it is repeated.
"""
