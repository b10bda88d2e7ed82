-- Grain: account, Stripe event name, billing period, cause on the leg pushed_meter. A known
-- mistake is the cause when making it gives exactly the difference (within the tolerance); one
-- alone before two together, earlier ones in the list first. That no customer exists is a fact,
-- not a guess, and comes before all of them; that one side holds nothing at all comes after each
-- of them alone. Whatever matches nothing stays unexplained.
with

legs as (
    select
        legs.left_quantity,
        legs.right_quantity,
        legs.quantity_difference,
        legs.left_value_minor,
        legs.right_value_minor,
        {{ quantities_agree('legs.left_quantity', '0') }} as is_left_empty,
        {{ quantities_agree('legs.right_quantity', '0') }} as is_right_empty,
        sides.*
    from {{ ref('int_reconciliation_legs_compared') }} as legs
    inner join {{ ref('int_reconciliation_sides_joined') }} as sides
        on legs.account_id = sides.account_id
        and legs.stripe_event_name = sides.stripe_event_name
        and legs.period_start = sides.period_start
        and legs.period_end = sides.period_end
    where
        legs.leg = 'pushed_meter'
        and legs.differs
        and {{ is_reconciled_again('legs.account_id') }}
),

measured as (
    select * from {{ ref('int_reconciliation_causes_measured') }}
),

facts as (
    select
        account_id,
        stripe_event_name,
        period_start,
        period_end,
        case
            when is_right_empty and is_customer_missing then 0
            else 10
        end as priority,
        case
            when is_right_empty and is_customer_missing then 'customer_missing_in_stripe'
            when is_right_empty and is_ledger_baseline then 'accepted_not_counted'
            when is_right_empty then 'not_pushed'
            else 'unknown_to_warehouse'
        end as cause,
        quantity_difference as quantity_delta,
        0 as interval_count,
        cast([] as varchar[]) as interval_ids,
        cast([] as varchar[]) as sandbox_ids
    from legs
    where is_left_empty or is_right_empty
),

possible as (
    select
        account_id,
        stripe_event_name,
        period_start,
        period_end,
        priority,
        cause,
        quantity_delta,
        interval_count,
        interval_ids,
        sandbox_ids
    from measured

    union all

    select * from facts
),

matching as (
    select
        possible.*,
        row_number() over (
            partition by
                possible.account_id,
                possible.stripe_event_name,
                possible.period_start,
                possible.period_end
            order by
                possible.priority,
                abs(possible.quantity_delta - legs.quantity_difference),
                possible.quantity_delta
        ) as choice
    from possible
    inner join legs
        on possible.account_id = legs.account_id
        and possible.stripe_event_name = legs.stripe_event_name
        and possible.period_start = legs.period_start
        and possible.period_end = legs.period_end
    where {{ matches_difference('possible.quantity_delta', 'legs') }}
),

single as (
    select
        * exclude (choice),
        1 as cause_number,
        1 as cause_count
    from matching
    where choice = 1
),

matching_pairs as (
    select
        one.account_id,
        one.stripe_event_name,
        one.period_start,
        one.period_end,
        one.cause as first_cause,
        two.cause as second_cause,
        one.quantity_delta as first_delta,
        two.quantity_delta as second_delta,
        row_number() over (
            partition by one.account_id, one.stripe_event_name, one.period_start, one.period_end
            order by one.priority, two.priority, one.quantity_delta, two.quantity_delta
        ) as choice
    from measured as one
    inner join measured as two
        on one.account_id = two.account_id
        and one.stripe_event_name = two.stripe_event_name
        and one.period_start = two.period_start
        and one.period_end = two.period_end
        and one.priority < two.priority
    inner join legs
        on one.account_id = legs.account_id
        and one.stripe_event_name = legs.stripe_event_name
        and one.period_start = legs.period_start
        and one.period_end = legs.period_end
    anti join single
        on one.account_id = single.account_id
        and one.stripe_event_name = single.stripe_event_name
        and one.period_start = single.period_start
        and one.period_end = single.period_end
    where {{ matches_difference('(one.quantity_delta + two.quantity_delta)', 'legs') }}
),

pairs as (
    select * exclude (choice)
    from matching_pairs
    where choice = 1
),

paired as (
    select
        measured.*,
        case when measured.cause = pairs.first_cause then 1 else 2 end as cause_number,
        2 as cause_count
    from measured
    inner join pairs
        on measured.account_id = pairs.account_id
        and measured.stripe_event_name = pairs.stripe_event_name
        and measured.period_start = pairs.period_start
        and measured.period_end = pairs.period_end
        and (
            (
                measured.cause = pairs.first_cause
                and measured.quantity_delta = pairs.first_delta
            )
            or (
                measured.cause = pairs.second_cause
                and measured.quantity_delta = pairs.second_delta
            )
        )
),

chosen as (
    select
        account_id,
        stripe_event_name,
        period_start,
        period_end,
        priority,
        cause,
        quantity_delta,
        interval_count,
        interval_ids,
        sandbox_ids,
        cause_number,
        cause_count
    from single

    union all

    select
        account_id,
        stripe_event_name,
        period_start,
        period_end,
        priority,
        cause,
        quantity_delta,
        interval_count,
        interval_ids,
        sandbox_ids,
        cause_number,
        cause_count
    from paired
),

-- Between two causes the value is that of the quantity after the first one, so that the values of
-- both add up to the value of the difference.
valued as (
    select
        legs.*,
        chosen.priority,
        chosen.cause,
        chosen.quantity_delta,
        chosen.interval_count,
        chosen.interval_ids,
        chosen.sandbox_ids,
        chosen.cause_number,
        chosen.cause_count,
        cast(
            case
                when chosen.cause_number = 1 then legs.left_quantity + chosen.quantity_delta
                else legs.right_quantity - chosen.quantity_delta
            end as decimal(38, 12)
        ) as between_quantity
    from chosen
    inner join legs
        on chosen.account_id = legs.account_id
        and chosen.stripe_event_name = legs.stripe_event_name
        and chosen.period_start = legs.period_start
        and chosen.period_end = legs.period_end
)

select
    account_id,
    stripe_event_name,
    meter_id,
    period_start,
    period_end,
    'pushed_meter' as leg,
    priority,
    cause,
    quantity_delta,
    cast(
        case
            when cause_count = 1 then right_value_minor - left_value_minor
            when cause_number = 1
                then {{ value_at('between_quantity') }} - left_value_minor
            else right_value_minor - ({{ value_at('between_quantity') }})
        end as bigint
    ) as amount_delta_minor,
    {{ evidence_text({
        "event_name": "stripe_event_name",
        "period": "period",
        "expected_from": "case when is_ledger_baseline then 'ledger' else 'statement' end",
        "expected_quantity": plain_decimal("left_quantity"),
        "stripe_meter_quantity": plain_decimal("right_quantity"),
        "stripe_customer_id": "nullif(stripe_customer_id, '')",
        "stripe_customers": "meter_customer_ids",
        "stripe_meters": "stripe_meter_ids",
        "intervals": "case when interval_count > 0 then interval_count end",
        "interval_ids": "case when len(interval_ids) > 0 then interval_ids end",
        "sandbox_ids": "case when len(sandbox_ids) > 0 then sandbox_ids end",
        "identifiers": "case when cause = 'accepted_not_counted' then identifiers end",
    }) }} as evidence
from valued
