"""Jira's issues become Planhat's issues, linked to the companies that a field of theirs names.

    python examples/integrations/jira_issues.py

Run again, it sends nothing. The three lines to change: PAGES (read them from /rest/api/3/search/jql with your account,
page by page while there is a nextPageToken), SITE, and COMPANIES (the field that holds external ids of companies).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from planhat_orm import Issue, Planhat, PlanhatError

PAGES = sorted((Path(__file__).parent / "exports").glob("jira_search_*.json"))
SITE = "https://acme.atlassian.net"
COMPANIES = "customfield_10050"

TAGS = {
    "paragraph": "p", "bulletList": "ul", "orderedList": "ol", "listItem": "li", "blockquote": "blockquote",
    "codeBlock": "pre",
}  # fmt: skip
MARKS = {"strong": "strong", "em": "em", "code": "code"}


def html(node: dict[str, Any]) -> str:
    """A description, which Jira gives as a tree, as HTML. What is not known keeps its text."""
    if node["type"] == "text":
        text = escape(node["text"])
        for mark in node.get("marks", []):
            tag = MARKS.get(mark["type"])
            text = f"<{tag}>{text}</{tag}>" if tag else text
        return text
    inner = "".join(map(html, node.get("content", [])))
    tag = f"h{node['attrs']['level']}" if node["type"] == "heading" else TAGS.get(node["type"])
    return f"<{tag}>{inner}</{tag}>" if tag else inner


def issues(companies: dict[str, str]) -> Iterator[dict[str, Any]]:
    """The issues of all pages, under Planhat's names. An issue keeps its id when it moves, and not its key."""
    for page in PAGES:
        for issue in json.loads(page.read_text("utf-8"))["issues"]:
            fields = issue["fields"]
            yield {
                "source_id": issue["id"],
                "source": "Jira",
                "source_url": f"{SITE}/browse/{issue['key']}",
                "title": fields["summary"],
                "description": html(fields["description"]) if fields["description"] else "",
                "status": fields["status"]["name"],
                "priority": fields["priority"]["name"],
                "company_ids": [companies[key] for key in fields[COMPANIES] or () if key in companies],
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
