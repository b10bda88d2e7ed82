{{ config(materialized='table') }}
-- Grain: one charge of a provider, with all that decides which account it belongs to. As for usage:
-- BillingAccountId is the provider's account, SubAccountId the project or an account id of ours, tags
-- are the metadata.
select
    costs.* exclude (tags),
    {{ account_reference('costs.provider', 'costs.billing_account_id', 'costs.sub_account_id', 'costs.tags') }}
        as account_reference
from {{ ref('stg_focus__costs') }} as costs
left join {{ ref('int_account_link_keys') }} as link_keys using (provider)
