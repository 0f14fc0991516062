"""What the pages point to is there: files, headings, commands and their options."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from .pages import PAGES, ROOT, Block, anchors, blocks, links

_MARKDOWN = [*PAGES, ROOT / "CHANGELOG.md", ROOT / "examples" / "README.md"]


def _named(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", _MARKDOWN, ids=_named)
def test_relative_links_lead_to_a_file_and_a_heading(page: Path) -> None:
    broken = []
    for link in links(page):
        target, _, anchor = link.partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        path = (page.parent / target).resolve() if target else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(link)
    assert not broken, f"{page.name} links to what is not there: {', '.join(broken)}"


def test_every_page_is_reached_from_the_readme() -> None:
    reached, ahead = set(), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page in reached or not page.is_file():
            continue
        reached.add(page)
        targets = [link.partition("#")[0] for link in links(page) if "://" not in link]
        ahead += [(page.parent / target).resolve() for target in targets if target.endswith(".md")]
    assert not set(PAGES) - reached, "no link leads to these pages"


def _commands(block: Block) -> list[list[str]]:
    """The `planhat` command lines of a shell block, as words."""
    found = []
    for line in block.text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while words and words[0] in ("$", "."):
            words = words[1:]
        for start, word in enumerate(words):
            if word == "planhat" and (start == 0 or words[start - 1] in ("&&", ";", "|")):
                end = next((n for n, word in enumerate(words) if n > start and word in ("&&", ";", "|")), len(words))
                found.append(words[start + 1 : end])
    return found


def _wrong(command: Any, words: list[str]) -> str:
    """What is wrong with a command line, or nothing."""
    while words and hasattr(command, "commands"):
        if words[0].startswith("-"):
            break
        if words[0] not in command.commands:
            return f"there is no command {words[0]!r}"
        command, words = command.commands[words[0]], words[1:]
    options = {name for param in command.params for name in (*param.opts, *param.secondary_opts)} | {"--help"}
    unknown = [word for word in words if word.startswith("--") and word.partition("=")[0] not in options]
    return f"{command.name} has no option {unknown[0]}" if unknown else ""


@pytest.mark.parametrize("page", _MARKDOWN, ids=_named)
def test_planhat_commands_in_shell_blocks_exist(page: Path) -> None:
    from planhat_orm.cli.app import app

    known = get_command(app)
    for block in blocks(page):
        if block.language in ("sh", "console"):
            for words in _commands(block):
                wrong = _wrong(known, words)
                assert not wrong, f"{block}: planhat {' '.join(words)}: {wrong}"
