"""Planhat's REST without objects: resources, paths, lists, records, bulk upserts, analytics."""
