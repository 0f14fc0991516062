"""The language of questions on the command line: `status='customer' and mrr>=1000 and renewal_date<today+60d`."""

from .questions import Column, columns, condition, items

__all__ = ["Column", "columns", "condition", "items"]
