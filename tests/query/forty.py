"""Forty questions that are asked every week: in Python, on the command line, and in SQL written by hand (for SQLite).

Everything is asked as of `NOW`. `C` is `Company.objects`, and so on; without a model the command is about Company.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Question:
    text: str
    python: str
    command: str
    sql: str


def _later(span: str) -> str:
    return f"strftime('%Y-%m-%dT%H:%M:%fZ', '2026-06-01 12:00:00', '{span}')"


def _missing(column: str, wire: str) -> str:
    """A value that does not fit its column is in `_extra`, and not missing."""
    return f"c.{column} is null and c._extra ->> '{wire}' is null"


_TREES = (
    "with recursive below(top, id) as (select id, id from company union "
    "select below.top, c.id from below join company c on c.parent_id = below.id)"
)
_COMPANY = "select c.id from company c where"

QUESTIONS = [
    Question(
        "Ada's customers, largest first",
        'C.filter(owner__email="ada@vendor.example").order_by("-mrr")',
        "\"owner.email='ada@vendor.example'\" --order -mrr",
        "select c.id from company c join user u on u.id = c.owner_id where u.email = 'ada@vendor.example' "
        "order by c.mrr desc, c.id",
    ),
    Question(
        "MRR by owner",
        'C.group_by("owner").annotate(s=Sum("mrr"))',
        "--by owner --sum mrr",
        "select g.owner_id, u.nick_name, g.s from (select owner_id, sum(mrr) as s from company group by 1) g "
        "left join user u on u.id = g.owner_id order by 1 nulls last",
    ),
    Question(
        "Owners over 150,000",
        'C.group_by("owner").annotate(s=Sum("arr")).filter(s__gt=150000)',
        '--by owner --sum arr --having "sum_arr>150000"',
        "select g.owner_id, u.nick_name, g.s from (select owner_id, sum(arr) as s from company group by 1) g "
        "left join user u on u.id = g.owner_id where g.s > 150000 order by 1",
    ),
    Question(
        "Companies by tier and phase",
        'C.group_by("custom.Tier", "phase").annotate(n=Count())',
        "--by custom.Tier,phase --count",
        "select custom ->> '$.Tier' as tier, phase, count(*) from company group by 1, 2 "
        "order by tier is null, tier, phase is null, phase",
    ),
    Question("Without a source", "C.filter(source_id=None)", '"source_id is missing"', f"{_COMPANY} {_missing('source_id', 'sourceId')} order by 1"),
    Question(
        "Companies by tag",
        'C.group_by("tags").annotate(n=Count())',
        "--by tags --count",
        "select value, count(*) from (select distinct c.id, j.value from company c left join json_each(c.tags) j on 1) "
        "group by 1 order by 1 nulls last",
    ),
    Question(
        "Renewals in the next 60 days",
        "C.filter(renewal_date__range=(now(), days(60)))",
        '"renewal_date between now and +60d"',
        f"{_COMPANY} c.renewal_date between '2026-06-01T12:00:00.000Z' and {_later('+60 days')} order by 1",
    ),
    Question(
        "ARR by month of renewal",
        'C.group_by(m=Trunc("renewal_date", "month")).annotate(s=Sum("arr"))',
        "--by \"m:trunc(renewal_date,'month')\" --sum arr",
        "select substr(renewal_date, 1, 7) || '-01', sum(arr) from company group by 1 order by 1 nulls last",
    ),
    Question(
        "Weak, and renewing by the end of next quarter",
        "C.filter(renewal_date__date__lt=quarter_start(2), h__lt=5)",
        '"renewal_date<quarter_start+2q and h<5"',
        f"{_COMPANY} c.renewal_date < '2026-10-01' and c.h < 5 order by 1",
    ),
    Question(
        "Licences of a fixed length over 1,000",
        "L.filter(fixed_period=True, mrr__gt=1000)",
        'License "fixed_period and mrr>1000"',
        "select id from license where fixed_period and mrr > 1000 order by 1",
    ),
    Question(
        "Large, and no automatic renewal",
        "C.filter(arr__gt=20000).exclude(auto_renews=True)",
        '"arr>20000 and not auto_renews"',
        f"{_COMPANY} c.arr > 20000 and c.auto_renews is not 1 order by 1",
    ),
    Question(
        "Two products or more",
        'C.annotate(n=Count("licenses__product", distinct=True)).filter(n__gte=2)',
        '"distinct(licenses.product)>=2"',
        f"{_COMPANY} (select count(distinct l.product) from license l where l.company_id = c.id) >= 2 order by 1",
    ),
    Question(
        "Shrinking at renewal",
        'C.filter(F("renewal_mrr") < F("mrr") * 0.9)',
        '"renewal_mrr<mrr*0.9"',
        f"{_COMPANY} c.renewal_mrr < c.mrr * 0.9 order by 1",
    ),
    Question(
        "MRR of each group",
        'C.filter(parent=None).annotate(s=Sum("tree__mrr"))',
        '"parent is missing" --columns "name,s:sum(tree.mrr)"',
        f"{_TREES} select c.name, sum(b.mrr) from company c join below on below.top = c.id "
        "join company b on b.id = below.id where c.parent_id is null group by c.id order by c.id",
    ),
    Question(
        "Tagged as at risk",
        'C.filter(tags__contains="At risk")',
        "\"tags contains 'At risk'\"",
        f"{_COMPANY} exists (select 1 from json_each(c.tags) where value = 'At risk') order by 1",
    ),
    Question(
        "Health by phase",
        'C.group_by("phase").annotate(a=Avg("h"))',
        "--by phase --avg h",
        "select phase, avg(h) from company group by 1 order by 1 nulls last",
    ),
    Question(
        "Healthier than the CSM thinks",
        'C.filter(F("h") - F("csm_score") * 2 >= 4)',
        '"h-csm_score*2>=4"',
        f"{_COMPANY} c.h - c.csm_score * 2 >= 4 order by 1",
    ),
    Question(
        "No touch in 10 days",
        'C.filter(~Exists("conversations", date__gt=days(-10)))',
        '"not conversations[date>-10d]"',
        f"{_COMPANY} not exists (select 1 from conversation v where v.company_id = c.id "
        f"and v.date > {_later('-10 days')}) order by 1",
    ),
    Question(
        "Last touch of each",
        'C.annotate(t=Max("conversations__date"))',
        '--columns "name,t:max(conversations.date)"',
        "select c.name, (select max(v.date) from conversation v where v.company_id = c.id) from company c order by c.id",
    ),
    Question(
        "Touches since last month, by type",
        'V.filter(date__date__gte=month_start(-1)).group_by("type").annotate(n=Count())',
        'Conversation "date>=month_start-1mo" --by type --count',
        "select type, count(*) from conversation where date >= '2026-05-01' group by 1 order by 1 nulls last",
    ),
    Question(
        "Customers with nothing planned",
        'C.filter(next_touch_date=None, status="customer")',
        '"next_touch_date is missing and status=customer"',
        f"{_COMPANY} c.status = 'customer' and {_missing('next_touch_date', 'nextTouchDate')} order by 1",
    ),
    Question(
        "NPS by year",
        'P.group_by("date_answered__year").annotate(a=Avg("score"))',
        'NPS --by "year(date_answered)" --avg score',
        "select cast(substr(date_answered, 1, 4) as integer), avg(score) from nps group by 1 order by 1 nulls last",
    ),
    Question(
        "Detractors that renew in 90 days",
        "C.filter(nps_answers__score__lte=6, renewal_date__lt=days(90))",
        '"nps_answers[score<=6] and renewal_date<+90d"',
        f"{_COMPANY} c.renewal_date < {_later('+90 days')} "
        "and exists (select 1 from nps n where n.c_id = c.id and n.score <= 6) order by 1",
    ),
    Question(
        "Never answered",
        "C.filter(nps_answers=None)",
        '"nps_answers is missing"',
        f"{_COMPANY} c.id not in (select c_id from nps where c_id is not null) order by 1",
    ),
    Question(
        "Most open tickets",
        'C.annotate(n=Count("tickets", filter=Q(tickets__status="open"))).order_by("-n")',
        "--columns \"name,n:count(tickets[status='open'])\" --order -n",
        "select c.name, (select count(*) from ticket t where t.company_id = c.id and t.status = 'open') as n "
        "from company c order by n desc, c.id",
    ),
    Question(
        "An open ticket of low severity",
        'C.filter(tickets__status="open", tickets__severity="low")',
        "\"tickets[status='open' and severity='low']\"",
        f"{_COMPANY} exists (select 1 from ticket t where t.company_id = c.id and t.status = 'open' "
        "and t.severity = 'low') order by 1",
    ),
    Question(
        "Tickets by status",
        'T.group_by("status").annotate(n=Count())',
        "Ticket --by status --count",
        "select status, count(*) from ticket group by 1 order by 1 nulls last",
    ),
    Question(
        "Overdue tasks by owner",
        'K.filter(end_time__lt=now()).group_by("owner").annotate(n=Count())',
        'Task "end_time<now" --by owner --count',
        "select g.owner_id, u.nick_name, g.n from (select owner_id, count(*) as n from task where is_archived is not 1 "
        "and end_time < '2026-06-01T12:00:00.000Z' group by 1) g left join user u on u.id = g.owner_id "
        "order by 1 nulls last",
    ),
    Question(
        "No task ahead",
        'C.filter(~Exists("tasks", end_time__gt=now()))',
        '"not tasks[end_time>now]"',
        f"{_COMPANY} not exists (select 1 from task k where k.company_id = c.id and k.is_archived is not 1 "
        "and k.end_time > '2026-06-01T12:00:00.000Z') order by 1",
    ),
    Question(
        "Open tickets of low severity in daughters",
        'C.filter(Exists("descendants__tickets", status="open", severity="low"))',
        "\"descendants.tickets[status='open' and severity='low']\"",
        f"{_TREES} {_COMPANY} exists (select 1 from below join ticket t on t.company_id = below.id where below.top = c.id "
        "and below.id <> c.id and t.status = 'open' and t.severity = 'low') order by 1",
    ),
    Question(
        "Contacts of each",
        'C.annotate(n=Count("endusers"))',
        '--columns "name,n:count(endusers)"',
        "select c.name, (select count(*) from enduser e where e.company_id = c.id and e.archived is not 1) "
        "from company c order by c.id",
    ),
    Question(
        "No main contact",
        'C.filter(~Exists("endusers", primary=True))',
        '"not endusers[primary]"',
        f"{_COMPANY} not exists (select 1 from enduser e where e.company_id = c.id and e.\"primary\" = 1 "
        "and e.archived is not 1) order by 1",
    ),
    Question(
        "Pipeline by status",
        'O.group_by("status").annotate(s=Sum("arr"))',
        "Opportunity --by status --sum arr",
        "select status, sum(arr) from opportunity group by 1 order by 1 nulls last",
    ),
    Question(
        "A large Platform licence without a Support licence over 50",
        'C.filter(Exists("licenses", product="Platform", mrr__gte=1000), ~Exists("licenses", product="Support", mrr__gt=50))',
        "\"licenses[product='Platform' and mrr>=1000] and not licenses[product='Support' and mrr>50]\"",
        f"{_COMPANY} c.id in (select company_id from license where product = 'Platform' and mrr >= 1000) "
        "and c.id not in (select company_id from license where product = 'Support' and mrr > 50) order by 1",
    ),
    Question(
        "Churn by reason",
        'H.group_by("reasons").annotate(s=Sum("value"))',
        "Churn --by reasons --sum value",
        "select j.value, sum(distinct_.value) from churn distinct_ left join json_each(distinct_.reasons) j on 1 "
        "group by 1 order by 1 nulls last",
    ),
    Question(
        "Churn of one year",
        'H.filter(churn_date__gt=years(-1)).aggregate(s=Sum("value"))',
        'Churn "churn_date>-1y" --sum value',
        f"select sum(value) from churn where churn_date > {_later('-1 year')}",
    ),
    Question(
        "Tags of more than 20 companies",
        'C.group_by("tags").annotate(n=Count()).filter(n__gt=20, tags__isnull=False)',
        '--by tags --count --having "count>20 and tags is not missing"',
        "select j.value, count(*) from company c join json_each(c.tags) j group by 1 having count(*) > 20 order by 1",
    ),
    Question(
        "ARR far above eleven months of MRR",
        'C.filter(F("arr") - F("mrr") * 11 > 2000)',
        '"arr-mrr*11>2000"',
        f"{_COMPANY} c.arr - c.mrr * 11 > 2000 order by 1",
    ),
    Question(
        "Tickets of high severity by the owner of the company",
        'T.filter(severity="high").group_by("company__owner__nick_name").annotate(n=Count())',
        "Ticket \"severity='high'\" --by company.owner.nick_name --count",
        "select u.nick_name, count(*) from ticket t left join company c on c.id = t.company_id "
        "left join user u on u.id = c.owner_id where t.severity = 'high' group by 1 order by 1 nulls last",
    ),
    Question(
        "Licences of tier A that renew within a quarter",
        'L.filter(company__custom__Tier="A", renewal_date__lt=quarters(1)).order_by("renewal_date")',
        "License \"company.custom.Tier='A' and renewal_date<+1q\" --order renewal_date",
        "select l.id from license l join company c on c.id = l.company_id where c.custom ->> '$.Tier' = 'A' "
        f"and l.renewal_date < {_later('+3 months')} order by l.renewal_date, l.id",
    ),
]  # fmt: skip
