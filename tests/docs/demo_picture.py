"""Draw `docs/demo.svg`, the picture of the demo in the README, from a run of it: `make picture`."""

from __future__ import annotations

import html
import io
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PICTURE = Path(__file__).parents[2] / "docs" / "demo.svg"
_WIDTH = 100
_SHOWN: tuple[tuple[str, str, str], ...] = (
    ("3. Stop the server", "Which licences renew", " Kestrelmark"),
    ("4. Start the server", "The plan, shortened:", "The result:"),
    ("6. Does the copy agree", "Yes:", "same,"),
    ("7. Requests", " step", " compare the copy"),
)
"""Parts of the output: a heading, the line from which on, and the one to which it is shown."""


def parts(output: str) -> list[str]:
    """The lines of a demo's output that are in the picture: those that are the same in every run."""
    lines, shown = output.splitlines(), ["$ planhat demo"]
    for heading, first, last in _SHOWN:
        at = next(number for number, line in enumerate(lines) if line.startswith(heading))
        begin = next(number for number, line in enumerate(lines) if number > at and line.startswith(first))
        end = next(number for number, line in enumerate(lines) if number >= begin and line.startswith(last))
        shown += ["", lines[at], *lines[begin : end + 1]]
    return shown


def drawn(lines: list[str]) -> str:
    """The lines as a terminal, in SVG that loads nothing from elsewhere."""
    from rich.console import Console

    console = Console(record=True, width=_WIDTH, file=io.StringIO(), force_terminal=True)
    for line in lines:
        console.print(line, markup=False, highlight=False, style="bold" if line[:1].isdigit() else None)
    made = console.export_svg(title="planhat demo", unique_id="demo")
    return re.sub(r"\s*@font-face \{.*?\}", "", made, flags=re.DOTALL)


def texts(picture: str) -> Iterator[str]:
    """What is written in a picture, line by line."""
    for text in re.findall(r"<text[^>]*>(.*?)</text>", picture):
        yield html.unescape(text).replace("\xa0", " ").rstrip()


if __name__ == "__main__":
    done = subprocess.run([sys.executable, "-m", "planhat_orm.cli", "demo"], capture_output=True, text=True, check=True)
    PICTURE.write_text(drawn(parts(done.stdout)), "utf-8")
