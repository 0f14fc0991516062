"""Records in pydantic: as fields of its models, and as what FastAPI's endpoints take and return.

pydantic imports this module, by way of `Model.__get_pydantic_core_schema__`; nothing of the library does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic_core import CoreSchema, core_schema

from ..errors import PlanhatError
from ..fields import Custom, Field, StrList
from ..query import kinds

if TYPE_CHECKING:
    from .base import Model

_SCALARS: dict[kinds.Kind, CoreSchema] = {
    kinds.TEXT: core_schema.str_schema(),
    kinds.ID: core_schema.str_schema(),
    kinds.REF: core_schema.str_schema(),
    kinds.NUMBER: core_schema.float_schema(),
    kinds.INTEGER: core_schema.int_schema(),
    kinds.BOOLEAN: core_schema.bool_schema(),
    kinds.DATETIME: core_schema.datetime_schema(),
    kinds.DAY: core_schema.date_schema(),
    kinds.LIST: core_schema.list_schema(),
    kinds.REFS: core_schema.list_schema(core_schema.str_schema()),
    kinds.OBJECT: core_schema.dict_schema(core_schema.str_schema()),
}


def core_schema_of(model: type[Model]) -> CoreSchema:
    """A record is taken as it is; an object of values by Python name becomes a new one, of which these are set."""

    def make(values: dict[str, Any]) -> Model:
        try:
            return model(**values)
        except PlanhatError as error:
            # pydantic makes its own error of this kind only.
            raise ValueError(str(error)) from None

    read = core_schema.no_info_after_validator_function(make, _fields(model))
    return core_schema.union_schema(
        [core_schema.is_instance_schema(model), read],
        mode="left_to_right",
        ref=f"{model.__module__}.{model.__qualname__}:{id(model)}",
        serialization=core_schema.plain_serializer_function_ser_schema(lambda record: record.to_dict()),
    )


def json_schema_of(model: type[Model], handler: Any) -> Any:
    """What a record looks like as JSON. Every field may be absent; read-only ones are not taken."""
    found = handler(_fields(model))
    properties = handler.resolve_ref_schema(found)["properties"]
    for name, field in model._meta.fields.items():
        shown = properties[name]
        shown.pop("title", None)
        if field.__doc__:
            shown["description"] = field.__doc__
        if field.readonly and name != "id":
            shown["readOnly"] = True
        if field.choices:
            shown["examples"] = list(field.choices)
    return found


def _fields(model: type[Model]) -> CoreSchema:
    fields = {
        name: core_schema.typed_dict_field(core_schema.nullable_schema(_value(field)), required=False)
        for name, field in model._meta.fields.items()
    }
    return core_schema.typed_dict_schema(fields, cls_name=model.__name__, extra_behavior="forbid")


def _value(field: Field[Any]) -> CoreSchema:
    if isinstance(field, StrList):
        return core_schema.list_schema(core_schema.str_schema())
    if isinstance(field, Custom) and field.kind not in _SCALARS:
        return core_schema.any_schema()
    return _SCALARS.get(field.kind, core_schema.any_schema())
