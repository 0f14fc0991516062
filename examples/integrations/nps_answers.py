"""Answers to NPS surveys of Delighted, Typeform and SurveyMonkey become Planhat's NPS records, by the answer's id.

    python examples/integrations/nps_answers.py

Run again, it sends nothing. The three lines to change: FOLDER (where your exports are), and QUESTION and REASON (the
columns of your questions).
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from planhat_orm import NPS, Planhat, PlanhatError

FOLDER = Path(__file__).parent / "exports"
QUESTION = "How likely are you to recommend us to a friend or colleague?"
REASON = "What is the main reason for your score?"


def unix(text: str) -> datetime:
    """Delighted's moments: seconds since 1970."""
    return datetime.fromtimestamp(int(text), UTC)


def american(text: str) -> datetime:
    """SurveyMonkey's moments, in UTC."""
    return datetime.strptime(text, "%m/%d/%Y %I:%M:%S %p").replace(tzinfo=UTC)


def iso(text: str) -> datetime:
    """Typeform's moments."""
    return datetime.fromisoformat(text).astimezone(UTC)


# Each tool: its file, and its columns for the id, the score, the comment, the email and the time, and how that is read.
TOOLS: dict[str, tuple[str, tuple[str, str, str, str, str], Callable[[str], datetime]]] = {
    "Delighted": ("delighted.csv", ("id", "score", "comment", "person_email", "created_at"), unix),
    "Typeform": ("typeform.csv", ("#", QUESTION, REASON, "email", "Submit Date (UTC)"), iso),
    "SurveyMonkey": ("surveymonkey.csv", ("Respondent ID", QUESTION, REASON, "Email Address", "End Date"), american),
}


def answers(tool: str) -> Iterator[dict[str, Any]]:
    """The answers of one export, under Planhat's names; those without an email or a score are left out."""
    file, (id, score, comment, email, moment), read = TOOLS[tool]
    with (FOLDER / file).open(encoding="utf-8-sig", newline="") as lines:
        for row in csv.DictReader(lines):
            if row[email].strip() and row[score].strip():
                yield {
                    "source_id": f"{tool.lower()}-{row[id]}",
                    "source": tool,
                    "email": row[email].strip().lower(),
                    "score": int(row[score]),
                    "comment": row[comment].strip(),
                    "date_answered": read(row[moment]),
                }


def main() -> int:
    with Planhat(scan="allow"):
        try:
            for tool in TOOLS:
                plan = NPS.objects.reconcile(list(answers(tool)), key="source_id")
                print(f"{tool}: {plan.summary()}")
                plan.apply()
        except (PlanhatError, OSError) as error:
            print(error)
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
