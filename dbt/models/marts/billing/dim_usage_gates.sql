-- Grain: account; key account_id. Whether the account may start something new at the as-of time, why not,
-- and since when. Of several reasons one is shown: no_subscription, payment_required, included_exhausted or
-- spending_cap_reached, plan_limit_concurrency, plan_limit_size (which shuts nothing); among equals the one
-- that came first (DECISIONS D53). It looks at the billing period under way, so the next one opens what
-- amounts had shut.
with

accounts as (
    select * from {{ ref('stg_accounts__accounts') }}
),

usage as (
    select * from {{ ref('int_gate_usage') }}
),

ended as (
    select account_id, max(segment_end) as ended_at
    from {{ ref('int_account_segments') }}
    where segment_end <= {{ as_of() }}
    group by account_id
),

without_subscription as (
    select
        accounts.account_id,
        'no_subscription' as code,
        case
            when ended.account_id is null then 'The account has no subscription.'
            else 'The account has had no subscription since '
                || {{ utc_text('ended.ended_at') }} || '.'
        end as reason,
        ended.ended_at as decided_at
    from accounts
    left join ended using (account_id)
    anti join usage using (account_id)
),

without_customer as (
    select
        usage.account_id,
        'payment_required' as code,
        'The plan ' || usage.plan_id || ' costs '
        || {{ money_text('usage.base_minor', 'usage.currency') }}
        || ' and the account has no Stripe customer.' as reason,
        usage.counted_from as decided_at
    from usage
    inner join accounts using (account_id)
    where usage.base_minor > 0 and coalesce(accounts.stripe_customer_id, '') = ''
),

-- Stripe collects by itself where an invoice has no due date: then it is due once that was tried.
invoices as (
    select
        customer_id,
        invoice_id,
        status,
        currency,
        coalesce(remaining_minor, total_minor) as owed_minor,
        case
            when status = 'uncollectible' then coalesce(due_at, uncollectible_at, finalized_at, created_at)
            when due_at is not null then due_at
            when is_attempted then coalesce(finalized_at, created_at)
        end as due_at
    from {{ ref('stg_stripe__invoices') }}
    where status in ('open', 'uncollectible')
),

overdue as (
    select
        accounts.account_id,
        'payment_required' as code,
        'Invoice ' || invoices.invoice_id || ' of '
        || {{ money_text('invoices.owed_minor', 'invoices.currency') }}
        || case invoices.status
            when 'uncollectible' then ' could not be collected; it was due at '
            else ' is unpaid; it was due at '
        end
        || {{ utc_text('invoices.due_at') }} || '.' as reason,
        invoices.due_at as decided_at
    from accounts
    inner join invoices on accounts.stripe_customer_id = invoices.customer_id
    where invoices.due_at <= {{ as_of() }} and invoices.owed_minor > 0
),

thresholds as (
    select * from {{ ref('int_gate_thresholds') }}
),

amounts_reached as (
    select
        thresholds.account_id,
        thresholds.code,
        min(hours.reached_at) as decided_at
    from thresholds
    inner join {{ ref('int_gate_hours') }} as hours
        on thresholds.statement_id = hours.statement_id
        and hours.usage_minor >= thresholds.threshold_minor
    group by thresholds.account_id, thresholds.code
),

amounts as (
    select
        usage.account_id,
        amounts_reached.code,
        'Usage of ' || {{ money_text('usage.usage_minor', 'usage.currency') }}
        || case amounts_reached.code
            when 'payment_required' then
                case
                    when usage.included_minor is null then ' is to be paid'
                    else ' is more than the included '
                        || {{ money_text('usage.included_minor', 'usage.currency') }}
                end
                || ' and the account has no Stripe customer.'
            when 'included_exhausted'
                then ' has reached the included '
                    || {{ money_text('usage.included_minor', 'usage.currency') }} || '.'
            when 'spending_cap_reached'
                then ' has reached the spending cap of '
                    || {{ money_text('usage.cap_minor', 'usage.currency') }}
                    || case
                        when usage.included_minor is null then ''
                        else ' beyond the included '
                            || {{ money_text('usage.included_minor', 'usage.currency') }}
                    end
                    || '.'
        end as reason,
        amounts_reached.decided_at
    from amounts_reached
    inner join usage using (account_id)
),

quantities_reached as (
    select
        thresholds.account_id,
        thresholds.code,
        thresholds.charge_key,
        thresholds.threshold_quantity,
        thresholds.quantity,
        min(hours.reached_at) as decided_at
    from thresholds
    inner join {{ ref('int_gate_charge_hours') }} as hours
        on thresholds.statement_id = hours.statement_id
        and thresholds.charge_key = hours.charge_key
        and thresholds.meter_id = hours.meter_id
        and hours.priced_quantity >= thresholds.threshold_quantity
    group by all
),

quantities as (
    select
        account_id,
        code,
        'Usage of ' || {{ plain_decimal('quantity') }} || ' has reached the included '
        || {{ plain_decimal('threshold_quantity') }} || ' of ' || charge_key || '.' as reason,
        decided_at
    from quantities_reached
),

running as (
    select
        intervals.account_id,
        intervals.memory_mib,
        intervals.started_at
    from {{ ref('int_compute_intervals_counted') }} as intervals
    semi join usage using (account_id)
    where
        intervals.evidence = 'open'
        and intervals.ended_at = {{ as_of() }}
        and intervals.us > 0
        and {{ is_running('intervals') }}
),

counts as (
    select account_id, count(*) as running_sandboxes
    from running
    group by account_id
),

at_the_limit as (
    select
        usage.account_id,
        usage.max_concurrent_sandboxes,
        usage.version_since,
        coalesce(counts.running_sandboxes, 0) as running_sandboxes
    from usage
    left join counts using (account_id)
    where coalesce(counts.running_sandboxes, 0) >= usage.max_concurrent_sandboxes
),

stretches as (
    select
        stretches.account_id,
        stretches.started_at,
        stretches.running_sandboxes >= at_the_limit.max_concurrent_sandboxes as is_full,
        coalesce(
            lag(stretches.ended_at) over in_order = stretches.started_at
            and lag(stretches.running_sandboxes) over in_order >= at_the_limit.max_concurrent_sandboxes,
            false
        ) as was_full
    from {{ ref('int_concurrency_stretches') }} as stretches
    inner join at_the_limit using (account_id)
    window in_order as (partition by stretches.account_id order by stretches.started_at)
),

filled as (
    select account_id, max(started_at) as filled_at
    from stretches
    where is_full and not was_full
    group by account_id
),

concurrency as (
    select
        at_the_limit.account_id,
        'plan_limit_concurrency' as code,
        cast(at_the_limit.running_sandboxes as varchar) || ' sandboxes run and the plan allows '
        || cast(at_the_limit.max_concurrent_sandboxes as varchar) || ' at once.' as reason,
        greatest(at_the_limit.version_since, filled.filled_at) as decided_at
    from at_the_limit
    left join filled using (account_id)
),

sizes as (
    select
        usage.account_id,
        'plan_limit_size' as code,
        'A sandbox of ' || cast(arg_min(running.memory_mib, running.started_at) as varchar)
        || ' MiB runs, a size that the plan does not allow.' as reason,
        greatest(min(running.started_at), min(usage.version_since)) as decided_at
    from usage
    inner join running using (account_id)
    where not list_contains(usage.allowed_memory_mib, running.memory_mib)
    group by usage.account_id
),

nothing as (
    select
        account_id,
        'ok' as code,
        'Nothing stands against new usage.' as reason,
        counted_from as decided_at
    from usage
),

candidates as (
    select *, 1 as precedence from without_subscription
    union all
    select *, 2 as precedence from without_customer
    union all
    select *, 2 as precedence from overdue
    union all
    select *, case code when 'payment_required' then 2 else 3 end as precedence from amounts
    union all
    select *, 3 as precedence from quantities
    union all
    select *, 4 as precedence from concurrency
    union all
    select *, 5 as precedence from sizes
    union all
    select *, 6 as precedence from nothing
)

select
    account_id,
    code in ('ok', 'plan_limit_size') as allowed,
    code,
    reason,
    decided_at
from candidates
qualify row_number() over (partition by account_id order by precedence, decided_at, reason) = 1
