"""Where in the user's code something happens."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import FrameType

_PACKAGE = str(Path(__file__).parents[1]) + os.sep
_WITH = (f"{os.sep}contextlib.py",)


def user_frame() -> FrameType:
    """The innermost frame outside of this package."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return frame


def caller() -> str:
    """The innermost place outside of this package, as `file:line`."""
    frame = user_frame()
    while frame.f_back is not None and frame.f_code.co_filename.endswith(_WITH):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
