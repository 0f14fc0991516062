"""The licences of what is installed with the package are those that docs/explanation/dependencies.md tells; the lock fits."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/explanation/dependencies.md").read_text("utf-8")
LOCK = ROOT / "requirements-dev.lock"
FAMILIES = {
    "MIT": r"\bMIT\b", "MPL-2.0": r"MPL|Mozilla Public", "BSD": r"BSD", "Apache-2.0": r"Apache", "LGPL-3.0": r"LGPL|Lesser",
    "PSF-2.0": r"PSF|Python Software Foundation", "ISC": r"ISC", "public domain": r"Public Domain",
}  # fmt: skip
"""How each licence of the table is spelt in what packages say of themselves."""


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def declared() -> list[Requirement]:
    """What the package asks for, with all extras, on this machine."""
    known = project()["project"]
    texts = [*known["dependencies"], *(text for extra in known["optional-dependencies"].values() for text in extra)]
    found = [Requirement(text) for text in texts]
    return [requirement for requirement in found if _is_asked_for(requirement)]


def _is_asked_for(requirement: Requirement) -> bool:
    here = requirement.marker is None or requirement.marker.evaluate()
    return here and requirement.name != "planhat_orm"


def brought_along(wanted: Iterable[Requirement]) -> Iterator[metadata.Distribution]:
    """What is installed of these, and of what they ask for."""
    waiting, seen = [(requirement.name, frozenset(requirement.extras)) for requirement in wanted], set()
    while waiting:
        name, extras = waiting.pop()
        if (normal(name), extras) in seen:
            continue
        seen.add((normal(name), extras))
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        yield found
        for text in found.requires or ():
            asked = Requirement(text)
            if asked.marker is None or any(asked.marker.evaluate({"extra": extra}) for extra in (*extras, "")):
                waiting.append((asked.name, frozenset(asked.extras)))


def licence(package: metadata.Distribution) -> str:
    """What a package says of its licence, in any of the three places that there are for it."""
    told = package.metadata
    classifiers = [line for line in told.get_all("Classifier") or () if line.startswith("License ::")]
    # `keyring` may have brought a reader of its own, which raises where the standard library's says None.
    expression, text = (told.get(name) or "" for name in ("License-Expression", "License"))  # type: ignore[attr-defined]
    return " ".join([expression, text[:200], *classifiers])


def rows() -> dict[str, str]:
    """The licences of the table by the packages that are named with them."""
    section = PAGE.partition("## Licences")[2].partition("\n## ")[0]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines() if line.startswith("|")]
    return {normal(name): row[0] for row in cells[2:] for name in row[1].split(", ") if name}


@pytest.mark.parametrize("name", sorted({normal(requirement.name) for requirement in declared()}))
def test_the_table_tells_the_licence_of_each_package(name: str) -> None:
    told = rows()[name]
    try:
        found = licence(metadata.distribution(name))
    except metadata.PackageNotFoundError:
        pytest.skip(f"{name} is not installed here")
    assert re.search(FAMILIES[told], found), found


def test_what_they_bring_along_is_under_a_licence_of_the_table() -> None:
    known = re.compile("|".join(FAMILIES.values()))
    assert [found.metadata["Name"] for found in brought_along(declared()) if not known.search(licence(found))] == []


def test_every_package_of_the_lock_is_under_a_licence_of_the_table() -> None:
    known = re.compile("|".join(FAMILIES.values()))
    installed = {normal(found.metadata["Name"]): licence(found) for found in metadata.distributions()}
    locked = map(normal, re.findall(r"^([A-Za-z0-9._-]+)==", LOCK.read_text("utf-8"), re.MULTILINE))
    told = {name: installed[name] for name in locked if name in installed}
    unknown = {name: text for name, text in told.items() if not known.search(text)}
    # These two give the text of the MIT and of the BSD licence in its place.
    assert unknown.keys() <= {"polars", "altair"}, unknown
    mpl = {name for name, text in told.items() if re.search(FAMILIES["MPL-2.0"], text)}
    assert all(name in PAGE.lower() for name in mpl), mpl


def test_the_table_names_nothing_else() -> None:
    asked = {normal(Requirement(text).name) for text in _all_texts()}
    assert rows().keys() - asked == set()


def _all_texts() -> list[str]:
    known = project()["project"]
    return [*known["dependencies"], *(text for extra in known["optional-dependencies"].values() for text in extra)]


def test_the_lock_has_a_version_that_fits_for_each_package_of_the_environment() -> None:
    locked = dict(re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", LOCK.read_text("utf-8"), re.MULTILINE))
    locked = {normal(name): version for name, version in locked.items()}
    dev = [Requirement(text) for text in project()["dependency-groups"]["dev"]]
    for wanted in [*declared(), *dev]:
        assert wanted.specifier.contains(locked[normal(wanted.name)]), wanted


def test_the_lock_names_no_host_and_each_package_has_hashes() -> None:
    text = LOCK.read_text("utf-8")
    assert "://" not in text and "--index" not in text
    for line in re.findall(r"^[A-Za-z0-9](?:.*\\\n)*.*", text, re.MULTILINE):
        assert "--hash=sha256:" in line, line
