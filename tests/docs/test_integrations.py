"""Every integration runs twice against an emulated tenant: the second run sends nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from planhat_orm.emulator import Emulator

from .pages import ROOT, links

SCRIPTS = sorted((ROOT / "examples" / "integrations").glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_second_run_sends_nothing(script: Path, tenant: Emulator, tmp_path: Path) -> None:
    writes = []
    for _ in range(2):
        tenant.log.clear()
        done = subprocess.run(
            [sys.executable, "-W", "error", str(script)], cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr
        writes.append(sum(call.rows for call in tenant.log if call.method != "GET"))
    assert writes[0] > 0 and writes[1] == 0


def test_a_cancelled_event_loses_its_task(tenant: Emulator, tmp_path: Path) -> None:
    script = next(path for path in SCRIPTS if path.name == "calendar_events.py")
    company = tenant.store.all("company")[0]["_id"]
    gone = {"sourceId": "7k2q7r8s9t0u1v2w3x4y5z6a7e", "action": "Off", "companyId": company, "mainType": "event"}
    id = tenant.store.insert("task", gone)["_id"]
    subprocess.run([sys.executable, str(script)], cwd=tmp_path, check=True, capture_output=True)
    assert tenant.store.get("task", id) is None


def test_a_description_of_jira_is_html_with_its_text_escaped(tenant: Emulator, tmp_path: Path) -> None:
    script = next(path for path in SCRIPTS if path.name == "jira_issues.py")
    subprocess.run([sys.executable, str(script)], cwd=tmp_path, check=True, capture_output=True)
    issue = next(issue for issue in tenant.store.all("issue") if issue.get("sourceId") == "10002")
    assert issue["description"].startswith("<p>Seen since <strong>2.4 &amp; later</strong></p><ul><li>")
    assert len(issue["companyIds"]) == 2


def test_ideas_of_aha_name_their_companies_and_others_are_left_out(tenant: Emulator, tmp_path: Path) -> None:
    script = next(path for path in SCRIPTS if path.name == "aha_ideas.py")
    subprocess.run([sys.executable, str(script)], cwd=tmp_path, check=True, capture_output=True)
    ideas = {issue["title"]: issue for issue in tenant.store.all("issue") if issue.get("source") == "Aha!"}
    assert sorted(ideas) == ["APP-I-12 Export of dashboards as PDF", "OPS-I-4 Single sign-on with Okta"]
    assert [len(issue["companyIds"]) for issue in ideas.values()] == [2, 2]
    assert sorted(issue["status"] for issue in ideas.values()) == ["In Progress", "Open"]


def test_scripts_say_what_to_change_and_are_listed() -> None:
    listed = set(links(ROOT / "docs" / "how-to" / "integrations.md"))
    for script in SCRIPTS:
        text = script.read_text("utf-8")
        assert "The three lines to change" in text.split('"""')[1], script.name
        assert f"../../examples/integrations/{script.name}" in listed
