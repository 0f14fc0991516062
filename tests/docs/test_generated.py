"""The reference is written from the code: it is current, and has an entry for everything that is public."""

from __future__ import annotations

import os
import re

import pytest

import planhat_orm

from .generated import GENERATED, MODULES, models, module_names, site_nav, words
from .pages import ROOT

REFERENCE = ROOT / "docs" / "reference"


@pytest.mark.parametrize("name", GENERATED)
def test_a_generated_page_is_current(name: str) -> None:
    text = GENERATED[name]()
    path = REFERENCE / name
    if os.environ.get("PLANHAT_WRITE_DOCS"):
        path.write_text(text, "utf-8")
    assert path.read_text("utf-8") == text, f"docs/reference/{name} is old: make docs"


def test_every_public_name_has_an_entry() -> None:
    named = words((REFERENCE / "public-names.md").read_text("utf-8"))
    assert set(planhat_orm.__all__) <= named
    for module in MODULES:
        assert set(module_names(module)) <= named, module


def test_every_module_that_the_docs_import_from_is_in_the_reference() -> None:
    pages = [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", *(ROOT / "examples").rglob("*.py")]
    used = {found for page in pages for found in re.findall(r"^from (planhat_orm\.[\w.]+) import",
                                                            page.read_text("utf-8"), re.MULTILINE)}  # fmt: skip
    assert used <= MODULES.keys()


def test_every_field_has_an_entry() -> None:
    named = words((REFERENCE / "models.md").read_text("utf-8"))
    for model in models():
        assert {field.name for field in model._meta.by_wire.values()} <= named, model.__name__


def test_every_page_is_in_the_site() -> None:
    path = ROOT / "mkdocs.yml"
    text = path.read_text("utf-8")
    current = text[: text.index("nav:\n")] + site_nav(ROOT / "docs")
    if os.environ.get("PLANHAT_WRITE_DOCS"):
        path.write_text(current, "utf-8")
    assert path.read_text("utf-8") == current, "mkdocs.yml lacks a page: make docs"
