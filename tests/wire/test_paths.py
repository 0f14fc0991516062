"""Ids in paths: the forms each resource takes, escaped, never empty."""

from __future__ import annotations

import pytest

from planhat_orm import ValidationError
from planhat_orm.wire.paths import item
from planhat_orm.wire.resources import resource, resources

ALL = (
    "asset campaign company deal enduser invoice license line_item objective opportunity product project sale workspace"
)
FORMS = {
    ("_id", "extid-", "srcid-"): [*ALL.split(), "workspace"],
    ("_id", "srcid-"): ["churn", "issue", "nps", "task"],
    ("_id", "extid-"): ["conversation", "note", "user"],
    ("_id",): ["custom_field", "ticket", "time_entry", "timesheet"],
    (): ["metric", "user_activity", "workflow"],
}


def test_each_resource_takes_the_forms_that_are_documented() -> None:
    assert {name: forms for forms, names in FORMS.items() for name in names} == {
        name: resource.id_forms for name, resource in resources().items()
    }
    for name, element in resources().items():
        for form in ("_id", "extid-", "srcid-"):
            key = "5f0c" if form == "_id" else form + "5f0c"
            if form in element.id_forms:
                assert item(element, key) == f"/{element.path}/{key}"
            else:
                with pytest.raises(ValidationError, match="takes"):
                    item(resource(name), key)


@pytest.mark.parametrize("key", ["", "  ", "extid-", "srcid-", "extid- ", "\n"])
def test_an_empty_id_is_refused(key: str) -> None:
    with pytest.raises(ValidationError, match="is empty"):
        item(resource("company"), key)


@pytest.mark.parametrize("key", [".", ".."])
def test_an_id_that_means_another_place_is_refused(key: str) -> None:
    with pytest.raises(ValidationError, match="is no id"):
        item(resource("company"), key)


@pytest.mark.parametrize("key", [None, 7, b"5f0c", ["5f0c"]])
def test_an_id_is_text(key: object) -> None:
    with pytest.raises(ValidationError, match=r"takes text \(str\)"):
        item(resource("company"), key)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("extid-a/b?c", "/companies/extid-a%2Fb%3Fc"),
        ("extid-é #%", "/companies/extid-%C3%A9%20%23%25"),
        ("extid-../users", "/companies/extid-..%2Fusers"),
        ("extid-srcid-1", "/companies/extid-srcid-1"),
    ],
)
def test_ids_are_escaped(key: str, path: str) -> None:
    assert item(resource("company"), key) == path
