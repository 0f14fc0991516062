"""Writes that wait to be sent, and how they show in queries until then.

It knows entries and their claims; how they travel is the business of `writes`.
"""
