-- The rows as they are now: the last one of each id, without those of records that are gone.
select * exclude (_deleted, _export)
from (
    select *
    from {{ source('planhat', 'license') }}
    qualify row_number() over (partition by id order by _export desc) = 1
)
where not _deleted
