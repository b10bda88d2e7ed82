{{ config(materialized='table') }}
-- Grain: one account reference and stretch of time (half-open, together all time): whose it is.
-- Order of precedence: the reference is itself an account id, then a metadata link, a project link, a
-- link of the provider's account; among equals the link that began last. Nobody's: 'unattributed'.
with

-- A link to nobody on the list of accounts leads nowhere.
links as (
    select links.*
    from {{ ref('stg_accounts__links') }} as links
    semi join {{ ref('stg_accounts__accounts') }} as accounts using (account_id)
),

account_references as (
    select account_reference, from_json(account_reference, '["VARCHAR"]') as parts
    from (
        select account_reference from {{ ref('int_account_references') }}
        union
        select account_reference from {{ ref('stg_generic__quantities') }}
        union
        select account_reference from {{ ref('stg_daytona__usage_steps') }}
        union
        select account_reference from {{ ref('stg_storage__points') }}
        union
        select account_reference from {{ ref('stg_cloudevents__events') }}
        union
        select account_reference from {{ ref('int_provider_costs') }}
    ) as every_reference
),

described as (
    select
        account_reference,
        parts[1] as provider,
        parts[2] as source_account,
        parts[3] as account_ref,
        parts[4:] as metadata_values
    from account_references
),

metadata_pairs as (
    select
        described.account_reference,
        described.provider,
        unnest(link_keys.metadata_keys) as metadata_key,
        unnest(described.metadata_values) as metadata_value
    from described
    inner join {{ ref('int_account_link_keys') }} as link_keys using (provider)
),

candidates as (
    select
        described.account_reference, 0 as precedence, '' as match_key, accounts.account_id,
        timestamptz '-infinity' as valid_from, timestamptz 'infinity' as valid_to
    from described
    inner join {{ ref('stg_accounts__accounts') }} as accounts on described.account_ref = accounts.account_id
    union all
    select
        pairs.account_reference, links.precedence, links.match_key, links.account_id, links.valid_from, links.valid_to
    from metadata_pairs as pairs
    inner join links
        on pairs.provider = links.provider
        and pairs.metadata_key = links.metadata_key
        and pairs.metadata_value = links.match_value
    union all
    -- A quantity, a stored level or an event names no provider: then every provider's links are searched.
    select
        described.account_reference, links.precedence, links.match_key, links.account_id, links.valid_from,
        links.valid_to
    from described
    inner join links
        on links.precedence > 1
        and (described.provider is null or described.provider = links.provider)
        and (
            links.match_value = described.account_ref
            or (links.match_key = 'account' and links.match_value = described.source_account)
        )
),

edges as (
    select account_reference, timestamptz '-infinity' as edge_at from account_references
    union
    select account_reference, valid_from from candidates
    union
    select account_reference, valid_to from candidates where valid_to < timestamptz 'infinity'
),

stretches as (
    select
        account_reference,
        edge_at as valid_from,
        coalesce(lead(edge_at) over (partition by account_reference order by edge_at), timestamptz 'infinity')
            as valid_to
    from edges
)

select
    stretches.account_reference,
    stretches.valid_from,
    stretches.valid_to,
    coalesce(candidates.account_id, 'unattributed') as account_id
from stretches
left join candidates
    on stretches.account_reference = candidates.account_reference
    and stretches.valid_from >= candidates.valid_from
    and stretches.valid_from < candidates.valid_to
qualify row_number() over (
    partition by stretches.account_reference, stretches.valid_from
    order by candidates.precedence, candidates.match_key, candidates.valid_from desc, candidates.account_id
) = 1
