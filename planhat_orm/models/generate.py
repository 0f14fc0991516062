"""Write a module of subclasses that declare an account's custom fields, typed.

It is made of what `/customfields` lists: sorted, so that two runs differ only where the account does, and
only for the models that are asked for.
"""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..errors import PlanhatError
from ..fields.account import TYPES, folded
from ..names import did_you_mean
from . import resources
from .base import _RESERVED, Model

_WIDTH = 120
_IN_USE = ("Custom", "bool", "date", "datetime", "dict", "float", "int", "list", "str")
"""Names that the lines of the module use: a field called so would stand for them in all lines below."""


_HEAD = '"""The custom fields of this Planhat account, written by `planhat models`. Run it again to renew."""'


def is_module(file: Path) -> bool:
    """Whether a file is such a module, by its first line; a link is none."""
    if file.is_symlink() or not file.is_file():
        return False
    with file.open("rb") as lines:
        return lines.readline(len(_HEAD) + 2).strip() == _HEAD.encode()


def module(rows: Iterable[Mapping[str, Any]], models: Iterable[str] | None = None) -> str:
    """The source of a module with one subclass for each model that has custom fields.

    `rows` are records of `/customfields`; `models` limits it to some, by class name.
    """
    by_parent: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_parent.setdefault(folded(str(row.get("parent", ""))), []).append(row)
    chosen = [_model(name) for name in models] if models is not None else _all()
    classes = [(model, by_parent.get(folded(model.__name__), [])) for model in chosen]
    classes = [(model, fields) for model, fields in classes if fields]
    types = {_type_name(row) for _, fields in classes for row in fields}
    lines = [
        _HEAD,
        "",
        "from __future__ import annotations",
        "",
    ]
    dates = sorted(types & {"date", "datetime"})
    if dates:
        lines += [f"from datetime import {', '.join(dates)}", ""]
    names = sorted(["planhat_orm.Custom", *(f"planhat_orm.{model.__name__}" for model, _ in classes)])
    imports = ", ".join(
        name.split(".")[1] if name.endswith(".Custom") else f"{name.split('.')[1]} as _{name.split('.')[1]}"
        for name in names
    )
    lines += _wrapped(f"from planhat_orm import {imports}", imports.split(", "))
    for model, fields in classes:
        lines += ["", "", f"class {model.__name__}(_{model.__name__}):"]
        lines += [f'    """{model.__name__} with the custom fields of this account."""', ""]
        lines += _fields(model, fields)
    exported = ", ".join(f'"{model.__name__}"' for model, _ in classes)
    return "\n".join([*lines, "", "", f"__all__ = [{exported}]", ""])


def _all() -> list[type[Model]]:
    return [getattr(resources, name) for name in resources.__all__]


def _model(name: str) -> type[Model]:
    by_name = {record.__name__.lower(): record for record in _all()}
    try:
        return by_name[name.lower()]
    except KeyError:
        raise PlanhatError(f"There is no model {name!r}.{did_you_mean(name, resources.__all__)}") from None


def _type_name(row: Mapping[str, Any]) -> str:
    return TYPES.get(str(row.get("type")), str).__name__


def _fields(model: type[Model], rows: Iterable[Mapping[str, Any]]) -> list[str]:
    taken = {*model._meta.names, *_RESERVED, *_IN_USE}
    lines = []
    for row in sorted(rows, key=lambda row: str(row.get("name", ""))):
        label = str(row.get("name", ""))
        if not label:
            continue
        name = python_name(label, taken)
        taken.add(name)
        arguments = [_quoted(label), _type_name(row)]
        choices = row.get("listValues")
        if isinstance(choices, list) and choices and row.get("type") in ("list", "multipicklist"):
            inner = ", ".join(_quoted(str(choice)) for choice in choices)
            arguments.append(f"choices=({inner}{',' if len(choices) == 1 else ''})")
        if row.get("isFormula"):
            arguments.append("readonly=True")
        line = f"    {name} = Custom({', '.join(arguments)})"
        if len(line) <= _WIDTH:
            lines.append(line)
        else:
            lines += [f"    {name} = Custom(", *(f"        {argument}," for argument in arguments), "    )"]
    return lines


def python_name(label: str, taken: Iterable[str]) -> str:
    """A Python name for a label that is not taken yet: "Go-live" gives `go_live`."""
    # As Python reads names: two that differ in form only are one, and the later would hide the earlier.
    name = unicodedata.normalize("NFKC", re.sub(r"\W+", "_", unicodedata.normalize("NFKC", label)).strip("_").lower())
    name = name or "field"
    if name[0].isdigit() or not name.isidentifier():
        name = f"field_{re.sub(r'[^0-9a-z_]', '_', name)}"
    if keyword.iskeyword(name):
        name += "_"
    known = set(taken)
    if name in known:
        name = f"{name.rstrip('_')}_custom"
    base, number = name, 2
    while name in known:
        name, number = f"{base}_{number}", number + 1
    return name


def _quoted(text: str) -> str:
    escaped = text.encode("unicode_escape").decode("ascii") if not text.isprintable() else text.replace("\\", "\\\\")
    return '"' + escaped.replace('"', '\\"') + '"'


def _wrapped(line: str, parts: list[str]) -> list[str]:
    if len(line) <= _WIDTH:
        return [line]
    return ["from planhat_orm import (", *(f"    {part}," for part in parts), ")"]
