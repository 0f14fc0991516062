"""The language of questions on the command line: `status='customer' and mrr>=1000 and renewal_date<today+60d`.

Loaded at the first question: most commands have none, and the parser takes as long as half of the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .questions import Column, columns, condition, items

__all__ = ["Column", "columns", "condition", "items"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import questions

    return getattr(questions, name)
