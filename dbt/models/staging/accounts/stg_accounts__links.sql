-- precedence: a metadata key beats the project, the project beats the provider's account.
select
    links.provider,
    links.match_key,
    links.match_value,
    links.account_id,
    coalesce(links.valid_from, timestamptz '-infinity') as valid_from,
    coalesce(links.valid_to, timestamptz 'infinity') as valid_to,
    case
        when links.match_key like 'metadata:%' then 1
        when links.match_key = 'project' then 2
        else 3
    end as precedence,
    case when links.match_key like 'metadata:%' then substr(links.match_key, 10) end as metadata_key
from {{ source('accounts', 'account_links') }} as links
inner join {{ ref('stg_landing__loads') }} as loads using (load_seq)
where loads.is_current
