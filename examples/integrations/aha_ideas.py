"""Aha!'s ideas become Planhat's issues, linked to the companies that a custom field of theirs names.

    python examples/integrations/aha_ideas.py

Run again, it sends nothing. The three lines to change: PAGES (read them from /api/v1/ideas?fields=*&page=1 with your
account, up to `total_pages` of the answer's `pagination`), COMPANIES (the key of the custom field that holds external
ids of companies), and STATUSES (Planhat's word for each status of your workflow; others keep their name).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from planhat_orm import Issue, Planhat, PlanhatError

PAGES = sorted((Path(__file__).parent / "exports").glob("aha_ideas_*.json"))
COMPANIES = "accounts"
STATUSES = {"Needs review": "Open", "Planned": "In Progress", "Shipped": "Done", "Will not implement": "Done"}


def accounts(idea: dict[str, Any]) -> list[str]:
    """The external ids in the custom field: a list where its type is tags, else a text with commas."""
    for field in idea["custom_fields"]:
        if field["key"] == COMPANIES:
            value = field["value"] or []
            return [key.strip() for key in (value.split(",") if isinstance(value, str) else value)]
    return []


def issues(companies: dict[str, str]) -> Iterator[dict[str, Any]]:
    """The ideas of all pages, under Planhat's names. An idea keeps its id when it moves, and not its reference.

    One that was merged into another is left out, as its votes are that one's; so is one that names no company of
    Planhat's, as an issue belongs to one.
    """
    for page in PAGES:
        for idea in json.loads(page.read_text("utf-8"))["ideas"]:
            ids = [companies[key] for key in accounts(idea) if key in companies]
            if idea.get("duplicate_of") or not ids:
                continue
            status = idea["workflow_status"]["name"]
            yield {
                "source_id": idea["id"],
                "source": "Aha!",
                "source_url": idea["url"],
                "title": f"{idea['reference_num']} {idea['name']}",
                "description": idea["description"]["body"],
                "status": STATUSES.get(status, status),
                "company_ids": ids,
            }


def main() -> int:
    with Planhat(scan="allow") as planhat:
        try:
            lean = planhat.company.get_lean_list()
            companies = {row["externalId"]: row["_id"] for row in lean if row.get("externalId")}
            plan = Issue.objects.reconcile(list(issues(companies)), key="source_id")
            print(plan.summary())
            plan.apply()
        except (PlanhatError, OSError) as error:
            print(error)
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
