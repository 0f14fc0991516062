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
    "docstrings": set(),
    "aligned": set(),
    "reprs": set(),
    "gc_pause": {"forks"},
    "files": {"errors"},
    "json_decoding": set(),
    "json_encoding": {"errors"},
    "forks": set(),
    "extras": {"errors"},
    "arguments": {"errors", "names"},
    "scopes": {"errors", "names", "arguments", "forks"},
    "runtime": {"errors", "names", "arguments", "forks", "scopes"},
    "http": {
        *("errors", "names", "arguments", "forks", "scopes", "runtime", "html", "gc_pause", "json_decoding", "reprs")
    },
}
"""What each layer may import, beside itself; CONTRIBUTING.md draws it."""
for _layer in ("wire", "query", "fields", "models", "tabular", "queryset"):
    UNDER[_layer] = {*UNDER, *UNDER["http"]} - {_layer}
UNDER["writes"] = UNDER["mirror"] = UNDER["queryset"] | {"queryset"}
UNDER["reports"] = UNDER["queryset"] | {"queryset"}
UNDER["mypy_plugin"] = UNDER["queryset"] | {"queryset"}
UNDER["client"] = {*UNDER} - {"client"}
UNDER["dlt"] = UNDER["webhooks"] = UNDER["telemetry"] = {*UNDER["client"], "client"}
UNDER["cli"] = {*UNDER["client"], "client", "webhooks", ""}
UNDER["__main__"] = {"cli"}
UNDER[""] = {*UNDER["client"], "client"}
"""The package's own `__init__`."""

EMULATOR_MAY = {"wire.resources", "http.clock", "errors", "names", "forks"}
AT_HOME = {
    "httpcore": {"http"},
    "httpx": set(),
    "certifi": {"http"},
    "sqlmodel": {"mirror"},
    "sqlalchemy": {"mirror"},
    "alembic": {"mirror"},
    "filelock": {"mirror"},
    "dlt": {"dlt"},
}

ROOMS: dict[str, set[str]] = {
    "db": set(),
    "report": set(),
    "outbox": {"db"},
    "sharing": {"db"},
    "inbox": {"db"},
    "reading": {"db"},
    "feed": {"db", "outbox", "sharing"},
    "erasure": {"db", "outbox", "inbox", "sharing", "feed"},
    "sync": {"db", "report", "outbox", "sharing"},
    "upkeep": {"db", "report", "sharing"},
}
"""What each room of the mirror may import of the others, beside itself."""
ROOMS["mirror"] = set(ROOMS)
ROOMS["__init__"] = {*ROOMS, "mirror"}

ORDER: dict[str, tuple[str, ...]] = {
    "wire": (
        "resources", "keys", "paths", "aliases", "values", "hierarchy", "failures", "raw_records", "references", "patches", "content_match",
        "key_locks", "outcomes", "list_page", "list_reader", "list_end", "proved_page", "hidden_rows", "list_walk", "unordered", "listing", "newest",
        "new_records", "records", "creating", "find_by_keys", "bulk_rows", "bulk_sender", "bulk", "analytics", "metric_values", "refused_rows",
    ),
    "writes": (
        "outbox", "outcomes", "server_state", "plan", "record_plan", "referring", "revert_checks", "conflicts", "intents", "key_order", "in_doubt", "preflight", "push", "analytics", "sender", "single",
        "destination", "batch", "row_changes", "outgoing", "references", "ownership", "reconcile_plan", "reconcile", "revert_plan", "revert_records",
        "revert", "merge_plan", "merge", "facade",
    ),
    "client": (
        "overview", "settings", "mirror_quota", "cache", "account_fields", "strategy", "links", "relation_filters", "evaluation", "explain", "source",
        "list_filters", "endpoints", "any_route", "analytics_base", "metrics", "activities", "automations", "holdings", "progress", "planhat",
    ),
}  # fmt: skip
"""The modules of a package from the lowest up: each imports only such as stand before it."""
TYPES_ONLY: set[tuple[str, str]] = set()
"""Imports against that order, for annotations only; CONTRIBUTING.md says why each is there."""

HEAVY = (
    "sqlmodel",
    "sqlalchemy",
    "alembic",
    "starlette",
    "uvicorn",
    "typer",
    "datasette",
    "rich",
    "httpx",
    "polars",
    "pandas",
    "pyarrow",
    "altair",
    "opentelemetry",
    "jinja2",
    "dlt",
    "httpcore",
    "certifi",
    "asyncio",
    "concurrent.futures",
    "cachetools",
    "zoneinfo",
    "zipfile",
)


@cache
def package() -> Mapping[str, str]:
    """The source of every module, by dotted name under `planhat_orm`; packages end in `.__init__`."""
    return {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path.read_text("utf-8")
        for path in PACKAGE.rglob("*.py")
        if "_migrations" not in path.parts
    }


def imports(tree: ast.AST, *, types: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    """Every import that can run, or (`types`) those that cannot, under `if TYPE_CHECKING:`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            if types:
                yield from (each for each in ast.walk(node) if isinstance(each, (ast.Import, ast.ImportFrom)))
            for branch in [] if types else node.orelse:
                yield from imports(ast.Module([branch], []), types=types)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            if not types:
                yield node
        else:
            yield from imports(node, types=types)


@cache
def imported(name: str, source: str, modules: frozenset[str], types: bool = False) -> list[tuple[str, int]]:
    """The dotted names that a module imports; ours start with a dot."""
    return list(_imported(name, source, modules, types))


def _imported(name: str, source: str, modules: frozenset[str], types: bool) -> Iterator[tuple[str, int]]:
    here = name.split(".")[:-1]
    for node in imports(ast.parse(source), types=types):
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


def inside(known: Mapping[str, str], layer: str, types: bool) -> Iterator[tuple[str, str, int]]:
    """The imports of a layer's modules from the same layer: importer, imported, line; both without the layer."""
    modules = frozenset(name.removesuffix(".__init__") for name in known)
    for name, source in known.items():
        if name.startswith(f"{layer}."):
            for target, line in imported(name, source, modules, types):
                if target.startswith(f".{layer}."):
                    yield name.removeprefix(f"{layer}."), target.removeprefix(f".{layer}."), line


def against_the_rooms(known: Mapping[str, str]) -> list[str]:
    """Every import inside the mirror that no arrow between its rooms allows, type-only ones too."""
    found = []
    for types in (False, True):
        for importer, target, line in inside(known, "mirror", types):
            room, other = importer.split(".")[0], target.split(".")[0]
            if room != other and other not in ROOMS[room]:
                found.append(f"mirror.{importer}:{line} imports mirror.{target}")
    return found


def against_the_order(known: Mapping[str, str]) -> list[str]:
    """Every import of a module that does not stand before the importing one, but for the type-only ones allowed."""
    found = []
    for layer, order in ORDER.items():
        place = {name: number for number, name in enumerate(order)}
        for types in (False, True):
            for importer, target, line in inside(known, layer, types):
                pair = (f"{layer}.{importer}", f"{layer}.{target}")
                if importer != "__init__" and place[target] >= place[importer] and not (types and pair in TYPES_ONLY):
                    found.append(f"{pair[0]}:{line} imports {pair[1]}")
    return found


def in_circles(known: Mapping[str, str]) -> list[str]:
    """The modules that import each other in a circle when they run, and those that need them; faces of packages aside."""
    faces = {name.removesuffix(".__init__") for name in known if name.endswith("__init__")}
    modules = frozenset(name.removesuffix(".__init__") for name in known)
    arrows = {
        name: {target[1:] for target, _ in imported(name, source, modules) if target.startswith(".")} - faces
        for name, source in known.items()
        if name not in faces
    }
    left = dict(arrows)
    while ends := [name for name, targets in left.items() if targets.isdisjoint(left)]:
        for name in ends:
            del left[name]
    return sorted(left)


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert in_circles(package()) == []


@pytest.mark.parametrize("line", ["from . import compiler", "def work():\n    from .compiler import Compiler"])
def test_a_circle_of_modules_is_noticed(line: str) -> None:
    found = in_circles({**package(), "mirror.reading.statements": f"{line}\n"})
    assert {"mirror.reading.compiler", "mirror.reading.statements"} <= set(found)


def test_no_import_goes_against_the_arrows() -> None:
    assert violations(package()) == []


def test_no_import_goes_against_the_arrows_between_the_rooms_of_the_mirror() -> None:
    assert against_the_rooms(package()) == []
    assert {name.split(".")[1] for name in package() if name.startswith("mirror.")} == set(ROOMS)


def test_no_import_goes_against_the_order_of_modules_in_a_package() -> None:
    assert against_the_order(package()) == []


@pytest.mark.parametrize("layer", ORDER)
def test_the_order_names_every_module_once(layer: str) -> None:
    there = {name.split(".")[1] for name in package() if name.startswith(f"{layer}.")} - {"__init__"}
    assert sorted(ORDER[layer]) == sorted(there)


def test_what_is_allowed_for_types_is_there_and_explained() -> None:
    there = {
        (f"{layer}.{importer}", f"{layer}.{target}")
        for layer in ORDER
        for importer, target, _ in inside(package(), layer, types=True)
    }
    explained = (PACKAGE.parent / "CONTRIBUTING.md").read_text("utf-8")
    assert there >= TYPES_ONLY
    assert [pair for pair in TYPES_ONLY for name in pair if f"`{name}`" not in explained] == []


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("mirror.db.database", "from ..upkeep import migrate"),
        ("mirror.db.store", "from ..reading.sqlite import SqliteDialect"),
        ("mirror.sharing.export", "from ..upkeep.migrate import folder"),
        ("mirror.sharing.views", "from ..reading.sqlite import SqliteDialect"),
        ("mirror.outbox.outbox", "from ..sync.run import sync"),
        ("mirror.reading.source", "from ..report import SyncReport"),
        ("mirror.upkeep.doctor", "from ..sync import run"),
        ("mirror.sync.run", "from ..mirror import Mirror"),
        (
            "mirror.db.state",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..sync.job import ModelSync",
        ),
    ],
)
def test_an_import_against_the_rooms_is_noticed(module: str, line: str) -> None:
    assert module in package()
    [violation] = against_the_rooms({**package(), module: f"{line}\n"})
    assert violation.startswith(f"{module}:")


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("wire.paths", "from . import listing"),
        ("wire.listing", "from .listing import pages"),
        ("client.cache", "from .planhat import Planhat"),
        ("client.cache", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .planhat import Planhat"),
    ],
)
def test_an_import_against_the_order_is_noticed(module: str, line: str) -> None:
    assert module in package()
    [violation] = against_the_order({**package(), module: f"{line}\n"})
    assert violation.startswith(f"{module}:")


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
        ("writes.sender", "from ..client import Planhat"),
        ("writes.sender", "from ..mirror import Mirror"),
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


def test_no_default_of_a_struct_is_made_by_dataclasses() -> None:
    """A struct takes `dataclasses.field(...)` for the value itself, shared by all."""
    mixed = []
    for name, source in package().items():
        tree = ast.parse(source)
        if not any(isinstance(node, ast.ImportFrom) and node.module == "dataclasses" for node in tree.body):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "Struct" for base in node.bases):
                values = [item.value for item in node.body if isinstance(item, ast.AnnAssign) and item.value]
                mixed += [f"{name}.{node.name}" for value in values if ast.unparse(value).startswith("field(")]
    assert mixed == []


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = f"""
import sys
import planhat_orm
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, done.stdout.strip()) == (0, "", "[]")
