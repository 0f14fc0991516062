"""What the pages hold: README and everything under docs/, their fenced blocks, their links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

_FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^`\n]*)$")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_SAID = re.compile(r"# -> (?P<text>.*?)\s*$", re.MULTILINE)
_HEADING = re.compile(r"^#{1,6} +(?P<text>.+?)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. `line` is the number of its first line of text; `before` the last line above the fence."""

    page: Path
    language: str
    mark: str
    text: str
    line: int
    before: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    lines = page.read_text("utf-8").splitlines()
    opened: tuple[str, str, int, str] | None = None
    before = ""
    for number, line in enumerate(lines, 1):
        fence = _FENCE.match(line)
        if opened is None:
            if fence is not None:
                language, _, mark = fence["info"].strip().partition(" ")
                opened = (language, mark.strip(), number, before)
            elif line.strip():
                before = line.strip()
        elif fence is not None and not fence["info"].strip():
            language, mark, start, above = opened
            yield Block(page, language, mark, "\n".join(lines[start : number - 1]) + "\n", start + 1, above)
            opened = None
    assert opened is None, f"{page}: the block of line {opened[2]} is not closed"


def said_lines(block: Block) -> list[str]:
    """What the comments `# -> text` of a block say that it prints."""
    return [match["text"] for match in _SAID.finditer(block.text)]


def unprinted(block: Block, printed: str) -> str | None:
    """The first line that a block says and did not print in that place; `...` stands for anything."""
    lines = iter(printed.splitlines())
    for text in said_lines(block):
        pattern = ".*".join(map(re.escape, text.split("...")))
        if not any(re.fullmatch(pattern, line.strip()) for line in lines):
            return text
    return None


def prose(page: Path) -> str:
    """A page without its fenced blocks and code spans."""
    kept, inside = [], False
    for line in page.read_text("utf-8").splitlines():
        if _FENCE.match(line):
            inside = not inside
        elif not inside:
            kept.append(re.sub(r"`[^`]*`", "`", line))
    return "\n".join(kept)


def links(page: Path) -> list[str]:
    """The targets of a page's links."""
    return [match["target"] for match in _LINK.finditer(prose(page))]


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    found = set()
    for heading in _HEADING.finditer(_BLOCK.sub("", page.read_text("utf-8"))):
        text = re.sub(r"[^\w\- ]", "", heading["text"].replace("`", "").lower())
        found.add(text.replace(" ", "-"))
    return found
