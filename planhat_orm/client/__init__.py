"""The client: where settings, traffic, sources and writes meet.

It knows how to make everything else and hands it out: querysets get a source, records a writer, and every endpoint is
a plain call.
"""

from .planhat import Planhat

__all__ = ["Planhat"]
