"""What `help(Company)` says of a model: its keys, its fields, its relations, and where to go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..aligned import aligned
from ..fields import Custom
from ..fields.relations import Many

if TYPE_CHECKING:
    from ..fields.base import Field
    from .base import Model


def overview(model: type[Model]) -> str:
    """The tables of a model as text."""
    if not hasattr(model, "_meta"):
        return ""
    meta = model._meta
    keys = [meta.by_wire[wire].name for wire in meta.resource.keys if wire in meta.by_wire]
    fields = {name: field for name, field in meta.fields.items() if not isinstance(field, Custom)}
    parts = [
        f"Found by {', '.join(keys)}. Ask: {model.__name__}.objects.filter(...), .get(...); new: {_new(model)}.",
        _table("Fields", [(name, *_field(name, field)) for name, field in fields.items()]),
        _table("Custom fields", [(field.name, field.kind.name, label) for label, field in meta.customs.items()]),
        _table(
            "Relations",
            [
                (name, f"{'many' if isinstance(relation, Many) else 'one'} {relation.model_name}", _doc(relation))
                for name, relation in meta.relations.items()
            ],
        ),
        "Planhat sets what is read only. Custom fields that no class declares are in `.custom`. More: "
        "docs/reference/models.md.",
    ]
    return "\n\n".join(part for part in parts if part)


def _table(title: str, rows: list[tuple[str, ...]]) -> str:
    return "\n".join([f"{title}:", *(f"  {line}" for line in aligned(rows, most=24))]) if rows else ""


def _field(name: str, field: Field[Any]) -> tuple[str, str]:
    marks = [field.kind.name]
    if field.required:
        marks.append("needed")
    if field.readonly:
        marks.append("read only")
    return ", ".join(marks), _doc(field)


def _doc(item: object) -> str:
    return " ".join((item.__doc__ or "").split())


def _new(model: type[Model]) -> str:
    meta = model._meta
    needed = [meta.by_wire[wire].name for wire in meta.resource.required_new if wire in meta.by_wire]
    return f"{model.__name__}({', '.join(f'{name}=...' for name in needed)}).save()"
