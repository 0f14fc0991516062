"""The public face: names, docstrings, declarations that match the API's tables, and an a-twin for every verb."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import planhat_orm
from planhat_orm import Model, Planhat, QuerySet
from planhat_orm.fields import (
    Bool,
    Choice,
    CustomFields,
    DateTime,
    Day,
    Dict,
    Field,
    Id,
    Int,
    Key,
    List,
    Number,
    Ref,
    RefList,
    Str,
    StrList,
)
from planhat_orm.fields.hierarchy import DerivedRef, Tree
from planhat_orm.fields.relations import Many, ManyToMany, One
from planhat_orm.models import resources as declared
from planhat_orm.queryset import Groups, Values, ValuesList
from planhat_orm.wire.resources import FieldInfo, resources

MODELS: list[type[Model]] = [getattr(declared, name) for name in declared.__all__]
ids = [model.__name__ for model in MODELS]


# --- names ----------------------------------------------------------------------------------------------


def test_all_is_sorted_and_complete() -> None:
    public = {
        name for name, value in vars(planhat_orm).items() if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert set(planhat_orm.__all__) == public - {"annotations"}
    # Ruff's order: constants, classes, functions; each by name.
    order = sorted(planhat_orm.__all__, key=lambda name: (not (name.isupper() and len(name) > 1), name))
    assert list(planhat_orm.__all__) == order


def test_the_promised_models_are_exported() -> None:
    promised = """Asset Campaign Churn Company Conversation CustomField Deal Enduser Invoice Issue License LineItem
    Metric NPS Note Objective Opportunity Product Project Sale Task Ticket TimeEntry Timesheet User UserActivity
    Workflow Workspace"""
    assert set(promised.split()) == set(declared.__all__) <= set(planhat_orm.__all__)


@pytest.mark.parametrize("name", sorted(planhat_orm.__all__))
def test_every_public_name_has_a_docstring_of_its_own(name: str) -> None:
    value = getattr(planhat_orm, name)
    assert (value.__doc__ or "").strip()
    if not inspect.isclass(value):
        assert inspect.isfunction(value)
        return
    inherited = [base.__doc__ for base in value.__mro__[1:]]
    assert value.__doc__ not in inherited
    assert not value.__doc__.startswith(f"{name}("), "a dataclass without a docstring gets its signature"  # type: ignore[union-attr]
    for attribute, member in vars(value).items():
        if not attribute.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
            assert inspect.getdoc(member), f"{name}.{attribute}"


# --- declarations ---------------------------------------------------------------------------------------


def field_class(info: FieldInfo) -> type[Field[Any]]:
    """The class of field that a wire type is declared with."""
    if info.name == "custom":
        return CustomFields
    if info.name in ("externalId", "sourceId", "extId", "companyExternalId"):
        return Key
    if info.enum:
        return Choice
    if info.type == "objectId":
        return Ref if info.reference else Id
    return {  # type: ignore[return-value]
        "string": Str, "integer": Int, "number": Number, "boolean": Bool, "date": DateTime, "days": Day,
        "object": Dict, "array of object": List, "array of string": StrList, "array of objectId": RefList,
    }[info.type]  # fmt: skip


@pytest.mark.parametrize("model", MODELS, ids=ids)
def test_a_model_declares_every_field_of_its_resource_and_no_other(model: type[Model]) -> None:
    resource = model._meta.resource
    listed = resource.fields or resource.push_fields
    assert listed
    pushed_only = model._meta.by_wire.keys() - listed.keys() - {"_id"}
    assert pushed_only <= resource.push_fields.keys()
    for wire, info in listed.items():
        field = model._meta.by_wire[wire]
        assert type(field) is field_class(info), wire
        assert field.readonly is info.read_only, wire
        assert field.choices == info.enum, wire
        if isinstance(field, Ref):
            assert planhat_orm.runtime.model(field.model)._meta.resource.name == info.reference


@pytest.mark.parametrize("model", MODELS, ids=ids)
def test_required_fields_are_marked(model: type[Model]) -> None:
    resource = model._meta.resource
    anyhow = {*resource.required, *resource.required_bulk}
    either = {wire for group in (*resource.required_any, *resource.required_any_bulk) for wire in group}
    marked = {field.wire for field in model._meta.by_wire.values() if field.required}
    assert set(resource.required) & model._meta.by_wire.keys() <= marked <= anyhow | either


def test_every_resource_has_a_model() -> None:
    assert {model._meta.resource.name for model in MODELS} == resources().keys()


@pytest.mark.parametrize("model", MODELS, ids=ids)
def test_every_field_and_relation_says_what_it_is(model: type[Model]) -> None:
    meta = model._meta
    bare = [name for name, item in {**meta.fields, **meta.relations}.items() if not (item.__doc__ or "").endswith(".")]
    assert bare == []


@pytest.mark.parametrize("model", MODELS, ids=ids)
def test_python_names_are_snake_case_and_every_relation_has_its_field(model: type[Model]) -> None:
    assert model.__doc__
    for name in model._meta.names:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
    for relation in model._meta.relations.values():
        assert relation.model in MODELS
        if isinstance(relation, Many):
            assert model.__name__ in _referred(relation.model, relation.via)
        else:
            assert isinstance(relation, (One, ManyToMany, Tree))
            assert relation.via in model._meta.fields


def _referred(model: type[Model], via: str) -> set[str]:
    """The models that a reference, or a list of ids, points to."""
    field = model._meta.fields[via]
    if isinstance(field, DerivedRef):
        return {field.model}
    info = (model._meta.resource.fields or model._meta.resource.push_fields)[field.wire]
    return {model.__name__ for model in MODELS if model._meta.resource.name == info.reference}


@pytest.mark.parametrize("model", MODELS, ids=ids)
def test_every_reference_has_a_relation(model: type[Model]) -> None:
    forward = {relation.via for relation in model._meta.relations.values() if isinstance(relation, One)}
    references = {field.name for field in model._meta.by_wire.values() if isinstance(field, Ref)}
    assert references - forward <= _WITHOUT_RELATION.get(model.__name__, set())


_WITHOUT_RELATION: dict[str, set[str]] = {"Conversation": {"created_owner_id"}, "Note": {"created_owner_id"}}
"""References that another one of the same record stands for."""


# --- verbs ----------------------------------------------------------------------------------------------

REFINING = {
    QuerySet: """all filter exclude order_by reverse only defer prefetch_related select_related using include_hidden
    fresh as_of distinct values values_list group_by annotate none union intersection difference dates explain
    as_manager model""",
    Model: """changes from_wire full_clean before_save synced_at to_wire to_dict clone id objects DoesNotExist
    MultipleObjectsReturned""",
    Values: "distinct",
    ValuesList: "distinct",
    Groups: "annotate filter exclude order_by using values_list explain",
    Planhat: """arun run iterate aiterate calls calls_per_min seconds on notify source mirror charts offline outbox batch
    account make_default threads before_write wrote removed noting metrics user_activity automation""",
}
"""What makes no request and so needs no twin. Everything else that is public has one."""
ONLY_ASYNC = {"aload"}


def verbs(owner: type) -> list[str]:
    """The public methods of a class, its own and inherited ones, that do I/O in the calling thread."""
    found = [name for name in dir(owner) if not name.startswith("_") and callable(getattr(owner, name, None))]
    quiet = set(REFINING[owner].split()) | ONLY_ASYNC
    return [name for name in found if name not in quiet and not _is_async(getattr(owner, name))]


def _is_async(method: Any) -> bool:
    return inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method)


@pytest.mark.parametrize("owner", REFINING, ids=lambda owner: owner.__name__)
def test_every_verb_has_a_twin_of_the_same_signature(owner: type) -> None:
    for name in verbs(owner):
        twin = getattr(owner, f"a{name}", None) or getattr(owner, f"a_{name}", None)
        assert twin is not None, f"{owner.__name__}.{name}() has no a-twin"
        assert _is_async(twin), twin
        assert _signature(getattr(owner, name)) == _signature(twin), name
    for name in dir(owner):
        method = getattr(owner, name, None)
        if not name.startswith("_") and _is_async(method) and name not in ONLY_ASYNC | {"arun", "aiterate"}:
            assert name.removeprefix("a").removeprefix("_") in verbs(owner), f"{name} is the twin of nothing"


def _signature(method: Callable[..., Any]) -> Any:
    signature = inspect.signature(method)
    returns = str(signature.return_annotation).replace("AsyncIterator", "Iterator")
    return [
        parameter.replace(annotation=str(parameter.annotation)) for parameter in signature.parameters.values()
    ], returns


def test_the_twin_test_sees_a_missing_and_a_different_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(QuerySet, "poke", lambda self: None, raising=False)
        with pytest.raises(AssertionError, match="poke"):
            test_every_verb_has_a_twin_of_the_same_signature(QuerySet)

    async def adelete(self: Any) -> int:
        return 0

    monkeypatch.setattr(QuerySet, "adelete", adelete)
    with pytest.raises(AssertionError):
        test_every_verb_has_a_twin_of_the_same_signature(QuerySet)


@pytest.mark.parametrize("owner", [QuerySet, Values, ValuesList])
def test_results_are_read_by_both_loops(owner: type) -> None:
    assert hasattr(owner, "__iter__")
    assert hasattr(owner, "__aiter__")


def test_every_model_is_named_after_its_file() -> None:
    folder = Path(declared.__file__).parent
    files = {path.stem.replace("_", "") for path in folder.glob("*.py")} - {"init"}
    assert files == {model.__name__.lower() for model in MODELS}
