"""What the site does to pages: links that lead out of docs/, to files of the repository, become plain text there."""

from __future__ import annotations

import re
from typing import Any

_OUTSIDE = re.compile(r"\[([^\]]+)\]\((?:\.\./){2}[^)]*\)")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by MkDocs for every page before it is rendered."""
    return _OUTSIDE.sub(r"\1", markdown)
