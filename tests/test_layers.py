"""Imports point down only, heavy libraries are imported where they belong, and `import planhat_orm` is light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "planhat_orm"

UNDER: dict[str, set[str]] = {
    "errors": set(),
    "names": set(),
    "html": set(),
    "gc_pause": set(),
    "json_decoding": set(),
    "runtime": {"errors", "names"},
    "http": {"errors", "names", "runtime", "html", "gc_pause", "json_decoding"},
}
"""What each layer may import, beside itself; CONTRIBUTING.md draws it."""
for _layer in ("wire", "query", "fields", "models", "queryset"):
    UNDER[_layer] = {*UNDER, *UNDER["http"]} - {_layer}
UNDER["writes"] = UNDER["mirror"] = UNDER["queryset"] | {"queryset"}
UNDER["reports"] = UNDER["queryset"] | {"queryset"}
UNDER["client"] = {*UNDER} - {"client"}
UNDER["testing"] = UNDER["notebook"] = {*UNDER["client"], "client", "emulator"}
UNDER["cli"] = {*UNDER["testing"], "testing", "notebook", ""}
UNDER[""] = {*UNDER["client"], "client"}
"""The package's own `__init__`."""

EMULATOR_MAY = {"wire.resources", "http.clock", "errors", "names"}
AT_HOME = {
    "httpcore": {"http"},
    "httpx": set(),
    "certifi": {"http"},
    "sqlmodel": {"mirror"},
    "sqlalchemy": {"mirror"},
    "alembic": {"mirror"},
}
HEAVY = (
    "sqlmodel",
    "sqlalchemy",
    "alembic",
    "starlette",
    "uvicorn",
    "typer",
    "rich",
    "httpx",
    "polars",
    "pandas",
    "pyarrow",
    "altair",
    "jinja2",
)


@cache
def package() -> Mapping[str, str]:
    """The source of every module, by dotted name under `planhat_orm`; packages end in `.__init__`."""
    return {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path.read_text("utf-8")
        for path in PACKAGE.rglob("*.py")
        if "_migrations" not in path.parts
    }


def imports(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Every import that can run: those under `if TYPE_CHECKING:` cannot."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            for branch in node.orelse:
                yield from imports(ast.Module([branch], []))
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        else:
            yield from imports(node)


@cache
def imported(name: str, source: str, modules: frozenset[str]) -> list[tuple[str, int]]:
    """The dotted names that a module imports; ours start with a dot."""
    return list(_imported(name, source, modules))


def _imported(name: str, source: str, modules: frozenset[str]) -> Iterator[tuple[str, int]]:
    here = name.split(".")[:-1]
    for node in imports(ast.parse(source)):
        if isinstance(node, ast.Import):
            for item in node.names:
                ours = item.name == "planhat_orm" or item.name.startswith("planhat_orm.")
                yield (item.name.removeprefix("planhat_orm") or "." if ours else item.name), node.lineno
            continue
        module = node.module or ""
        if node.level:
            parts = here[: len(here) - node.level + 1] + ([module] if module else [])
        elif module == "planhat_orm" or module.startswith("planhat_orm."):
            parts = module.split(".")[1:]
        else:
            yield module, node.lineno
            continue
        base = ".".join(parts)
        for alias in node.names:
            inner = f"{base}.{alias.name}".strip(".")
            yield "." + (inner if inner in modules else base), node.lineno


def violations(known: Mapping[str, str]) -> list[str]:
    """Every import against the arrows, as `module:line imports name`."""
    found = []
    modules = frozenset(trait.removesuffix(".__init__") for trait in known)
    for name, source in known.items():
        layer = "" if name == "__init__" else name.split(".")[0]
        for target, line in imported(name, source, modules):
            if not target.startswith("."):
                wrong = layer not in AT_HOME.get(target.split(".")[0], {layer})
            elif layer == "emulator":
                there = target[1:].removesuffix(".__init__")
                wrong = there.split(".")[0] != "emulator" and there not in EMULATOR_MAY
            else:
                there = target[1:].split(".")[0]
                wrong = there != layer and there not in UNDER[layer] and not (there == "emulator" and layer == "cli")
            if wrong:
                found.append(f"{name}:{line} imports {target}")
    return found


def test_no_import_goes_against_the_arrows() -> None:
    assert violations(package()) == []


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("http.retry", "from ..wire import paths"),
        ("wire.listing", "from ..query.tree import Q"),
        ("query.tree", "from ..fields import Field"),
        ("fields.base", "from ..models.base import Model"),
        ("models.base", "from ..queryset import QuerySet"),
        ("queryset.queryset", "from ..client.source import ApiSource"),
        ("queryset.queryset", "from .. import Planhat"),
        ("queryset.queryset", "import planhat_orm"),
        ("queryset.queryset", "import planhat_orm.client"),
        ("writes.send", "from ..client import Planhat"),
        ("writes.send", "from ..mirror import Mirror"),
        ("mirror.sync.run", "from ...writes import Batch"),
        ("mirror.sync.run", "def work():\n    from planhat_orm.client import Planhat"),
        ("client.planhat", "from ..cli import main"),
        ("client.planhat", "from ..emulator import Emulator"),
        ("emulator.server", "from ..client import Planhat"),
        ("emulator.server", "from ..wire import listing"),
        ("emulator.server", "from ..http import session"),
        ("errors", "from .names import camel"),
        ("runtime", "from .http.effects import Flow"),
        ("wire.paths", "import httpcore"),
        ("client.source", "from sqlalchemy import select"),
        ("models.base", "import sqlmodel.main"),
        ("cli.__init__", "import alembic"),
    ],
)
def test_an_upward_import_is_noticed(module: str, line: str) -> None:
    assert module in package()
    [violation] = violations({**package(), module: f"{line}\n"})
    assert violation.startswith(f"{module}:")


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("models.base", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..queryset import QuerySet"),
        ("emulator.server", "from ..http.clock import Clock\nfrom ..wire.resources import resource"),
        ("client.planhat", "from ..mirror import Mirror\nfrom ..queryset import prefetch"),
        ("http.drivers", "import httpcore"),
        ("mirror.reading.compiler", "from sqlalchemy import select\nfrom ...query.tree import Test"),
    ],
)
def test_downward_and_type_only_imports_are_left_alone(module: str, line: str) -> None:
    assert violations({**package(), module: f"{line}\n"}) == []


def test_every_layer_is_known() -> None:
    layers = {name.split(".")[0] for name in package()} - {"__init__"}
    assert layers <= {*UNDER, "emulator"}


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = f"""
import sys
import planhat_orm
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, done.stdout.strip()) == (0, "", "[]")
