"""Companies in trees: parent, children, all below and above, and figures over them, from the API and from both mirrors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from planhat_orm import Company, Count, Exists, FieldError, Planhat, Q, ReadOnlyError, Sum, Ticket
from planhat_orm.emulator import Emulator
from planhat_orm.errors import PlanhatError
from planhat_orm.wire.hierarchy import parent_in
from tests.registry import no_clients

TREE = {
    "Holding": "Holding", "Nordic": ",Holding,Nordic,", "Sweden": ",Holding,Nordic,Sweden,", "Norway": ",Holding,Nordic,",
    "Asia": ",Holding,", "Alone": "Alone", "Orphan": ",gone,Orphan,", "Egg": ",Hen,", "Hen": ",Egg,", "Chick": ",Hen,Chick,",
    "Plain": None,
}  # fmt: skip
"""Paths of ids, which are made of names here: with and without the company's own id, below one that is gone, in a circle."""
PARENTS = {
    "Nordic": "Holding",
    "Sweden": "Nordic",
    "Norway": "Nordic",
    "Asia": "Holding",
    "Egg": "Hen",
    "Hen": "Egg",
    "Chick": "Hen",
}


@dataclass(frozen=True)
class Sources:
    clients: dict[str, Planhat]
    ids: dict[str, str]

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        for name, client in self.clients.items():
            yield name, Company.objects.using(client)


@pytest.fixture(scope="module")
def sources(postgres: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sources]:
    ids = {name: f"c0{number:022x}" for number, name in enumerate(TREE)} | {"gone": "c" * 24}
    with Emulator(companies=0) as emulator, no_clients():
        for place, (name, path) in enumerate(TREE.items()):
            steps = None if path is None else ",".join(ids.get(step, "") for step in path.split(","))
            emulator.store.insert("company", {"_id": ids[name], "name": name, "orgPath": steps, "mrr": 2**place})
            emulator.store.insert("ticket", {"companyId": ids[name], "status": "open" if place % 2 else "closed"})
        folder = tmp_path_factory.mktemp("hierarchies")
        clients = {
            name: Planhat(
                emulator.api_token, api_url=emulator.url, calls_per_min=1e9, scan="allow", mirror=mirror,
                read="api" if mirror is None else "mirror",
            )
            for name, mirror in (("API", None), ("SQLite", folder / "planhat.db"), ("PostgreSQL", postgres()))
        }  # fmt: skip
        for client in clients.values():
            if client.settings.mirror is not None:
                client.sync(Company, Ticket)
        yield Sources(clients, ids)
        for client in clients.values():
            client.close()


def names(found: Any) -> set[str]:
    return {company.name for company in found}


def below(name: str) -> set[str]:
    """By hand: those whose parents lead to a company."""
    found: set[str] = set()
    while more := {child for child, parent in PARENTS.items() if parent in {name, *found}} - found:
        found |= more
    return found


def test_a_path_tells_the_parent_in_all_its_forms() -> None:
    forms: list[tuple[object, str | None]] = [
        (",a,b,c,", "b"), (",a,b,", "b"), ("a,b,c", "b"), (" a , c ", "a"), ("c", None), (",c,", None), ("", None),
        (None, None), (["a"], None), (",a,c,d,", "a"), (",,", None), (7, None),
    ]  # fmt: skip
    assert [(path, parent_in(path, "c")) for path, _ in forms] == forms


def test_parent_children_and_all_below_and_above(sources: Sources) -> None:
    for source, companies in sources:
        every = {company.name: company for company in companies}
        assert every.keys() == TREE.keys()
        for name, company in every.items():
            parent = PARENTS.get(name)
            assert company.parent == every.get(parent or ""), (source, name)
            assert company.parent_id == (sources.ids["gone"] if name == "Orphan" else sources.ids.get(parent or ""))
            assert names(company.children) == {child for child, of in PARENTS.items() if of == name}, source
            assert names(company.descendants()) == below(name), (source, name)
            assert names(company.tree()) == below(name) | {name}, source
            assert names(company.ancestors()) == {other for other in TREE if name in below(other)}, (source, name)


def test_relations_of_the_tree_stand_in_conditions(sources: Sources) -> None:
    by_hand = {
        Q(parent=None): {"Holding", "Alone", "Plain"},
        Q(parent__name="Nordic"): {"Sweden", "Norway"},
        Q(children=None): {"Sweden", "Norway", "Asia", "Alone", "Orphan", "Chick", "Plain"},
        Q(descendants__name="Sweden"): {"Holding", "Nordic"},
        Q(ancestors__name="Holding", ancestors__mrr=1): below("Holding"),
        Q(ancestors__name="Holding", ancestors__mrr=2): set(),
        Q(tree__name__in=["Sweden", "Alone"]): {"Holding", "Nordic", "Sweden", "Alone"},
        Q(ancestors__name="Chick"): set(),
        Q(descendants__name="Egg"): {"Egg", "Hen"},
        Exists("descendants__tickets", status="open") & Q(parent=None): {"Holding"},
        ~Exists("descendants"): {"Sweden", "Norway", "Asia", "Alone", "Orphan", "Chick", "Plain"},
    }
    for source, companies in sources:
        for condition, expected in by_hand.items():
            assert names(companies.filter(condition)) == expected, (source, condition)
        holding = companies.get(name="Holding")
        assert names(companies.filter(parent=holding)) == {"Nordic", "Asia"}
        assert names(companies.filter(ancestors=holding)) == below("Holding")


def test_figures_roll_up_over_the_tree(sources: Sources) -> None:
    mrr = {name: 2**place for place, name in enumerate(TREE)}
    for source, companies in sources:
        rolled = companies.annotate(
            s=Sum("tree__mrr"), d=Sum("descendants__mrr"), n=Count("descendants"), up=Count("ancestors"),
            open=Count("tree__tickets", filter=Q(tree__tickets__status="open")),
        )  # fmt: skip
        for company in rolled:
            under = below(company.name)
            assert company.s == sum(mrr[name] for name in under | {company.name}), (source, company.name)
            assert (company.d or 0) == sum(mrr[name] for name in under), source
            assert company.n == len(under), source
            assert company.up == sum(company.name in below(other) for other in TREE), (source, company.name)
            assert company.open == sum(list(TREE).index(name) % 2 for name in under | {company.name}), source
        assert rolled.filter(parent=None).order_by("-s").values_list("name", "s").first() == ("Plain", 1024)
        both = companies.filter(name__in=["Holding", "Nordic"])
        assert both.aggregate(s=Sum("descendants__mrr"))["s"] == sum(mrr[name] for name in below("Holding")), source
        assert rolled.get(name="Nordic").s == mrr["Nordic"] + mrr["Sweden"] + mrr["Norway"], source


def test_tasks_await_the_same(sources: Sources) -> None:
    async def ask() -> None:
        for client in sources.clients.values():
            holding = await Company.objects.using(client).aget(name="Holding")
            assert {company.name async for company in holding.descendants()} == below("Holding")
            sweden = await Company.objects.using(client).aget(name="Sweden")
            await sweden.aload("parent")
            assert sweden.parent.name == "Nordic"
            assert await sweden.ancestors().acount() == 2
            await client.aclose()

    asyncio.run(ask())


def test_names_of_parents_are_values(sources: Sources) -> None:
    for source, companies in sources:
        some = companies.filter(name__in=["Sweden", "Alone"]).order_by("name")
        assert list(some.values_list("name", "parent__name", "parent_id")) == [
            ("Alone", None, None), ("Sweden", "Nordic", sources.ids["Nordic"])
        ], source  # fmt: skip
        assert list(some.values_list("parent_id", flat=True)) == [None, sources.ids["Nordic"]], source
        assert [company.parent_id for company in some.only("parent_id")] == [None, sources.ids["Nordic"]], source
        grouped = companies.group_by("parent").annotate(n=Count()).filter(n__gte=2).order_by("parent__label")
        assert list(grouped.values_list("parent__label", "n")) == [("Hen", 2), ("Holding", 2), ("Nordic", 2), (None, 3)]
        assert companies.prefetch_related("children").get(name="Nordic").children.count() == 2, source


def test_parents_stand_in_frames(sources: Sources) -> None:
    for source, companies in sources:
        frame = companies.to_arrow()
        annotated = companies.annotate(daughters=Count("children")).to_arrow()
        assert annotated["parent_id"].equals(frame["parent_id"]), source
        assert dict(zip(*(frame[name].to_pylist() for name in ("name", "parent_id")), strict=True)) == {
            name: sources.ids.get(PARENTS.get(name, ""), "c" * 24 if name == "Orphan" else None) for name in TREE
        }, source


def test_a_deep_tree_is_followed_for_a_hundred(tmp_path: Path) -> None:
    with Emulator(companies=0) as emulator, no_clients():
        ids = [f"c0{number:022x}" for number in range(150)]
        for number, id in enumerate(ids):
            emulator.store.insert(
                "company", {"_id": id, "name": f"{number:03d}", "orgPath": f",{ids[number - 1]},{id},"}
            )
        client = Planhat(
            emulator.api_token, api_url=emulator.url, calls_per_min=1e9, scan="allow", mirror=tmp_path / "planhat.db"
        )
        with client:
            client.sync(Company)
            for source in ("api", "mirror"):
                companies = Company.objects.using(client).using(source)
                first = companies.get(name="010")
                assert first.descendants().count() == first.ancestors().count() == 100, source
                below = Count("descendants")
                assert below.of(companies.annotate(n=below).get(name="020")) == 100, source


def test_what_a_tree_costs_is_said_before(sources: Sources) -> None:
    for source, companies in sources:
        plan = str(companies.annotate(s=Sum("tree__mrr")).explain())
        below_one = str(companies.filter(ancestors__name="Holding").explain())
        if source == "API":
            assert "GET /companies for values and figures, worked out here  (whole list)" in plan
            assert "GET /companies for the whole tree of: ancestors__name = 'Holding'" in below_one
        else:
            assert "WITH RECURSIVE" in plan and "WITH RECURSIVE" in below_one


def test_the_tree_is_planhats_to_change_and_a_walk_is_called(sources: Sources) -> None:
    company = Company.from_wire({"_id": "b", "orgPath": ",a,b,"})
    assert [row.parent_id for row in (company, Company.from_wire({"_id": "b"}))] == ["a", None]
    with pytest.raises(ReadOnlyError, match="parent_id is read-only"):
        company.parent_id = "c"
    with pytest.raises(ReadOnlyError):
        company.parent = Company.from_wire({"_id": "c"})
    with pytest.raises(TypeError, match=r"Company.descendants is called: descendants\(\)"):
        list(company.descendants)
    with pytest.raises(PlanhatError, match="never saved has no descendants"):
        Company(name="x").descendants()
    with pytest.raises(FieldError, match="'descendants__mrr' meets many values"):
        Company.objects.order_by("descendants__mrr")
    with pytest.raises(FieldError, match="walks the tree"):
        Company.objects.prefetch_related("descendants")
