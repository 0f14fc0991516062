"""Requests on their way: effects, quota, retry, the two drivers. The only importer of httpcore.

It knows what a request is, when it may leave, how often it is tried and how long an answer may take; it knows nothing
of Planhat's resources. Flows yield its effects, and a driver for threads and one for tasks carry them out.
"""
