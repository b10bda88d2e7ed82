-- Grain: one file of records that count by file (corrections, exchange rates, provider costs): how many of
-- its rows become known only after as_of.
select load_seq, count(*) as row_count
from {{ source('corrections', 'corrections') }}
where known_at > {{ as_of() }}
group by load_seq
union all
select load_seq, count(*) as row_count
from {{ source('billing_reference', 'exchange_rates') }}
where known_at > {{ as_of() }}
group by load_seq
union all
select load_seq, count(*) as row_count
from {{ source('focus', 'focus_costs') }}
where known_at > {{ as_of() }}
group by load_seq
