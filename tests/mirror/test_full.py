"""The full pass: complete, resumable, sound about deletions, whatever the server is like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from planhat_orm.emulator import Emulator, Switches
from planhat_orm.errors import BadAnswer, MirrorIncomplete
from planhat_orm.http.effects import Emit, Request, Start
from planhat_orm.mirror import Mirror, Progress
from planhat_orm.query.query import Query

from .conftest import Runner, assert_equal, mirror_rows

MAIN = ("company", "enduser", "license", "conversation", "task", "user")


def companies(emulator: Emulator, count: int, **fields: Any) -> list[str]:
    return [emulator.store.insert("company", {"name": f"C{n}", **fields})["_id"] for n in range(count)]


def test_a_first_sync_holds_what_the_server_holds(make_emulator: Callable[..., Emulator], mirror: Mirror) -> None:
    emulator = make_emulator(companies=40)
    run = Runner(emulator.url)
    report = run(mirror.sync())
    assert report.requests == emulator.calls == run.session.calls
    assert report.skipped == {}
    assert_equal(mirror, emulator, *MAIN, "invoice", "issue", "nps", "ticket", "timesheet", "sale")
    assert {page.model for page in run.emitted if isinstance(page, Progress)} == set(report.models)
    again = run(mirror.sync(full=True))
    assert (again.new, again.changed, again.deleted) == (0, 0, 0) and again.unchanged == report.new


def test_an_unchanged_model_costs_one_page_and_its_proof(
    make_emulator: Callable[..., Emulator], mirror: Mirror
) -> None:
    emulator = make_emulator()
    companies(emulator, 30)
    run = Runner(emulator.url)
    assert run(mirror.sync("Company"))["company"].requests == 2


def test_changes_deletions_and_new_records_are_told_apart(
    make_emulator: Callable[..., Emulator], mirror: Mirror
) -> None:
    emulator = make_emulator(page_cap=7)
    ids = companies(emulator, 30)
    run = Runner(emulator.url)
    run(mirror.sync("Company"))
    emulator.store.update("company", ids[3], {"phase": "Live"})
    for id in (ids[0], ids[12], ids[29]):
        emulator.store.delete("company", id)
    companies(emulator, 2)
    found = run(mirror.sync("Company", full=True))["company"]
    assert (found.new, found.changed, found.deleted, found.unchanged) == (2, 1, 3, 26)
    assert_equal(mirror, emulator, "company")


@pytest.mark.parametrize("cap", [1, 2, 29, 30])
def test_a_cap_below_the_limit_loses_nothing(make_emulator: Callable[..., Emulator], mirror: Mirror, cap: int) -> None:
    emulator = make_emulator(page_cap=cap)
    companies(emulator, 30)
    Runner(emulator.url)(mirror.sync("Company"))
    assert_equal(mirror, emulator, "company")


@pytest.mark.parametrize("order", ["newest", "random"])
@pytest.mark.parametrize("sort", ["ignored", "lies"])
def test_a_server_that_does_not_sort_is_read_all_the_same(
    make_emulator: Callable[..., Emulator], mirror: Mirror, sort: Any, order: Any
) -> None:
    emulator = make_emulator(switches=Switches(sort=sort, default_order=order), page_cap=8)
    ids = companies(emulator, 30)
    run = Runner(emulator.url)
    run(mirror.sync("Company"))
    assert_equal(mirror, emulator, "company")
    emulator.store.delete("company", ids[11])
    run(mirror.sync("Company", full=True))
    assert_equal(mirror, emulator, "company")


def test_a_server_that_ignores_the_offset_is_named_where_rows_are_lost(
    make_emulator: Callable[..., Emulator], mirror: Mirror, run: Runner
) -> None:
    emulator = make_emulator(switches=Switches(honours_offset=False), page_cap=10)
    companies(emulator, 30)
    with pytest.raises(BadAnswer, match="ignores the offset"):
        Runner(emulator.url)(mirror.sync("Company"))
    with pytest.raises(MirrorIncomplete):
        run.rows(mirror.source.pages(Query("company")))


def test_a_server_that_ignores_the_offset_but_gives_all_is_fine(
    make_emulator: Callable[..., Emulator], mirror: Mirror
) -> None:
    emulator = make_emulator(switches=Switches(honours_offset=False))
    companies(emulator, 30)
    Runner(emulator.url)(mirror.sync("Company"))
    assert_equal(mirror, emulator, "company")


@pytest.mark.parametrize("archived", ["include", "only"])
def test_archived_records_are_mirrored_and_hidden(
    make_emulator: Callable[..., Emulator], mirror: Mirror, archived: Any, run: Runner
) -> None:
    emulator = make_emulator(switches=Switches(task_archived=archived), page_cap=4)
    [company] = companies(emulator, 1)
    tasks = [
        emulator.store.insert("task", {"action": f"T{n}", "companyId": company, "isArchived": n % 3 == 0})["_id"]
        for n in range(20)
    ]
    online = Runner(emulator.url)
    online(mirror.sync("Task"))
    assert_equal(mirror, emulator, "task")
    shown = run.rows(mirror.source.pages(Query("task")))
    assert {row["_id"] for row in shown} == {id for n, id in enumerate(tasks) if n % 3}
    emulator.store.delete("task", tasks[0])
    emulator.store.delete("task", tasks[1])
    emulator.store.update("task", tasks[2], {"isArchived": True})
    report = online(mirror.sync("Task", full=True))
    assert report.deleted == 2
    assert_equal(mirror, emulator, "task")


@pytest.mark.parametrize("is_cut_off", (False, True))
def test_a_record_that_both_lists_show_is_as_the_second_one_shows_it(
    make_emulator: Callable[..., Emulator], mirror: Mirror, is_cut_off: bool
) -> None:
    emulator = make_emulator(switches=Switches(task_archived="only"), page_cap=4)
    [company] = companies(emulator, 1)
    ids = [
        emulator.store.insert("task", {"action": f"T{n}", "companyId": company, "isArchived": n < 3})["_id"]
        for n in range(6)
    ]
    online = Runner(emulator.url)
    online(mirror.sync("Task"))
    emulator.store.update("task", ids[0], {"action": "renamed"})
    requests = 0

    def move() -> None:
        nonlocal requests
        requests += 1
        if requests == 3:  # the first list took two
            emulator.store.update("task", ids[0], {"isArchived": False})

    if is_cut_off:
        assert interrupted(online, mirror.sync("Task", full=True), 2, move)
    assert not interrupted(online, mirror.sync("Task", full=True), 500, move)
    assert_equal(mirror, emulator, "task")


def test_a_model_without_permission_is_skipped_and_named(
    make_emulator: Callable[..., Emulator], mirror: Mirror
) -> None:
    emulator = make_emulator(companies=3)
    emulator.faults.add(kind="status", path="/invoices", status=403, times=None)
    emulator.faults.add(kind="status", path="/projects", status=404, times=None)
    report = Runner(emulator.url)(mirror.sync())
    assert report.skipped == {"invoice": "no permission (403)", "project": "not in this tenant (404)"}
    assert "no permission" in str(report) and "no permission" in report._repr_html_()
    assert_equal(mirror, emulator, *MAIN)


class Stop(Exception):
    """A sync is cut off."""


def interrupted(run: Runner, flow: Any, requests: int, between: Callable[[], None] = lambda: None) -> bool:
    """Run a flow and cut it off before request number `requests`; tell whether it was."""
    answer: Any = None
    error: Exception | None = None
    try:
        while True:
            effect = flow.send(answer) if error is None else flow.throw(error)
            answer = error = None
            if isinstance(effect, (Request, Start)):
                requests -= 1
                if requests < 0:
                    return True
                between()
            if not isinstance(effect, Emit):
                try:
                    answer = run.driver._perform(effect)
                except Exception as failure:
                    error = failure
    except StopIteration:
        return False
    finally:
        flow.close()


@pytest.mark.parametrize("page", (1, 3, 5))
def test_an_interrupted_first_sync_goes_on_where_it_stopped(
    make_emulator: Callable[..., Emulator], mirror: Mirror, page: int, run: Runner
) -> None:
    emulator = make_emulator(page_cap=5)
    companies(emulator, 24)
    online = Runner(emulator.url)
    assert interrupted(online, mirror.sync("Company"), page)
    with pytest.raises(MirrorIncomplete):
        run.rows(mirror.source.pages(Query("company")))
    online(mirror.sync("Company"))
    assert_equal(mirror, emulator, "company")
    # What changed while nobody looked is read by the stamps; the pages themselves are what must not come twice.
    in_two = [call.query["sort"] for call in emulator.log].count("_id")
    emulator.log.clear()
    with Mirror(f"{mirror.where}.whole") as whole:
        online(whole.sync("Company"))
    in_one = [call.query["sort"] for call in emulator.log].count("_id")
    assert in_two <= in_one + 1


@pytest.mark.parametrize("page", (1, 3, 5))
def test_an_interrupted_resync_shows_no_change_and_deletes_nothing(
    make_emulator: Callable[..., Emulator], mirror: Mirror, page: int
) -> None:
    emulator = make_emulator(page_cap=5)
    ids = companies(emulator, 24)
    online = Runner(emulator.url)
    online(mirror.sync("Company"))
    before = mirror_rows(mirror, "company")
    for id in ids[::2]:
        emulator.store.delete("company", id)
    for id in ids[1::2]:
        emulator.store.update("company", id, {"phase": "Live"})
    cut = interrupted(online, mirror.sync("Company", full=True), page)
    if cut:
        assert mirror_rows(mirror, "company") == before
    online(mirror.sync("Company", full=True))
    assert_equal(mirror, emulator, "company")


@pytest.mark.parametrize("forced", (True, False))
def test_a_full_sync_mends_also_what_was_changed_behind_a_pass_that_was_cut_off(
    make_emulator: Callable[..., Emulator], mirror: Mirror, forced: bool
) -> None:
    emulator = make_emulator(page_cap=5)
    ids = companies(emulator, 24)
    online = Runner(emulator.url)
    online(mirror.sync("Company"))
    assert interrupted(online, mirror.sync("Company", full=forced), 3)
    with mirror.database.writing() as connection:
        connection.exec_driver_sql(f"UPDATE company SET name = 'another' WHERE id = '{ids[0]}'")
    for cut in (0, 1, None):  # and however often it is cut off
        if cut is None:
            online(mirror.sync("Company", full=True))
        else:
            assert interrupted(online, mirror.sync("Company", full=True), cut)
    assert_equal(mirror, emulator, "company")


@pytest.mark.parametrize("count", (1, 2, 30))
def test_a_pass_goes_on_although_all_that_it_read_is_gone_and_other_records_came(
    make_emulator: Callable[..., Emulator], mirror: Mirror, count: int
) -> None:
    emulator = make_emulator()
    ids = companies(emulator, count)
    online = Runner(emulator.url)
    steps = online.driver.iterate(mirror.sync("Company"))
    assert any(event.phase == "reading" for event in steps)
    steps.close()
    for id in ids:
        emulator.store.delete("company", id)
    companies(emulator, 1)
    online(mirror.sync("Company"))
    online(mirror.sync("Company"))
    assert_equal(mirror, emulator, "company")


def test_records_that_vanish_between_pages_take_no_others_with_them(
    make_emulator: Callable[..., Emulator], mirror: Mirror
) -> None:
    emulator = make_emulator(page_cap=10)
    ids = companies(emulator, 100)
    online = Runner(emulator.url)
    online(mirror.sync("Company"))
    doomed = iter(ids[:40])

    def delete() -> None:
        for _ in range(6):
            id = next(doomed, None)
            if id is not None:
                emulator.store.delete("company", id)

    assert not interrupted(online, mirror.sync("Company", full=True), 500, delete)
    alive = set(ids[40:])
    assert alive <= mirror_rows(mirror, "company").keys()
    online(mirror.sync("Company", full=True))
    assert_equal(mirror, emulator, "company")
