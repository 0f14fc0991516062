"""Requests on their way: effects, quota, retry, drivers. The only importer of httpcore."""
