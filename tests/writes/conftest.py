"""Fixtures: an emulator on loopback and a client of it."""

from __future__ import annotations

from ..online import bare_environment, online

__all__ = ["bare_environment", "online"]
