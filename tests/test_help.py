"""What `help()` shows of a client and of a model, without a request."""

from __future__ import annotations

import pydoc

import pytest

import planhat_orm
from planhat_orm import Company, Custom, Model, Planhat, Ticket
from planhat_orm.models import resources as declared
from planhat_orm.wire.resources import resources

MODELS: list[type[Model]] = [getattr(declared, name) for name in declared.__all__]


class Account(Company):
    tier = Custom("Tier", str)


def shown(thing: object) -> str:
    return pydoc.plain(pydoc.render_doc(thing))


def test_help_of_a_client_lists_each_endpoint_with_its_verbs_needs_keys_and_limits() -> None:
    with Planhat("token", mirror=None) as planhat:
        text = shown(planhat)
        assert planhat.calls == 0
    for resource in resources().values():
        assert f"planhat.{resource.attribute} " in text
    lines = text.splitlines()
    ticket = next(number for number, line in enumerate(lines) if "planhat.ticket " in line)
    assert lines[ticket].endswith("get_list, delete, bulk_upsert")
    assert "needs sourceId, email; needs domains or companyExternalId or companyId; keys sourceId" in lines[ticket + 1]
    assert "pages of at most 10000" in lines[ticket + 1]
    assert "sends 5000 in a request" in text and "docs/README.md" in text


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_help_of_a_model_lists_its_fields_and_relations(model: type[Model]) -> None:
    text = model.__doc__ or ""
    for name in (*model._meta.fields, *model._meta.relations):
        assert any(line.startswith(f"  {name} ") for line in text.splitlines()), name


def test_help_says_what_is_needed_what_is_read_only_and_what_it_is_found_by() -> None:
    text = shown(Company)
    assert "Found by id, source_id, external_id" in text and "new: Company(name=...).save()" in text
    assert "text, needed" in text and "number, read only" in text and "many Enduser" in text
    assert "Ticket(source_id=..., email=...).save()" in shown(Ticket)


def test_help_of_a_class_of_ones_own_lists_its_custom_fields() -> None:
    text = shown(Account)
    assert "Custom fields:" in text and "tier  text  Tier" in text


def test_the_first_paragraph_of_a_docstring_stays_the_sentence_that_is_written() -> None:
    assert (Company.__doc__ or "").startswith("A customer account.")
    assert (planhat_orm.Planhat.__doc__ or "").startswith("A connection to Planhat.")
