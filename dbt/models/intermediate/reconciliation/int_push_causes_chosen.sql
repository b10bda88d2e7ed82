-- Grain: account, Stripe event name, billing period, cause on the leg warehouse_pushed. Every part
-- of this difference is on record, so nothing is tried out: the parts are read and add up. Only a
-- ledger that pushed more than was approved leaves something unexplained.
with

legs as (
    select *
    from {{ ref('int_reconciliation_legs_compared') }}
    where leg = 'warehouse_pushed' and {{ is_reconciled_again('account_id') }}
),

sides as (
    select
        legs.left_quantity,
        legs.right_quantity,
        coalesce(sides.approved_quantity, cast(0 as decimal(38, 12))) as approved,
        coalesce(sides.approved_correction_quantity, cast(0 as decimal(38, 12)))
            as approved_corrections,
        coalesce(sides.rejected_quantity, cast(0 as decimal(38, 12))) as rejected,
        sides.*
    from legs
    inner join {{ ref('int_reconciliation_sides_joined') }} as sides
        on legs.account_id = sides.account_id
        and legs.stripe_event_name = sides.stripe_event_name
        and legs.period_start = sides.period_start
        and legs.period_end = sides.period_end
),

-- From the left side to the right one in steps; where a step starts gives it its value.
steps as (
    select
        *,
        1 as priority,
        'earlier_period_corrected' as cause,
        left_quantity as step_from,
        cast(left_quantity + approved_corrections as decimal(38, 12)) as step_to
    from sides

    union all

    select
        *,
        2 as priority,
        'usage_after_approval' as cause,
        cast(left_quantity + approved_corrections as decimal(38, 12)) as step_from,
        approved as step_to
    from sides

    union all

    select
        *,
        3 as priority,
        'push_rejected' as cause,
        approved as step_from,
        cast(approved - rejected as decimal(38, 12)) as step_to
    from sides

    union all

    select
        *,
        4 as priority,
        'not_pushed_yet' as cause,
        cast(approved - rejected as decimal(38, 12)) as step_from,
        right_quantity as step_to
    from sides
    where abs(right_quantity) <= abs(cast(approved - rejected as decimal(38, 12)))
)

select
    account_id,
    stripe_event_name,
    meter_id,
    period_start,
    period_end,
    'warehouse_pushed' as leg,
    priority,
    cause,
    cast(step_to - step_from as decimal(38, 12)) as quantity_delta,
    cast(
        {{ value_at('step_to') }} - ({{ value_at('step_from') }}) as bigint
    ) as amount_delta_minor,
    {{ evidence_text({
        "event_name": "stripe_event_name",
        "period": "period",
        "warehouse_quantity": plain_decimal("left_quantity"),
        "approved_quantity": plain_decimal("approved_quantity"),
        "approved_corrections_of_earlier_periods":
            "case when approved_corrections <> 0 then " ~ plain_decimal("approved_corrections") ~ " end",
        "pushed_quantity": plain_decimal("right_quantity"),
        "rejected_quantity": "case when rejected <> 0 then " ~ plain_decimal("rejected") ~ " end",
        "identifiers": "case when cause in ('push_rejected', 'not_pushed_yet') then identifiers end",
        "rejections": "case when cause = 'push_rejected' then rejections end",
    }) }} as evidence
from steps
where step_to <> step_from
