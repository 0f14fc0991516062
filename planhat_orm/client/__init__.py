"""The client: where settings, traffic, sources and writes meet."""

from .planhat import Planhat

__all__ = ["Planhat"]
