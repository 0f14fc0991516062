"""Neither tokens nor what records hold shows in logs and reprs; tokens in no message, traceback and pickle either."""

from __future__ import annotations

import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from planhat_orm import BulkError, Company, Planhat
from planhat_orm.errors import PlanhatError
from planhat_orm.http.retry import Retry

from ..online import API_TOKEN, TENANT_TOKEN, Online

MARK = "m4rker"
FAULTS: list[dict[str, Any]] = [
    {"kind": "status", "status": 500}, {"kind": "status", "status": 400}, {"kind": "status", "status": 401},
    {"kind": "status", "status": 403}, {"kind": "status", "status": 404}, {"kind": "rate_limit", "retry_after": 9999},
    {"kind": "reset_before"}, {"kind": "reset_after"}, {"kind": "truncated"}, {"kind": "cut_json"}, {"kind": "html"},
    {"kind": "wrong_shape"}, {"kind": "timeout_after", "delay": 5},
]  # fmt: skip


def deeds(planhat: Planhat, id: str) -> dict[str, Callable[[], Any]]:
    row = {"name": MARK, "custom": {MARK: MARK}}
    metric = {"dimensionId": "d", "value": 1, "externalId": MARK}

    def batch() -> None:
        record = Company(id=id)
        record.phase = MARK
        with planhat.batch() as opened:
            opened.add(record)

    return {
        "get": lambda: planhat.company.get_by_id(id),
        "list": lambda: list(planhat.company.get_list()),
        "search": lambda: list(planhat.ticket.get_list(search=MARK)),
        "keyed create": lambda: planhat.company.create({**row, "externalId": f"{MARK}-1"}),
        "keyless create": lambda: planhat.company.create(row),
        "taken create": lambda: planhat.company.create({**row, "sourceId": "taken"}),
        "update": lambda: planhat.company.update(id, row),
        "bulk": lambda: planhat.company.bulk_upsert([{**row, "externalId": "b"}, row], raise_on_error=True),
        "batch": batch,
        "delete": lambda: planhat.company.delete(id),
        "metrics": lambda: planhat.metrics.bulk_insert_metrics([metric]),
        "activity": lambda: planhat.user_activity.create_activity({"email": MARK}),
        "segment": lambda: planhat.user_activity.segment({"type": "track", "userId": MARK}),
    }


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """Everything that any logger says at DEBUG, httpcore's included."""
    texts: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            texts.append(f"{record.name} {record.getMessage()} {record.args!r} {record.exc_text}")

    keep, root = Keep(logging.DEBUG), logging.getLogger()
    names = ["", *(name for name in logging.root.manager.loggerDict if name.split(".")[0] == "httpcore")]
    before = {name: logging.getLogger(name).level for name in names}
    root.addHandler(keep)
    for name in names:
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield texts
    root.removeHandler(keep)
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda one: f"{one['kind']} {one.get('status', '')}")
def test_nothing_shows_under_any_fault(online: Online, logged: list[str], fault: dict[str, Any]) -> None:
    emulator, planhat = online(timeout=0.25, retry=Retry(attempts=2, deadline=600))
    id = emulator.store.insert("company", {"name": "Acme", "sourceId": "taken"})["_id"]
    shown: list[str] = []
    kept: list[bytes] = []
    raised = 0
    for name, deed in deeds(planhat, id).items():
        emulator.faults.clear()
        emulator.faults.add(times=None, **fault)
        try:
            deed()
        except PlanhatError as error:
            raised += 1
            shown += [f"{name}: {error} {error!r}", *traceback.format_exception(error), *_attributes(error)]
            kept.append(pickle.dumps(error))
            assert str(pickle.loads(kept[-1])) == str(error)
    assert raised > 3
    texts = "\n".join([*shown, *logged, repr(planhat), repr(planhat.settings), repr(planhat._session)])
    assert "httpcore" in texts
    for secret in (API_TOKEN, TENANT_TOKEN):
        assert secret not in texts
        assert not any(secret.encode() in entry for entry in kept)
    assert MARK not in texts.replace(f"extid-{MARK}-1", "")  # a message names the path, for whoever reads it
    assert MARK not in "\n".join([*logged, repr(planhat), repr(planhat.settings), repr(planhat._session)])


def _attributes(error: PlanhatError) -> list[str]:
    """What a debugger or a log of `vars()` shows, but `.detail`, which is for code that knows what it may print."""
    shown = {name: value for name, value in vars(error).items() if name not in ("detail", "candidates")}
    return [repr(shown)]


def test_what_the_server_repeats_is_in_the_text_of_an_error_and_in_no_repr_or_log(
    online: Online, logged: list[str]
) -> None:
    emulator, planhat = online()
    emulator.refuse("company", lambda row: f"{MARK} is no name")
    for deed, label in (
        (lambda: planhat.company.create({"name": MARK}), "POST /companies was answered 400"),
        (lambda: planhat.company.bulk_upsert([{"name": MARK, "externalId": "a"}], raise_on_error=True), "Row 0"),
        (lambda: Company.objects.using(planhat).bulk_upsert([{"name": "Acme", "external_id": "a"}]), "Company Acme"),
        (lambda: Company(name=MARK).save(using=planhat), "POST /companies was answered 400"),
    ):
        with pytest.raises(PlanhatError) as raised:
            deed()
        assert f"{MARK} is no name" in str(raised.value) and label in str(raised.value)
        shown = [repr(raised.value), repr(raised.value.args)]
        if isinstance(raised.value, BulkError):
            result = raised.value.result
            outcomes = result.outcomes if hasattr(result, "outcomes") else result.rows
            assert outcomes[0].error == f"{MARK} is no name"
            shown += [repr(outcomes), str(outcomes[0])]
            shown += [] if hasattr(result, "outcomes") else [str(result), repr(result)]
        else:
            assert MARK in raised.value.detail  # type: ignore[attr-defined]
        assert MARK not in "\n".join(shown)
    assert MARK not in "\n".join(line for line in logged if line.startswith("planhat_orm"))


def test_requests_and_responses_show_no_content() -> None:
    from planhat_orm.http.effects import Request, Response

    request = Request("PUT", "/companies", params=(("email", MARK),), body=MARK.encode())
    response = Response(200, {"x": MARK}, MARK.encode(), {"name": MARK})
    assert MARK not in f"{request!r} {response!r}"


def test_a_client_is_not_pickled() -> None:
    with pytest.raises(PlanhatError, match="not pickled"):
        pickle.dumps(Planhat(API_TOKEN))
