"""No setting of the shell gets in, and nothing leaves the machine."""

from __future__ import annotations

from ..online import bare_environment

__all__ = ["bare_environment"]
