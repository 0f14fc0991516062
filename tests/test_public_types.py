"""The types of the public face: what is taken and returned has one, or stands below with the reason why not."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any, get_overloads

import pytest

import planhat_orm
from planhat_orm.client import activities, automations, endpoints, metrics
from planhat_orm.http import effects, events
from planhat_orm.mirror import Change, Diagnosis, Hit, Mirror, MirrorStatus, SyncPlan, SyncReport
from planhat_orm.models import conflict
from planhat_orm.queryset import Groups, Values, ValuesList
from planhat_orm.queryset.groups import GroupValues
from planhat_orm.reports.charts import Charts
from planhat_orm.webhooks import handlers
from planhat_orm.webhooks.receiver import Receiver
from planhat_orm.writes.outgoing import Outgoing

REACHED = (
    activities.UserActivities, automations.Automation, endpoints.Companies, endpoints.TimeEntries, metrics.Metrics,
    endpoints.BulkResponse, effects.Request, effects.Response, events.WaitEvent, events.RetryEvent,
    Change, Diagnosis, Hit, Mirror, MirrorStatus, SyncPlan, SyncReport, conflict.Conflict,
    Groups, GroupValues, Outgoing, Values, ValuesList, Charts, Receiver, handlers.Change,
)  # fmt: skip
"""What the names in `planhat_orm` hand out."""

JSON = re.compile(r"\b(dict|Mapping)\[str, Any\]")
"""An object of JSON, or a row by its fields' names: its values are of as many types as there are fields."""

_VALUE = "the value of a field of whatever type, as the record holds it"
_OBJECT = "a record of the caller's class, whose fields a type checker would not find on Model"
_MODEL = "of any model: which one is the parameter of the class that holds it"
_FRAME = "a class of an optional library, which need not be installed"
_EXPRESSION = "a field or expression whose value is of whatever type the field has"
_LOOKUP = "the value of a lookup, which the lookup's own field checks"

ALLOWED: dict[str, str] = {
    "BulkError.__init__(result)": "a BatchResult of a batch, the answer of an endpoint: whoever catches it knows which",
    "Planhat.iterate ->": "what a flow emits differs from flow to flow, and a generator type does not carry it",
    "Planhat.aiterate ->": "what a flow emits differs from flow to flow, and a generator type does not carry it",
    "RowResult.__init__(object)": _OBJECT,
    "Conflict.__init__(object)": _OBJECT,
    "Conflict.__init__(base)": _VALUE,
    "Conflict.__init__(mine)": _VALUE,
    "Conflict.__init__(theirs)": _VALUE,
    "Change.__init__(fields)": _VALUE,
    "Response.__init__(data)": "JSON of whatever shape, as the route answers it",
    "QuerySet.__init__(model)": _MODEL,
    "Groups.__init__(queryset)": _MODEL,
    "_Rows.__init__(queryset)": _MODEL,
    "ValuesList.__init__(queryset)": _MODEL,
    "Receiver.on(model)": _MODEL,
    "QuerySet.using(source)": "a client, a mirror, or any source of either: their layers lie above",
    **{
        f"QuerySet.{verb}(lookups)": _LOOKUP
        for verb in ("filter", "exclude", "get", "aget", "get_or_none", "aget_or_none")
    },
    **{f"{owner}.__init__(lookups)": _LOOKUP for owner in ("Q", "Exists", "When")},
    **{f"Q.custom({name})": _LOOKUP for name in ("value", "lookups")},
    **{f"Groups.{verb}(lookups)": _LOOKUP for verb in ("filter", "exclude")},
    "Aggregate.__init__(default)": "a value of whatever type the figure has, which is checked when it meets a model",
    "Expression.of(record)": "a record of any class: its annotations belong to no field",
    "Groups.using(source)": "a client, a mirror, or any source of either: their layers lie above",
    "QuerySet.values_list ->": "the tuple's types follow from what is named, one by one",
    **{
        f"{owner}.{verb}": _EXPRESSION
        for owner, verbs in {
            "QuerySet": (
                "annotate(values) group_by(names) group_by(values) distinct(names) order_by(names) values(names) "
                "values_list(names) aggregate(aggregates) aaggregate(aggregates) to_arrow(names) to_pandas(names) "
                "to_polars(names) ato_arrow(names) ato_pandas(names) ato_polars(names)"
            ),
            "Groups": "__init__(names) annotate(figures) aggregate(figures) aaggregate(figures) order_by(names)",
        }.items()
        for verb in verbs.split()
    },
    **{f"QuerySet.{verb}(others)": _MODEL for verb in ("union", "intersection", "difference")},
    **{
        f"{owner}.{twin}to_{library} ->": _FRAME
        for owner, twins in {"QuerySet": ("", "a"), "Framed": ("", "a"), "Outgoing": ("",)}.items()
        for twin in twins
        for library in ("arrow", "pandas", "polars")
    },
}
"""`Class.method(argument)`, or `->` for what is returned: the reason."""


def functions(owner: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    """The public methods of a class, and how it is made."""
    for name, member in vars(owner).items():
        function = getattr(member, "__func__", getattr(member, "fget", member))
        ours = getattr(function, "__module__", "") or ""
        is_public = not name.startswith("_") and ours.startswith("planhat_orm")
        if inspect.isfunction(function) and (is_public or name == "__init__"):
            yield f"{owner.__name__}.{name}", function


def public() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every public function, and every public method with those that it inherits."""
    values = [*(getattr(planhat_orm, name) for name in planhat_orm.__all__), *REACHED]
    classes = {
        base: None
        for value in values
        if inspect.isclass(value)
        for base in value.__mro__
        if base.__module__.startswith("planhat_orm")
    }
    yield from ((value.__name__, value) for value in values if inspect.isfunction(value))
    for owner in classes:
        yield from functions(owner)


def untyped(name: str, function: Callable[..., Any]) -> Iterator[str]:
    """Where `Any` stands in the signature of a function, or in those of its overloads."""
    for variant in get_overloads(function) or [function]:
        signature = inspect.signature(variant)
        places = {f"{name}({argument.name})": argument.annotation for argument in signature.parameters.values()}
        places[f"{name} ->"] = signature.return_annotation
        for place, annotation in places.items():
            if re.search(r"\bAny\b", JSON.sub("", str(annotation))):
                yield place


def test_public_functions_take_and_return_types() -> None:
    found = {place for name, function in public() for place in untyped(name, function)}
    assert found - ALLOWED.keys() == set()
    assert ALLOWED.keys() - found == set(), "these have a type by now"


def test_every_exception_has_its_reason() -> None:
    assert all(len(reason.split()) > 3 for reason in ALLOWED.values())


@pytest.mark.parametrize(
    ("annotation", "is_noticed"),
    [("Any", True), ("list[Any] | None", True), ("dict[str, Any]", False), ("Iterable[Mapping[str, Any]]", False),
     ("Mapping[Any, float]", True), ("object", False)],
)  # fmt: skip
def test_any_is_noticed_but_in_json(annotation: str, is_noticed: bool) -> None:
    def function(value: object) -> None: ...

    function.__annotations__["value"] = annotation
    assert list(untyped("f", function)) == (["f(value)"] if is_noticed else [])
