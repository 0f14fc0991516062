"""The plan: what a query will do, said before it is done."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..html import table
from .tree import EVERYTHING, All, Any, Expr, InQuery, Node, Not, Related, Test


@dataclass(frozen=True, slots=True)
class Step:
    """One thing a source will do: a list to page through, a record to get, a statement to run."""

    text: str
    requests: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """Where a query is answered, what the source filters, what is filtered here, and what it costs.

    `select` are the wire fields that the API is asked for; none stand for all it sends. `requests` is exact when it
    can be known, None when it depends on how many rows there are (`cost` says how). `full_scan` says that there
    are conditions and the API can use none of them. `print(plan)` is for people, and a notebook shows it as a
    table; neither makes a call.
    """

    source: str
    resource: str
    steps: tuple[Step, ...]
    served: tuple[str, ...] = ()
    here: tuple[str, ...] = ()
    select: tuple[str, ...] = ()
    requests: int | None = None
    cost: str = ""
    full_scan: bool = False
    notes: tuple[str, ...] = field(default=())

    def _rows(self) -> list[tuple[str, str]]:
        where = "API" if self.source == "api" else self.source
        rows = [("source", f"{where}, {self.resource}")]
        rows += [("step", step.text + (f"  ({step.requests})" if step.requests else "")) for step in self.steps]
        if self.select:
            rows.append(("select", ",".join(self.select) if len(self.select) <= 20 else f"{len(self.select)} fields"))
        rows += [(f"filtered by the {where}", text) for text in self.served]
        rows += [("filtered here", text) for text in self.here]
        cost = self.cost if self.requests is None else f"{self.requests}" + (f", {self.cost}" if self.cost else "")
        rows.append(("requests", cost))
        rows += [("note", note) for note in self.notes]
        return rows

    def __str__(self) -> str:
        rows = self._rows()
        width = max(len(label) for label, _ in rows)
        return "\n".join(f"{label:<{width}}  {text}" for label, text in rows)

    def _repr_html_(self) -> str:
        return table(("", ""), self._rows())


def describe(node: Node) -> str:
    """Write a tree as a person would read it: `mrr >= 1000 and not name contains 'test'`."""
    match node:
        case All(children):
            return " and ".join(map(_inner, children)) or "everything"
        case Any(children):
            return " or ".join(map(_inner, children)) or "nothing"
        case Not(child):
            return f"not {_inner(child)}"
        case Related(name, _, where):
            return _over(name, where)
        case InQuery(target, query):
            return f"{target.name} in {query.resource}({describe(query.where)})"
        case Test(target, op, value):
            return f"{target.name} {_SIGNS.get(op, op)} {_shown(value)}"


def _over(name: str, where: Node) -> str:
    """A condition on related records: `owner__email = 'a'`, `licenses[product = 'Core' and mrr >= 1]`."""
    if where == EVERYTHING:
        return f"{name} exists"
    return f"{name}__{describe(where)}" if isinstance(where, (Test, Related)) else f"{name}[{describe(where)}]"


def _shown(value: object) -> str:
    if isinstance(value, Expr):
        return value.name
    if isinstance(value, tuple) and len(value) > 5:
        return f"{len(value)} values"
    return repr(int(value) if isinstance(value, float) and value.is_integer() else value)


def _inner(node: Node) -> str:
    text = describe(node)
    return f"({text})" if isinstance(node, (All, Any)) and len(node.children) > 1 else text


_SIGNS = {"exact": "=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
