"""The opt-in cache of small tables: one list answers everything, own writes drop it, threads share it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from planhat_orm import Company, ConfigurationError, CustomField, Planhat, User
from planhat_orm.emulator import Emulator


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(companies=6, licenses=0, endusers=0, conversations=0, tasks=0, seed=3) as made:
        yield made


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def planhat(emulator: Emulator, clock: Clock) -> Iterator[Planhat]:
    cache: dict[Any, float] = {User: 3600, CustomField: 3600}
    with Planhat(
        emulator.api_token,
        api_url=emulator.url,
        calls_per_min=1e9,
        scan="raise",
        cache=cache,
        clock=clock,  # type: ignore[arg-type]
    ) as client:
        yield client


def asked(emulator: Emulator) -> int:
    count = len(emulator.log)
    emulator.log.clear()
    return count


def test_every_question_is_answered_from_one_list(planhat: Planhat, emulator: Emulator) -> None:
    users = list(User.objects.all())
    assert asked(emulator) == 2
    assert User.objects.get(users[0].id).email == users[0].email
    assert User.objects.filter(email=users[1].email).count() == 1
    assert User.objects.order_by("nick_name").first() is not None
    assert User.objects.get_or_none("0" * 24) is None
    keyed = [user for user in users if user.external_id]
    assert [User.objects.get(external_id=row.external_id).id for row in keyed] == [row.id for row in keyed]
    assert User.objects.explain().requests == 0 and "in memory" in str(User.objects.explain())
    assert [record.owner for record in Company.objects.all()] and asked(emulator) == 2, "the companies alone"
    assert User.objects.fresh().count() == len(users) and asked(emulator) == 2


def test_it_is_forgotten_after_its_time(planhat: Planhat, emulator: Emulator, clock: Clock) -> None:
    User.objects.count()
    clock.time += 3599
    asked(emulator)
    assert User.objects.exists() and asked(emulator) == 0
    clock.time += 2
    assert User.objects.exists() and asked(emulator) == 2


def test_own_writes_drop_it_however_they_are_made(planhat: Planhat, emulator: Emulator) -> None:
    user = User.objects.first()
    assert user is not None

    def save() -> None:
        user.nick_name = "By save"
        user.save()

    def batch() -> None:
        user.nick_name = "By batch"
        with planhat.batch():
            user.save()

    def endpoint() -> None:
        planhat.user.update(user.id, {"nickName": "By endpoint"})

    def bulk() -> None:
        planhat.user.bulk_upsert([{"_id": user.id, "nickName": "By bulk"}])

    for act in (save, batch, endpoint, bulk):
        User.objects.count()
        act()
        assert User.objects.get(user.id).nick_name == f"By {act.__name__}"
    CustomField.objects.count()
    asked(emulator)
    made = CustomField.objects.create(name="Region", type="text", parent="Company", is_hidden=False)
    assert made in list(CustomField.objects.all())
    made.delete()
    assert made not in list(CustomField.objects.all())


def test_a_list_that_a_write_overtook_is_not_kept(planhat: Planhat, emulator: Emulator) -> None:
    user = User.objects.first()
    assert user is not None
    pages = planhat.iterate(planhat.source("api").pages(User.objects.fresh()._query))
    user_id, answers = user.id, []

    def write_once(answer: object) -> None:
        answers.append(answer)
        if len(answers) == 1:
            _write(planhat, user_id)

    planhat.on("response", write_once)
    list(pages)
    assert User.objects.get(user.id).nick_name == "Overtaken"


def _write(planhat: Planhat, id: str) -> None:
    with Planhat(planhat.settings.api_token, api_url=planhat.settings.api_url) as other:
        other.user.update(id, {"nickName": "Overtaken"})
    planhat.cache.wrote("/users")


def test_what_is_handed_out_can_be_edited_without_harm(planhat: Planhat) -> None:
    first = User.objects.all()[0]
    first.teams.append("mine")
    first.nick_name = "Edited"
    row = User.objects.values("teams")[0]
    row["teams"].append("mine")
    again = User.objects.all()[0]
    assert again == first and "mine" not in again.teams and again.nick_name != "Edited"


def test_threads_share_it(planhat: Planhat, emulator: Emulator) -> None:
    User.objects.count()
    asked(emulator)
    with ThreadPoolExecutor(8) as pool:
        assert len({pool.submit(User.objects.using(planhat).count).result() for _ in range(40)}) == 1
    assert asked(emulator) == 0


def test_only_models_and_times_can_be_given(emulator: Emulator) -> None:
    for wrong, match in (
        ({"user": 60}, "takes model classes"),
        ({User: 0}, "positive number"),
        ({User: True}, "positive number"),
    ):
        with pytest.raises(ConfigurationError, match=match):
            Planhat("x", api_url=emulator.url, cache=wrong)  # type: ignore[arg-type]
