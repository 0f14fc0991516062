"""The generated pages of the reference, each a function that returns the page's text."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import planhat_orm
from planhat_orm import Model
from planhat_orm.errors import PlanhatError
from planhat_orm.fields import Field
from planhat_orm.fields.relations import Relation
from planhat_orm.models import resources as declared
from planhat_orm.query.kinds import Kind
from planhat_orm.query.lookups import LEGAL
from planhat_orm.wire.hierarchy import PATH
from planhat_orm.wire.resources import FieldInfo

_INTRO = "`make docs` writes this page from the code; a test holds that it is current."


def first_sentence(value: object) -> str:
    """The first paragraph of a docstring, in one line."""
    text = inspect.getdoc(value) or ""
    return " ".join(text.split("\n\n")[0].split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def models() -> list[type[Model]]:
    return [getattr(declared, name) for name in declared.__all__]


def _written_by(model: type[Model], field: Field[Any]) -> str:
    if field.readonly:
        return "Planhat"
    if field.create_only:
        return "you, once"
    return "you, needed" if field.required else "you"


def _type(info: FieldInfo | None, field: Field[Any]) -> str:
    text = info.type if info is not None else field.kind.name
    return f"{text}: {', '.join(field.choices)}" if field.choices else text


def _model(model: type[Model]) -> Iterator[str]:
    meta = model._meta
    resource = meta.resource
    yield f"## {model.__name__}"
    yield ""
    keys = (
        ", ".join(
            f"`{meta.by_wire[key].name}`" for key in sorted(resource.keys) if key in meta.by_wire and key != "_id"
        )
        or "none"
    )
    verbs = ", ".join(f"`{name}`" for name in sorted(resource.operations))
    yield f"{first_sentence(model)} Path `/{resource.path}`; keys besides the id: {keys}; the API offers {verbs}."
    yield ""
    yield "| field | on the wire | type | written by | what it is |"
    yield "|---|---|---|---|---|"
    infos = resource.fields or resource.push_fields
    derived = {f"from {PATH}": field for field in meta.fields.values() if field.is_derived}
    for wire, field in sorted({**meta.by_wire, **derived}.items(), key=lambda item: item[1].name):
        says = " ".join((field.__doc__ or "").split())
        cells = (f"`{field.name}`", f"`{wire}`", _type(infos.get(wire), field), _written_by(model, field), says)
        yield f"| {' | '.join(_cell(cell) for cell in cells)} |"
    relations: list[tuple[str, Relation[Any]]] = sorted(meta.relations.items())
    if relations:
        yield ""
        links = (f"`{name}` ({relation.model_name}, by `{relation.via}`)" for name, relation in relations)
        yield f"Relations: {', '.join(links)}."
    yield ""


def models_page() -> str:
    lines = ["# Models", "", f"Every model with its fields. {_INTRO}", ""]
    lines += ["Custom fields are in `custom`, and on subclasses that declare them.", ""]
    for model in models():
        lines += _model(model)
    return "\n".join(lines).rstrip() + "\n"


MODULES: dict[str, tuple[str, ...]] = {
    "planhat_orm.mirror": (),
    "planhat_orm.webhooks": (),
    "planhat_orm.telemetry": (),
    "planhat_orm.dlt": (),
    "planhat_orm.emulator": (),
    "planhat_orm.http.retry": ("Retry",),
    "planhat_orm.mirror.inbox": ("Event",),
}
"""Modules that users import from besides the package, with the names that count; all of `__all__` where there are none."""


def module_names(module: str) -> tuple[str, ...]:
    return MODULES[module] or tuple(sorted(import_module(module).__all__))


def public_names_page() -> str:
    """Every name that `from planhat_orm import ...` takes, and those of the modules that users import from."""
    lines = ["# Public names", "", f"What `from planhat_orm import ...` takes, and other modules. {_INTRO}", ""]
    groups: dict[str, list[str]] = {}
    for name in planhat_orm.__all__:
        groups.setdefault(_group(getattr(planhat_orm, name)), []).append(name)
    for title in ("Client and queries", "Fields", "Models", "Errors and warnings"):
        lines += [f"## {title}", "", "| name | what it is |", "|---|---|"]
        for name in groups.get(title, ()):
            value = getattr(planhat_orm, name)
            shown = f"[`{name}`](models.md#{name.lower()})" if title == "Models" else f"`{name}`"
            lines.append(f"| {shown} | {_cell(first_sentence(value))} |")
        lines.append("")
    for module in MODULES:
        lines += [f"## From `{module}`", "", "| name | what it is |", "|---|---|"]
        for name in module_names(module):
            lines.append(f"| `{name}` | {_cell(first_sentence(getattr(import_module(module), name)))} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _group(value: object) -> str:
    if inspect.isclass(value):
        if issubclass(value, (PlanhatError, Warning)):
            return "Errors and warnings"
        if issubclass(value, Model) and value is not Model:
            return "Models"
        if issubclass(value, (Field, Relation)):
            return "Fields"
    return "Client and queries"


def errors_page() -> str:
    lines = [
        "# Errors",
        "",
        f"Everything that the library raises is a `PlanhatError`. {_INTRO}",
        "",
        "| error | is a | when |",
        "|---|---|---|",
    ]
    for error in _errors():
        parents = ", ".join(f"`{base.__name__}`" for base in error.__bases__ if base is not object)
        lines.append(f"| `{error.__name__}` | {parents} | {_cell(first_sentence(error))} |")
    return "\n".join(lines) + "\n"


def _errors() -> list[type[Exception]]:
    found = [value for value in vars(planhat_orm.errors).values() if inspect.isclass(value)]
    own = [
        value
        for value in found
        if issubclass(value, (PlanhatError, Warning)) and value.__module__.startswith("planhat_orm")
    ]
    return sorted(own, key=lambda error: ([base.__name__ for base in error.__mro__[::-1]], error.__name__))


def lookups_page() -> str:
    names = sorted({lookup for legal in LEGAL.values() for lookup in legal})
    lines = [
        "# Lookups",
        "",
        f"Which lookups go with which kind of field: `filter(mrr__gte=1000)`. {_INTRO}",
        "",
        "| kind | lookups |",
        "|---|---|",
    ]
    kinds: dict[str, Kind] = {kind.name: kind for kind in LEGAL}
    for name, kind in sorted(kinds.items()):
        legal = ", ".join(f"`{lookup}`" for lookup in names if lookup in LEGAL[kind])
        lines.append(f"| {name} | {legal} |")
    return "\n".join(lines) + "\n"


def commands_page() -> str:
    """Every command, with its help as a terminal of 100 columns shows it."""
    from typer.main import get_command

    from planhat_orm.cli.app import app

    lines = ["# Commands", "", f"`planhat COMMAND --help` shows the same. {_INTRO}", ""]
    lines += ["| exit status | means |", "|---|---|"]
    lines += [f"| {code} | {meaning} |" for code, meaning in _EXITS.items()]
    lines.append("")
    for path, command in _commands("planhat", get_command(app)):
        text = inspect.cleandoc(command.help or "").replace("\\[", "[")
        lines += [f"## {path}", "", text, ""]
        options = [
            param
            for param in command.params
            if param.param_type_name == "option" and not param.hidden and param.name != "help"
        ]
        arguments = [param for param in command.params if param.param_type_name == "argument"]
        if options or arguments:
            lines += ["| argument or option | what it does |", "|---|---|"]
            for param in arguments:
                lines.append(f"| `{param.metavar or param.name.upper()}` | {_cell(getattr(param, 'help', '') or '')} |")
            for param in options:
                shown = ", ".join(f"`{name}`" for name in (*param.opts, *param.secondary_opts))
                lines.append(f"| {shown} | {_cell(param.help or '')} |")
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"


_EXITS = {
    0: "done, or the reader of the output had enough",
    1: "it failed; one line on stderr says what and what to type",
    2: "the command line was wrong, or a model, field or value that it names or reads",
    3: "`planhat status --max-age`: a model is older than that, or not whole",
    130: "stopped with Ctrl-C",
    143: "stopped with SIGTERM",
}


def _commands(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    if hasattr(command, "commands"):
        for name, inner in sorted(command.commands.items()):
            yield from _commands(f"{path} {name}", inner)
    else:
        yield path, command


GENERATED: dict[str, Callable[[], str]] = {
    "models.md": models_page,
    "public-names.md": public_names_page,
    "errors.md": errors_page,
    "lookups.md": lookups_page,
    "commands.md": commands_page,
}
"""The pages under docs/reference that are written from the code."""


def site_nav(docs: Path) -> str:
    """The pages in the order of the site's menu, as mkdocs.yml lists them."""
    lines = ["nav:", "  - Home: README.md", "  - Tutorial: tutorial/first-hour.md"]
    for title, folder in (("How-to guides", "how-to"), ("Reference", "reference"), ("Explanation", "explanation")):
        lines.append(f"  - {title}:")
        pages = sorted((docs / folder).glob("*.md"), key=lambda page: (page.name != "README.md", page.name))
        lines += [f"      - {folder}/{page.name}" for page in pages]
    return "\n".join(lines) + "\n"


def words(text: str) -> set[str]:
    """The names in backticks."""
    return set(re.findall(r"`([^`]+)`", text))
