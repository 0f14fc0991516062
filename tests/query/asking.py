"""Generated queries over a tenant: conditions, values, figures and groups, with operands that its records hold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from planhat_orm import (
    Avg,
    Case,
    Coalesce,
    Company,
    Count,
    Enduser,
    Exists,
    F,
    FieldError,
    Groups,
    Issue,
    License,
    Max,
    Min,
    Model,
    Note,
    Q,
    QuerySet,
    Sum,
    Task,
    Trunc,
    Value,
    When,
    days,
    hours,
)
from planhat_orm.fields.relations import One, Relation
from planhat_orm.query import kinds
from planhat_orm.query.dates import PARTS
from planhat_orm.query.lookups import COMPARISONS, LEGAL, LOOKUPS
from planhat_orm.query.settle import settled
from planhat_orm.query.tree import Target
from planhat_orm.queryset import paths
from planhat_orm.wire.resources import resource

from .oracle import Keep, World, chosen, raw_at, satisfies
from .tenants import ALIKE, FIELDS, NUMBERS, REFERRED, SIZES, SPELT, WORDS, Account, Dice, Row, Tenant, new_id

target = cache(paths.target)
"""The fields of models stay as they are."""


@dataclass(frozen=True)
class Ask:
    """A query, and what it keeps by its calls."""

    queryset: Any
    note: str
    keep: list[Keep]


ZONES = (UTC, UTC, ZoneInfo("Europe/Stockholm"), ZoneInfo("America/New_York"), ZoneInfo("Asia/Kolkata"))
NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
OF: dict[str, tuple[kinds.Kind, ...]] = {
    "number": (kinds.NUMBER, kinds.INTEGER), "text": (kinds.TEXT,), "moment": (kinds.DATETIME,),
    "day": (kinds.DAY,), "truth": (kinds.BOOLEAN,), "any": (kinds.ANY,),
}  # fmt: skip
MORE: dict[type[Model], str] = {
    License: "company__mrr company__h company__renewal_date company__auto_renews",
    Enduser: "company__mrr company__auto_renews company__last_updated",
    Task: "company__mrr company__h owner__created_at",
    Note: "company__mrr company__renewal_date",
    Account: "org_root__mrr owner__created_at parent__mrr parent__renewal_date",
}
"""Names over relations to one record, whose values are worked out."""
FIGURES: dict[type[Model], tuple[str, ...]] = {
    Account: ("licenses", "endusers", "tasks", "issues", "notes", "children", "descendants", "ancestors", "tree"), Company: ("licenses", "endusers", "issues"),
    Issue: ("companies",), Task: ("subtasks",),
}  # fmt: skip
LISTED: dict[type[Model], tuple[str, ...]] = {
    Account: ("tags", "goals"), Company: ("tags",), Issue: ("company_ids",), Enduser: ("tags",)
}  # fmt: skip
ONE: dict[type[Model], tuple[str, ...]] = {
    Account: ("owner", "org_root", "owner__nick_name", "parent", "parent__name"), License: ("company", "company__owner"), Task: ("owner", "company"),
    Note: ("company",), Enduser: ("company", "company__owner__nick_name"),
}  # fmt: skip


class Asker:
    """Makes querysets over a tenant, with operands that its records hold."""

    def __init__(self, dice: Dice, tenant: Tenant) -> None:
        self.dice = dice
        self.tenant = tenant
        self.home = ""

    def ask(self) -> Ask:
        """A query of records, with values worked out now and then, or of groups."""
        dice = self.dice
        model = dice.choice([*FIELDS, Account, Account, Account, Enduser])
        self.home = model._meta.resource.name  # type: ignore[attr-defined]
        found, keep = self.records(model)  # type: ignore[arg-type]
        mixed = dice.random() < 0.15
        if mixed:
            other, kept = self.records(model)  # type: ignore[arg-type]
            found, keep = self.combined(found, keep, other, kept)
        if dice.random() < 0.35:
            found = self.annotated(found, model)  # type: ignore[arg-type]
            if dice.random() < 0.5 and found._query.annotations:
                namespace = found._namespace()
                condition = self.on_value(found)
                keep = [*keep, satisfies(namespace, "filter", condition)]
                found = found.filter(condition)
        if not mixed and dice.random() < 0.2:
            found = found.include_hidden()
        if dice.random() < 0.3:
            return self.groups(found, keep)
        return Ask(*self.arranged(found, model), keep)  # type: ignore[arg-type]

    def annotated(self, found: QuerySet[Any], model: type[Model]) -> QuerySet[Any]:
        try:
            return found.annotate(**self.values(model, ("x", "y")))
        except FieldError as refused:
            # What a figure cannot be asked is drawn now and then.
            assert "mixes conditions" in str(refused) or "too many ways" in str(refused), refused
            return found

    def records(self, model: type[Model]) -> tuple[QuerySet[Any], list[Keep]]:
        dice = self.dice
        found: QuerySet[Any] = model.objects
        keep: list[Keep] = []
        for _ in range(dice.choice((0, 1, 1, 1, 1, 2))):
            verb = dice.choice(("filter", "filter", "exclude"))
            condition = self.condition(model)
            keep.append(satisfies(found._namespace(), verb, condition))
            if condition.connector == "and" and not condition.negated and dice.random() < 0.5:
                found = getattr(found, verb)(*by_position(condition), **by_name(condition))
            else:
                found = getattr(found, verb)(condition)
        return found, keep

    def combined(
        self, left: QuerySet[Any], kept: list[Keep], right: QuerySet[Any], other: list[Keep]
    ) -> tuple[QuerySet[Any], list[Keep]]:
        if self.dice.random() < 0.3:
            right = right.order_by("-id")[: self.dice.randrange(4)]
        inside = settled(right._query, NOW)

        def is_right(row: Row, world: World) -> bool:
            return row["_id"] in [found["_id"] for found in chosen(inside, World(world.tenant, world.zone), other)]

        def is_left(row: Row, world: World) -> bool:
            return all(keep(row, world) for keep in kept) and is_shown(left, row)

        match self.dice.choice(("|", "&", "-")):
            case "|":
                return left | right, [lambda row, world: is_left(row, world) or is_right(row, world)]
            case "&":
                return left & right, [lambda row, world: is_left(row, world) and is_right(row, world)]
        return left.difference(right), [lambda row, world: is_left(row, world) and not is_right(row, world)]

    def arranged(self, found: QuerySet[Any], model: type[Model]) -> tuple[QuerySet[Any], str]:
        dice = self.dice
        if dice.random() < 0.85:
            # What is compared are ids; fields that conditions look at have to come all the same.
            wires = list(model._meta.by_wire.values())
            found = found.only(*dice.choice(((), (), ("id",), (dice.choice(wires).name,))))
        if dice.random() < 0.4:
            found = found.order_by(*self.order(model))
            if dice.random() < 0.3:
                found = found.reverse()
        elif found._query.annotations and dice.random() < 0.7:
            found = found.order_by(dice.choice(("x", "-x", "y", "-y")))
        if dice.random() < 0.15:
            found = found.distinct(*dice.choice((self.order(model), ["x"] if found._query.annotations else ["id"])))
        if dice.random() < 0.2:
            start = dice.randrange(4)
            found = found[start : dice.choice((None, start, start + 1, start + 3, 2))]
            if dice.random() < 0.5:
                found = found[dice.randrange(2) :]
        return found, ""

    # --- values and groups ------------------------------------------------------------------------------

    def values(self, model: type[Model], names: tuple[str, ...]) -> dict[str, Any]:
        return {name: self.value(model, self.dice.choice((0, 1, 1, 2, 3))) for name in names}

    def value(self, model: type[Model], depth: int, kind: str = "") -> Any:
        """An expression of a kind: `number`, `text`, `moment`, `day`, `truth`, or of any."""
        dice = self.dice
        kind = kind or dice.choice(("number", "number", "number", "text", "moment", "day", "truth", "any"))
        if kind == "any" and not named(model, kind):
            kind = "text"
        names = named(model, kind)
        if depth <= 0 or dice.random() < 0.1:
            return F(dice.choice(names)) if names else self.constant(kind)
        roll = dice.random()
        if roll < 0.15:
            parts: list[Any] = [self.value(model, depth - 1, kind) for _ in range(2)]
            return Coalesce(*parts, *([self.constant(kind)] if dice.random() < 0.3 else []))
        if roll < 0.3:
            branches = [
                When(self.condition(model), then=self.value(model, depth - 1, kind)) for _ in range(dice.choice((1, 2)))
            ]
            return Case(*branches, default=None if dice.random() < 0.4 else self.value(model, 0, kind))
        if roll < 0.6 and (figure := self.figure(model, kind)) is not None:
            return figure
        return self.worked_out(model, depth, kind)

    def worked_out(self, model: type[Model], depth: int, kind: str) -> Any:
        dice = self.dice
        if kind == "number":
            roll = dice.random()
            if roll < 0.15 and named(model, "moment"):
                return self.value(model, 0, "moment") - self.value(model, depth - 1, "moment")
            left, right = self.value(model, depth - 1, "number"), self.value(model, depth - 2, "number")
            if dice.random() < 0.4:
                right = dice.choice((0, 1, 2, 12, 0.5, -1, 1e300))
            return {"+": left + right, "-": left - right, "*": left * right, "/": left / right}[dice.choice("+-*/")]
        if kind == "moment":
            return self.value(model, depth - 1, "moment") + dice.choice((days(1), days(-45), hours(5), 0.5, 40000))
        if kind == "day":
            if dice.random() < 0.7:
                unit: Any = dice.choice(("year", "quarter", "month", "week", "day"))
                return Trunc(self.value(model, depth - 1, dice.choice(("moment", "moment", "day"))), unit)
            return self.value(model, depth - 1, "day") + dice.choice((1, -30.5, 3000000))
        return self.value(model, depth - 1, kind)

    def figure(self, model: type[Model], kind: str, *, over: bool = True) -> Any:
        """A figure over related records or, with `over=False`, over those of a group."""
        dice = self.dice
        head, condition = "", None
        if over:
            many = [name for name, relation in model._meta.relations.items() if name in FIGURES.get(model, ())]
            if not many:
                return None
            head = dice.choice(many)
        far: type[Model] = model._meta.relations[head].model if over else model
        if dice.random() < 0.4:
            condition = self.condition(far)
            condition = prefixed(condition, head) if over else condition
        options: dict[str, Any] = {"filter": condition, "distinct": dice.random() < 0.2}
        if kind == "number":
            roll = dice.random()
            if roll < 0.4:
                return Count(head or None, **options)
            names = named(far, "number" if roll < 0.8 else dice.choice(("text", "any", "truth")))
            if not names:
                return Count(head or None, **options)
            name = dice.choice(names)
            path = f"{head}__{name}" if over else name
            if roll >= 0.8:
                return Count(path, **options)
            if dice.random() < 0.4:
                options["default"] = dice.choice((0, 7.5))
            return dice.choice((Sum, Sum, Avg, Min, Max))(path, **options)
        names = named(far, kind)
        if not names:
            return None
        path = f"{head}__{dice.choice(names)}" if over else dice.choice(names)
        return dice.choice((Min, Max))(path, **options)

    def constant(self, kind: str) -> Any:
        dice = self.dice
        return Value(
            {
                "number": dice.choice((0, 1.5, 1e300)), "text": dice.choice(WORDS), "truth": dice.random() < 0.5,
                "moment": dice.moment(), "day": date(2026, 1, 31), "any": dice.choice((1, "a", True)),
            }[kind]
        )  # fmt: skip

    def on_value(self, found: Any) -> Q:
        """A condition on an annotation."""
        dice = self.dice
        known = dict(found._query.annotations)
        name = dice.choice(sorted(known))
        kind = known[name].kind
        op = dice.choice(sorted(COMPARISONS & LEGAL[kind]))
        value = self.operand(Target(name, (name,), kind), op)
        condition = Q(**{f"{name}__{op}": value})
        if kind in (kinds.NUMBER, kinds.INTEGER) and dice.random() < 0.2:
            condition = F(name) * 2 > F(name) + dice.choice((0, 3))
        return ~condition if dice.random() < 0.3 else condition

    def groups(self, found: QuerySet[Any], keep: list[Keep]) -> Ask:
        dice = self.dice
        model = found.model
        if dice.random() < 0.15:
            found = found.order_by("-id")[: dice.choice((2, 5))]
            inside, before = settled(found._query, NOW), keep
            keep = [
                lambda row, world: (
                    row["_id"] in [match["_id"] for match in chosen(inside, World(world.tenant, world.zone), before)]
                )
            ]
        names: list[str] = []
        values: dict[str, Any] = {}
        for place in range(dice.choice((0, 1, 1, 1, 2))):
            roll = dice.random()
            if roll < 0.25:
                values[f"k{place}"] = self.value(model, 1)
            elif roll < 0.45:
                names.append(dice.choice(LISTED.get(model, ("id",))))
            elif roll < 0.6:
                names.append(dice.choice(ONE.get(model, ("id",))))
            else:
                names.append(
                    dice.choice(
                        named(model, dice.choice(("number", "text", "truth", "day", "any", "moment"))) or ["id"]
                    )
                )
        made = found.group_by(*dict.fromkeys(names), **values) if names or values else Groups(found)
        figures = {f"f{place}": self.of_group(model) for place in range(dice.choice((1, 1, 2)))}
        try:
            made = made.annotate(**figures)
        except FieldError as refused:
            assert "mixes conditions" in str(refused) or "too many ways" in str(refused), refused
            made = made.annotate(f0=Count())
        if dice.random() < 0.3 and made._query.annotations:
            made = made.filter(self.on_value(made))
        if dice.random() < 0.4:
            made = made.order_by(dice.choice(("f0", "-f0")))
        if dice.random() < 0.2:
            made = made[dice.choice((0, 1)) : dice.choice((2, 3, None))]
        return Ask(made, "", keep)

    def of_group(self, model: type[Model]) -> Any:
        dice = self.dice
        kind = dice.choice(("number", "number", "number", "text", "day", "any", "truth", "moment"))
        figure = self.figure(model, kind, over=dice.random() < 0.3)
        if figure is None:
            figure = Count()
        if kind == "number" and dice.random() < 0.3:
            return figure / Count() if dice.random() < 0.5 else Coalesce(figure, 0) * 2
        return figure

    def condition(self, model: type[Model]) -> Q:
        roll = self.dice.random()
        if roll < 0.05 and FIGURES.get(model):
            return self.exists(model)
        if roll < 0.1:
            return self.value(model, 2, "number") >= self.value(model, 1, "number")  # type: ignore[no-any-return]
        if self.dice.random() < 0.25:
            return self.about_one(model)
        return self.tree(model, self.dice.choice((0, 0, 0, 1, 2)))

    def exists(self, model: type[Model]) -> Q:
        head = self.dice.choice(FIGURES[model])
        far = model._meta.relations[head].model
        found = Exists(head, self.tree(far, 0), *([self.tree(far, 0)] if self.dice.random() < 0.5 else []))
        return ~found if self.dice.random() < 0.4 else found

    def about_one(self, model: type[Model]) -> Q:
        """Conditions over one relation, which speak of one record."""
        dice = self.dice
        names = [name for name in FIELDS[model].split() if name.split("__")[0] in model._meta.relations]
        if not names:
            return self.tree(model, 1)
        head = dice.choice(names).split("__")[0]
        leaves = [Q(**self.leaf(model, head)) for _ in range(dice.choice((2, 2, 3)))]
        leaves = [~leaf if dice.random() < 0.1 else leaf for leaf in leaves]
        if dice.random() < 0.3:
            leaves[-1] |= self.tree(model, 0)
        return Q(*leaves) if dice.random() < 0.8 else Q(leaves[0] | leaves[1], *leaves[2:], self.tree(model, 0))

    def tree(self, model: type[Model], depth: int) -> Q:
        if depth == 0:
            return Q(**self.leaf(model))
        parts = [self.tree(model, depth - 1) for _ in range(self.dice.choice((1, 2, 2, 3)))]
        joined = parts[0]
        for part in parts[1:]:
            joined = joined & part if self.dice.random() < 0.5 else joined | part
        return ~joined if self.dice.random() < 0.4 else joined

    def order(self, model: type[Model]) -> list[str]:
        names = [name for name in FIELDS[model].split() if "__" not in name and name in model._meta.fields]
        sortable = [name for name in names if target(model, name).kind not in (*kinds.LISTS, kinds.OBJECT, kinds.ANY)]
        return [self.dice.choice(("", "-")) + name for name in self.dice.sample(sortable, self.dice.choice((1, 1, 2)))]

    def leaf(self, model: type[Model], head: str = "") -> dict[str, Any]:
        """One condition, on anything or over one relation."""
        dice = self.dice
        if head:
            names = [name for name in FIELDS[model].split() if name.split("__")[0] == head]
            return self.lookup(model, dice.choice(names), dice.choice(names))
        if model is Account and dice.random() < 0.15:
            return self.alike()
        if model is Enduser and dice.random() < 0.3:
            # The one text that the API filters by itself, and only when it is compared exactly.
            op = dice.choice(("exact", "in", "iexact", "startswith", "contains", "gte", "regex"))
            word = next((near for _ in range(3) if (near := self.nearby(target(model, "email"), op))), "a")
            return {f"email__{op}": [word, "b"] if op == "in" else "^" if op == "regex" else word}
        paths = FIELDS[model].split()
        return self.lookup(model, self.path(model, paths), self.path(model, paths))

    def lookup(self, model: type[Model], name: str, other: str) -> dict[str, Any]:
        """A condition on the value at a name."""
        dice = self.dice
        relation = model._meta.relations.get(name)
        if relation is not None:
            return self.relation(name, relation)
        found = target(model, name)
        op = dice.choice(sorted(LEGAL[found.kind]))
        if dice.random() < 0.5 and name.split("__")[0] != other.split("__")[0]:
            # The lookup first, so that those that few fields take are asked for as well.
            op = dice.choice((*sorted(LOOKUPS), *RARE))
            paths = [part for part in FIELDS[model].split() if part not in model._meta.relations]
            names = [path for path in paths if op in LEGAL[target(model, path).kind]]
            if not names:
                return self.leaf(model)
            name = self.path(model, names)
            found = target(model, name)
        if op in ("exact", "gt", "gte", "lt", "lte") and not found.hops and dice.random() < 0.15:
            others = [
                part for part in FIELDS[model].split() if part in model._meta.fields or part.startswith("custom__")
            ]
            other = dice.choice(
                [other for other in others if alike_kinds(found.kind, target(model, other).kind)] or [name]
            )
            return {f"{name}__{op}": F(other)}
        if op == "exact" and dice.random() < 0.1:
            return {name: None}
        if op in PARTS and dice.random() < 0.4:
            further = dice.choice(("gte", "lt", "in", "isnull", "range"))
            value = self.operand(found, op)
            value = {"in": [value], "isnull": dice.random() < 0.5, "range": (value, value)}.get(further, value)
            return {f"{name}__{op}__{further}": value}
        path = name if op == "exact" and dice.random() < 0.5 else f"{name}__{op}"
        return {path: self.operand(found, op)}

    def alike(self) -> dict[str, Any]:
        """A comparison that is wrong as soon as true is 1, or 1 is "1"."""
        dice = self.dice
        name = dice.choice(("custom__Thing", "custom__Thing", "pilot", "goals"))
        ops = {"pilot": ("exact", "in"), "goals": ("contains", "overlap")}.get(
            name, ("exact", "in", "gt", "gte", "lt", "lte")
        )
        op = dice.choice(ops)
        values = (True, False) if name == "pilot" or dice.random() < 0.3 else ALIKE
        many = [dice.choice(values) for _ in range(2)]
        return {f"{name}__{op}": many if op in ("in", "overlap") else many[0]}

    def path(self, model: type[Model], names: list[str]) -> str:
        near = [name for name in names if name.split("__")[0] not in model._meta.relations]
        return self.dice.choice(near if near and self.dice.random() < 0.7 else names)

    def relation(self, name: str, relation: Relation[Any]) -> dict[str, Any]:
        home = relation.model._meta.resource.name
        home = "conversation" if home == "note" else home
        ids = [new_id(home, self.dice.randrange(SIZES[home] + 1)) for _ in range(3)]
        records = [relation.model.from_wire({"_id": id}) for id in ids]
        shapes: list[dict[str, Any]] = [
            {name: records[0]}, {name: ids[0]}, {f"{name}__in": records[:2]}, {f"{name}__in": []},
            {f"{name}__isnull": self.dice.random() < 0.5}, {name: None},
        ]  # fmt: skip
        if isinstance(relation, One):
            shapes.append({f"{name}__in": [ids[0], None]})
        return self.dice.choice(shapes)

    def operand(self, found: Target, op: str) -> Any:
        dice = self.dice
        if op == "isnull":
            return dice.random() < 0.5
        if op in ("in", "overlap"):
            some = [self.one(found, op) for _ in range(dice.randrange(4))]
            return [*some, None] if op == "in" and dice.random() < 0.1 else some
        if op == "range":
            ends = [self.one(found, op), self.one(found, op)]
            if dice.random() < 0.8 and type(ends[0]) is type(ends[1]) and not isinstance(ends[0], bool):
                ends.sort()
            return tuple(ends)
        if op in PARTS and op != "date":
            return dice.choice(
                {"year": (2025, 2026), "month": (1, 12), "day": (1, 30, 31), "hour": (0, 5, 10, 23)}.get(
                    op, {"quarter": (1, 4), "week": (1, 5, 52, 53)}.get(op, range(1, 8))
                )
            )
        if op == "date":
            return dice.choice((date(2026, 1, 31), date(2025, 12, 31), date(2025, 12, 30), "2026-01-30"))
        if op in ("regex", "iregex"):
            return dice.choice(("a", "^A", "ß", "[ab]$", r"\d", "i", "%", "^.$", "^$", "s", "a.b"))
        return self.one(found, op)

    def one(self, found: Target, op: str) -> Any:
        """One operand; more often than not a value that a record has there, or nearly so."""
        value = self.any_one(found, op)
        # Whole numbers beyond this are refused, as they would equal their neighbours.
        return float(value) if isinstance(value, int) and abs(value) >= 2**53 else value

    def any_one(self, found: Target, op: str) -> Any:
        dice, kind = self.dice, found.kind
        if kind is kinds.REF or found.keys[0] in ("_id", "companyIds"):
            home = found.hops[-1].resource if found.hops else self.home
            there = REFERRED.get(found.keys[0]) or home.replace("note", "conversation")
            key = new_id(there, dice.randrange(SIZES[there] + 1))
            return key if op not in TEXTUAL + ("contains",) else key[dice.choice((0, 0, 1, 22)) :]
        if kind is kinds.DATETIME:
            return dice.choice((dice.moment(), kinds.iso(dice.moment()), dice.moment().date()))
        if kind is kinds.DAY:
            return dice.choice((date(2026, 1, 31), date(2026, 1, 30), date(2025, 12, 28), "2026-02-16"))
        if kind is kinds.BOOLEAN:
            return dice.random() < 0.5
        if dice.random() < 0.5 and (near := self.nearby(found, op)) is not None:
            return near
        if kind in (kinds.ANY, *kinds.LISTS) and op not in TEXTUAL:
            value = dice.scalar() if dice.random() < 0.4 else dice.choice(ALIKE)
            return value if value is not None else "a"
        if kind in (kinds.NUMBER, kinds.INTEGER):
            return dice.choice(NUMBERS)
        word = dice.choice(WORDS + SPELT)
        return word if dice.random() < 0.7 else word.swapcase()

    def nearby(self, found: Target, op: str) -> Any:
        """A value that some record has at the target, or one that is nearly it; None for want of one."""
        dice = self.dice
        home = found.hops[-1].resource if found.hops else None
        rows = [row for name, some in self.tenant.items() if home in (None, name) for row in some]
        held = [raw for row in rows if (raw := raw_at(row, found.keys)) is not None]
        if not held:
            return None
        raw = dice.choice(held)
        if isinstance(raw, list) and raw:
            raw = dice.choice(raw)
            if found.kind is kinds.REFS and isinstance(raw, dict):
                raw = raw.get("_id")
        if isinstance(raw, str) and found.kind in (kinds.TEXT, kinds.ANY, *kinds.LISTS):
            start = dice.randrange(len(raw) + 1)
            return dice.choice(
                (raw, raw[start:], raw[:start], raw[start : start + 1], raw.swapcase(), raw.casefold(), raw.upper())
            )
        if op in TEXTUAL or not isinstance(raw, (int, float)):
            return None
        if found.kind in (kinds.NUMBER, kinds.INTEGER):
            return dice.choice((int(raw), raw + 0.5, raw + 1)) if abs(raw) < 1e15 else None
        if found.kind in (kinds.ANY, *kinds.LISTS):
            return dice.choice((raw, raw, int(raw), float(raw), bool(raw), not raw))
        return None


@cache
def named(model: Any, kind: str) -> list[str]:
    """The names of values of a kind, over relations to one record too."""
    found = []
    for name in [*FIELDS[model].split(), *MORE.get(model, "").split()]:
        place = paths.walk(model, tuple(name.split("__")))
        if place.value is not None and not place.rest and place.to_one and place.value.kind in OF[kind]:
            found.append(name)
    return found


def alike_kinds(left: kinds.Kind, right: kinds.Kind) -> bool:
    families = ((kinds.TEXT, kinds.ID, kinds.REF), (kinds.NUMBER, kinds.INTEGER))
    same = left is right or any(left in family and right in family for family in families)
    return (same and right not in (*kinds.LISTS, kinds.OBJECT)) or (
        kinds.ANY in (left, right) and {left, right}.isdisjoint({*kinds.LISTS, kinds.OBJECT})
    )


RARE = ("hour", "hour", "day", "day")
"""Parts that only moments have, or that few values tell apart: they are asked for more often."""
TEXTUAL = ("iexact", "icontains", "startswith", "istartswith", "endswith", "iendswith")


def by_position(condition: Q) -> list[Q]:
    if isinstance(condition, Exists):
        return [condition]
    return [child if isinstance(child, Q) else Q._of((child,)) for child in condition.children if not _is_named(child)]


def _is_named(child: Any) -> bool:
    return isinstance(child, tuple) and isinstance(child[0][0], str)


def by_name(condition: Q) -> dict[str, Any]:
    return {"__".join(child[0]): child[1] for child in condition.children if _is_named(child)}  # type: ignore[index]


def prefixed(condition: Q, head: str) -> Q:
    """A condition on related records as one from this side of the relation."""
    if isinstance(condition, Exists):
        return Exists(f"{head}__{condition.relation}", condition.inner)
    children: list[Any] = []
    for child in condition.children:
        if isinstance(child, Q):
            children.append(prefixed(child, head))
            continue
        path, value = child
        if isinstance(path[0], str):
            children.append(((head, *path), F(f"{head}__{value.name}") if isinstance(value, F) else value))
        else:
            # A comparison of values is not written from elsewhere.
            children.append(((head, "id", "isnull"), False))
    return Q._of(tuple(children), condition.connector, condition.negated)


def is_shown(queryset: QuerySet[Any], row: Row) -> bool:
    hidden = resource(queryset._query.resource).hidden_by
    return queryset._query.hidden or hidden is None or row.get(str(hidden.hides)) is not True
