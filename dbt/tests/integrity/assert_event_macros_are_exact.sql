{{ config(meta={"dagster": {"ref": {"name": "int_event_segment_quantities"}}}) }}
-- What the quantities of events pass through, on values worked out by hand: quotients that a DOUBLE
-- would get wrong, halves on both sides of zero, and parts of different signs.
with

means as (
    select
        cast(case_name as varchar) as case_name,
        cast(whole as hugeint) as whole,
        cast(fraction as hugeint) as fraction,
        cast(divisor as bigint) as divisor,
        cast(expected as decimal(38, 12)) as expected
    from (
        values
        ('13 / 3', '13', '0', 3, '4.333333333333'),
        ('14 / 3', '14', '0', 3, '4.666666666667'),
        ('-14 / 3', '-14', '0', 3, '-4.666666666667'),
        -- 0.0000000000005 / 1: the half of the last place goes away from zero.
        ('half of the last place', '0', '5000', 1, '0.000000000001'),
        ('half of the last place, below zero', '0', '-5000', 1, '-0.000000000001'),
        ('just below half', '0', '4999', 1, '0'),
        -- (1 - 0.0000000000005) / 1 = 0.9999999999995, which rounds to 1.
        ('parts of different signs', '1', '-5000', 1, '1'),
        -- (1 - 0.0000000000006) / 1 = 0.9999999999994, which rounds to 0.999999999999.
        ('parts of different signs, less', '1', '-6000', 1, '0.999999999999'),
        ('parts of different signs, below zero', '-1', '6000', 1, '-0.999999999999'),
        -- 10^15 for 2678400 s of 2678400 s, in microseconds: nothing overflows, nothing is lost.
        ('a whole month', '2678400000000000000000000000', '0', 2678400000000, '1000000000000000')
    ) as cases (case_name, whole, fraction, divisor, expected)
),

parts as (
    select
        cast(case_name as varchar) as case_name,
        cast(number as decimal(38, 16)) as number,
        cast(whole as hugeint) as whole,
        cast(fraction as hugeint) as fraction
    from (
        values
        ('above zero', '12.0000000000000001', '12', '1'),
        ('below zero', '-2.5', '-2', '-5000000000000000'),
        ('near one', '0.9999999999999999', '0', '9999999999999999')
    ) as cases (case_name, number, whole, fraction)
)

select case_name from means where {{ mean_exactly('whole', 'fraction', 'divisor') }} <> expected
union all
select case_name
from parts
where {{ whole_units('number') }} <> whole or {{ fraction_units('number') }} <> fraction
