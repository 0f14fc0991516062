"""Values as a user writes them, by names: `F("mrr") * 12`, `Coalesce("renewal_mrr", "mrr")`, `Count("tickets")`.

They know no model yet; names are checked when a queryset resolves them. `Expression[T]` carries the type of its value
for the type checker.
"""

from __future__ import annotations

from typing import Any, Generic, Literal, TypeVar

from .. import arguments
from ..errors import FieldError
from ..names import quoted
from .conditions import Q

T = TypeVar("T", covariant=True)


Operand = Any
"""An expression, a field of the class, or a plain value."""


class Expression(Generic[T]):
    """A value that is worked out for each record, or each group.

    Expressions add, subtract, multiply and divide, and comparisons between them make conditions:
    `filter(F("renewal_mrr") < F("mrr") * 0.9)`.
    """

    _is_expression = True

    def __add__(self, other: Operand) -> Expression[float]:
        return Combined("+", self, other)

    def __radd__(self, other: Operand) -> Expression[float]:
        return Combined("+", other, self)

    def __sub__(self, other: Operand) -> Expression[float]:
        return Combined("-", self, other)

    def __rsub__(self, other: Operand) -> Expression[float]:
        return Combined("-", other, self)

    def __mul__(self, other: Operand) -> Expression[float]:
        return Combined("*", self, other)

    def __rmul__(self, other: Operand) -> Expression[float]:
        return Combined("*", other, self)

    def __truediv__(self, other: Operand) -> Expression[float]:
        return Combined("/", self, other)

    def __rtruediv__(self, other: Operand) -> Expression[float]:
        return Combined("/", other, self)

    def __neg__(self) -> Expression[float]:
        return Combined("*", self, -1)

    def _test(self, op: str, other: Operand) -> Q:
        return Q._of((((self, op), other),))

    def __eq__(self, other: object) -> Q:  # type: ignore[override]
        return self._test("exact", other)

    def __ne__(self, other: object) -> Q:  # type: ignore[override]
        return ~self._test("exact", other)

    def __lt__(self, other: Operand) -> Q:
        return self._test("lt", other)

    def __le__(self, other: Operand) -> Q:
        return self._test("lte", other)

    def __gt__(self, other: Operand) -> Q:
        return self._test("gt", other)

    def __ge__(self, other: Operand) -> Q:
        return self._test("gte", other)

    def __hash__(self) -> int:
        return id(self)

    def __bool__(self) -> bool:
        raise TypeError("An expression is neither true nor false: compare it, and combine conditions with & | ~.")

    def of(self, record: Any) -> T:
        """The value in a record that `annotate()` gave it to: `n = Count("tickets")`, then `n.of(company)`."""
        values = record._origin.annotated.get(record.id, {})
        for alias, expression in record._origin.aliases:
            if expression is self and alias in values:
                return values[alias]  # type: ignore[no-any-return]
        raise FieldError(f"{self!r} is no annotation of this {type(record).__name__}: annotate(x={self!r}) adds it.")


class F(Expression[Any]):
    """A field by its name, over relations too: `filter(mrr__gt=F("renewal_mrr"))`, `annotate(y=F("owner__email"))`."""

    def __init__(self, name: str) -> None:
        if not isinstance(name, str):
            raise FieldError(f"F() takes the name of a field, such as F('mrr'), not {quoted(name)}.")
        self.name = name

    def __repr__(self) -> str:
        return f"F({self.name!r})"


class Value(Expression[T]):
    """A plain value where an expression is expected: `Coalesce("phase", Value("none"))`."""

    def __init__(self, value: T) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"Value({quoted(self.value)})"


class Combined(Expression[float]):
    """Two values, added, subtracted, multiplied or divided."""

    def __init__(self, op: Literal["+", "-", "*", "/"], left: Operand, right: Operand) -> None:
        self.op, self.left, self.right = op, left, right

    def __repr__(self) -> str:
        left, right = (f"({side!r})" if isinstance(side, Combined) else repr(side) for side in (self.left, self.right))
        return f"{left} {self.op} {right}"


class Coalesce(Expression[Any]):
    """The first value that is there: `Coalesce("renewal_mrr", "mrr", 0)`. A text names a field."""

    def __init__(self, *values: Operand) -> None:
        if not values:
            raise FieldError("Coalesce() needs values, such as Coalesce('renewal_mrr', 'mrr').")
        self.values = values

    def __repr__(self) -> str:
        return f"Coalesce({', '.join(map(repr, self.values))})"


class When:
    """One branch of a `Case`: `When(mrr__gte=5000, then=Value("large"))`. A text after `then` names a field."""

    def __init__(self, *conditions: Q, then: Operand, **lookups: Any) -> None:
        self.condition = Q(*conditions, **lookups)
        self.then = then

    def __repr__(self) -> str:
        return f"When({self.condition!r}, then={self.then!r})"


class Case(Expression[Any]):
    """The value of the first branch that holds: `Case(When(mrr__gte=5000, then=Value("large")), default=...)`."""

    def __init__(self, *branches: When, default: Operand = None) -> None:
        if not branches or not all(isinstance(branch, When) for branch in branches):
            raise FieldError(
                "Case() takes branches: Case(When(mrr__gte=5000, then=Value('large')), default=Value('small'))."
            )
        self.branches = branches
        self.default = default

    def __repr__(self) -> str:
        return f"Case({', '.join(map(repr, self.branches))}, default={self.default!r})"


UNITS = ("year", "quarter", "month", "week", "day")


class Trunc(Expression[Any]):
    """The first day of the year, quarter, month or week of a moment: `group_by(month=Trunc("renewal_date", "month"))`.

    Weeks start on Monday. The value is a `date`, in the client's time zone.
    """

    def __init__(self, of: Operand, unit: Literal["year", "quarter", "month", "week", "day"]) -> None:
        arguments.choice("The unit of Trunc()", unit, UNITS)
        self.of_value = of
        self.unit = unit

    def __repr__(self) -> str:
        return f"Trunc({self.of_value!r}, {self.unit!r})"


class Aggregate(Expression[T]):
    """One figure over many records. Missing values do not count; of none, a count is 0 and others are `default`.

    `Sum("licenses__mrr")` is about the records behind a relation, each once; in `group_by()` and `aggregate()` a field
    of the model itself is added up over the records. `filter` takes conditions by names from the same model
    as the path: `Count("tickets", filter=Q(tickets__status="open"))`. `distinct=True` counts equal values once.
    """

    function = ""

    def __init__(
        self, name: Operand = None, *, filter: Q | None = None, distinct: bool = False, default: Any = None
    ) -> None:
        if filter is not None and not isinstance(filter, Q):
            raise FieldError(f"filter takes a condition, such as filter=Q(status='open'), not {quoted(filter)}.")
        self.name = name
        self.filter = filter
        self.distinct = distinct
        self.default = default

    def __repr__(self) -> str:
        parts = [] if self.name is None else [repr(self.name)]
        parts += [
            f"{word}={value!r}"
            for word, value in (("filter", self.filter), ("distinct", self.distinct), ("default", self.default))
            if value is not None and value is not False
        ]
        return f"{type(self).__name__}({', '.join(parts)})"


class Count(Aggregate[int]):
    """How many records there are, or how many have a value in a field."""

    function = "count"


class Sum(Aggregate[float | None]):
    """The sum of a field, exact to nine decimals in any order; None of no value."""

    function = "sum"


class Avg(Aggregate[float | None]):
    """The mean of a field; None of no value."""

    function = "avg"


class Min(Aggregate[Any]):
    """The least value of a field; None of no value."""

    function = "min"


class Max(Aggregate[Any]):
    """The greatest value of a field; None of no value."""

    function = "max"
