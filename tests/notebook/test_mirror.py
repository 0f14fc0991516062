"""Notebooks on a mirror: bars while it syncs, the first rows of querysets with names, records that are short."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from planhat_orm import Company, Count, License, Planhat, Sum, User
from planhat_orm.emulator import Emulator


@pytest.fixture(scope="module")
def emulator() -> Any:
    with Emulator(15, seed=1) as emulator:
        yield emulator


@pytest.fixture
def planhat(emulator: Emulator, tmp_path: Path) -> Any:
    with Planhat(emulator.api_token, api_url=emulator.url, mirror=tmp_path / "planhat.db", read="mirror") as planhat:
        yield planhat


def test_a_queryset_of_a_mirror_shows_its_first_ten_rows_with_names_and_makes_no_request(planhat: Planhat) -> None:
    planhat.sync(Company, License, User)
    calls = planhat.calls
    company = Company.objects.filter(owner_id__isnull=False).first()
    assert company is not None
    html = Company.objects.order_by("name")._repr_html_()
    assert html.count("<tr>") == 11 and "first 10 of 15" in html
    assert "<th>owner</th>" in html and company.owner.nick_name in Company.objects.filter(id=company.id)._repr_html_()
    assert (
        "<th>company</th>" in License.objects.all()._repr_html_() and "0 in all" in License.objects.none()._repr_html_()
    )
    assert Company.objects.values("name")._repr_html_().count("<tr>") == 11
    assert "<th>n</th>" in Company.objects.group_by("phase").annotate(n=Count())._repr_html_()
    assert Company.objects.group_by("phase").annotate(total=Sum("mrr"))._repr_html_().count("<tr>") > 2
    assert planhat.calls == calls


def test_without_the_names_the_ids_are_shown_and_without_the_model_the_plan(planhat: Planhat) -> None:
    planhat.sync(Company)
    assert "<th>owner_id</th>" in Company.objects.all()._repr_html_()
    assert "not fetched" in License.objects.all()._repr_html_()


def test_a_record_shows_a_few_fields_the_changed_ones_first(planhat: Planhat) -> None:
    planhat.sync(Company)
    company = Company.objects.get(external_id="acct-1001")
    company.phase = "Moved"
    company.custom["Tier"] = "Z"
    html = company._repr_html_()
    assert html.count("<tr>") <= 1 + 2 + 15 and "more fields, see to_dict()" in html
    assert html.index("Moved") < html.index("<td>name</td>") and "Z" in html
    assert "None" not in html


def test_progress_is_a_line_a_model_outside_of_notebooks(planhat: Planhat, capsys: pytest.CaptureFixture[str]) -> None:
    planhat.sync(Company, User, progress=True)
    printed = capsys.readouterr()
    assert {line.split()[0] for line in printed.err.splitlines()} >= {"company", "user"} and printed.out == ""
    planhat.sync(Company)
    assert capsys.readouterr().err == ""


def test_progress_is_a_bar_a_model_in_a_notebook(planhat: Planhat, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []

    def display(html: Any, display_id: bool) -> Any:
        drawn.append(html.data)
        return SimpleNamespace(update=lambda html: drawn.append(html.data))

    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=1)))
    pretended = SimpleNamespace(HTML=lambda text: SimpleNamespace(data=text), display=display)
    monkeypatch.setitem(sys.modules, "IPython.display", pretended)
    planhat.sync(Company, User, progress=True)
    assert drawn[-1].count('<progress value="1" max="1">') == drawn[-1].count("<tr>") >= 2
    assert "15 records" in drawn[-1]
