-- One row for each customer: its licences, what they come to, and when the first of them ends.
select
    company.id as company_id,
    company.name,
    company.phase,
    count(license.id) as licenses,
    coalesce(sum(license.mrr), 0) as license_mrr,
    min(license.renewal_date) as next_renewal
from {{ ref('stg_company') }} as company
left join {{ ref('stg_license') }} as license on license.company_id = company.id
group by company.id, company.name, company.phase
