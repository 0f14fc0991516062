"""Questions to start from, as Datasette's canned queries. Each is kept where the views that it reads are there."""

from __future__ import annotations

import re
from collections.abc import Set
from typing import Any

_WRITTEN = {
    "renewals_at_risk": (
        "Renewals that are near, at customers of poor health",
        """select c.name as company_name, l.company_id, c.owner_name, c.h, l.product, l.mrr,
  date(l.renewal_date) as renewal_date
from v_license l join v_company c on c.id = l.company_id
where l.renewal_status = 'ongoing' and c.h <= cast(coalesce(nullif(:health, ''), 3) as integer)
  and date(l.renewal_date) between date('now') and date('now', '+' || coalesce(nullif(:days, ''), 90) || ' days')
order by l.mrr desc""",
    ),
    "mrr_by_owner": (
        "Customers and MRR of each owner",
        """select owner_id, owner_name, count(*) as customers, sum(mrr) as mrr, round(avg(h), 1) as health
from v_company where status = 'customer' group by owner_id, owner_name order by mrr desc""",
    ),
    "customers_without_a_touch": (
        "Customers without a touch in so many days, the largest first",
        """select id as company_id, name as company_name, owner_name, mrr, date(last_touch) as last_touch
from v_company
where status = 'customer'
  and (last_touch is null or date(last_touch) < date('now', '-' || coalesce(nullif(:days, ''), 60) || ' days'))
order by mrr desc""",
    ),
    "open_tickets_by_company": (
        "Companies by their open tickets",
        """select t.company_id, c.name as company_name, c.owner_name, count(*) as open_tickets
from v_ticket t left join v_company c on c.id = t.company_id
where lower(coalesce(t.status, '')) not in ('closed', 'solved', 'done')
group by t.company_id, c.name, c.owner_name order by open_tickets desc""",
    ),
    "nps_by_month": (
        "Answers and NPS of each month",
        """select substr(date_answered, 1, 7) as month, count(*) as answers,
  round(100.0 * sum((score >= 9) - (score <= 6)) / count(*), 1) as nps
from v_nps where score is not null and date_answered is not null group by month order by month desc""",
    ),
    "latest_changes": (
        "What the mirror saw change, the latest first",
        """select datetime(c.at / 1000000, 'unixepoch') as seen, c.resource as model, n.id, c.kind,
  case c.origin when 'mine' then 'your own write' else 'in Planhat' end as whose
from mirror_change c join mirror_name n on n.rid = c.rid order by c.seq desc limit 200""",
    ),
}
_OF_A_COMPANY = (
    ("enduser", "name"), ("license", "product"), ("opportunity", "title"), ("deal", "name"),
    ("conversation", "subject"), ("task", "action"), ("ticket", "subject"), ("asset", "name"), ("project", "name"),
)  # fmt: skip
COMPANY = "records_of_a_company"


def questions(views: Set[str]) -> dict[str, Any]:
    """The questions that these views can answer, by name."""
    asked = {
        name: {"title": title, "sql": sql}
        for name, (title, sql) in _WRITTEN.items()
        if set(re.findall(r"\bv_\w+", sql)) <= views
    }
    parts = [
        f"select '{table}' as model, id, {label} as name from v_{table} where company_id = :company_id"
        for table, label in _OF_A_COMPANY
        if f"v_{table}" in views
    ]
    if parts:
        sql = "\nunion all\n".join(parts) + "\norder by model, name"
        asked[COMPANY] = {"title": "Everything that belongs to a company", "sql": sql}
    return asked
