"""Models: one class a resource, and the record they are instances of."""
