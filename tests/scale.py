"""How long a proof takes: short and seeded by default, whole under `make torture`.

This is the one place that looks at the variable. A test that has no short version carries `@pytest.mark.torture`.
"""

from __future__ import annotations

import os
import sys
from typing import TypeVar

T = TypeVar("T")

VARIABLE = "PLANHAT_TORTURE"
LONG = bool(os.environ.get(VARIABLE)) or "--torture" in sys.argv
"""Whether the long proofs run. This module is imported before pytest has read its options, and by processes that tests
start, for which `pytest --torture` sets the variable."""


def sized(short: T, long: T) -> T:
    """The size of a proof: `short` in `make test`, `long` in `make torture`."""
    return long if LONG else short
