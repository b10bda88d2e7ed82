{{ config(meta={"dagster": {"ref": {"name": "int_charge_tiers"}}}) }}
-- The macros that every amount passes through, on values worked out by hand: products and shares
-- whose digits DuckDB's own operators would lose, halves on both sides of zero, and amounts in yen
-- and dinars.
with

products as (
    select
        cast(case_name as varchar) as case_name,
        cast(factor as decimal(38, 18)) as factor,
        cast(price as decimal(38, 18)) as price,
        cast(expected as decimal(38, 18)) as expected
    from (
        values
        (
            'the spread of a month',
            '2678400.123456789012',
            '0.000005787037037',
            '15.500000714349810482'
        ),
        (
            'twelve places on both sides',
            '123456789012.230000000001',
            '2000000.5',
            '246913639752854506.1150020000005'
        ),
        ('half of the last place', '0.5', '0.000000000000000001', '0.000000000000000001'),
        (
            'half of the last place, below zero',
            '-0.5',
            '0.000000000000000001',
            '-0.000000000000000001'
        ),
        ('just below half', '0.499999999999', '0.000000000000000001', '0'),
        ('nothing', '0', '0.01', '0')
    ) as cases (case_name, factor, price, expected)
),

shares as (
    select
        cast(case_name as varchar) as case_name,
        cast(amount as decimal(38, 18)) as amount,
        cast(part as bigint) as part,
        cast(whole as bigint) as whole,
        cast(expected as decimal(38, 18)) as expected
    from (
        values
        ('all of it', '19.99', 2678400000000, 2678400000000, '19.99'),
        ('a third', '10', 1, 3, '3.333333333333333333'),
        ('two thirds', '10', 2, 3, '6.666666666666666667'),
        ('a half of the last place', '0.000000000000000001', 1, 2, '0.000000000000000001'),
        (
            'a large fee for a microsecond of a year',
            '99999999999',
            1,
            31536000000000,
            '0.003170979198344749'
        )
    ) as cases (case_name, amount, part, whole, expected)
),

quotients as (
    select
        cast(case_name as varchar) as case_name,
        cast(dividend as decimal(38, 12)) as dividend,
        cast(divisor as decimal(38, 18)) as divisor,
        cast(expected as decimal(38, 12)) as expected
    from (
        values
        ('seconds to hours', '5400', '3600', '1.5'),
        ('two thirds', '2', '3', '0.666666666667'),
        ('by a fraction', '1', '0.000001', '1000000'),
        ('two thirds, below zero', '-2', '3', '-0.666666666667')
    ) as cases (case_name, dividend, divisor, expected)
),

multiples as (
    select
        cast(case_name as varchar) as case_name,
        cast(quantity as decimal(38, 12)) as quantity,
        cast(factor as decimal(38, 18)) as factor,
        cast(expected as decimal(38, 12)) as expected
    from (
        values
        ('seconds to milliseconds', '5.25', '1000', '5250'),
        ('half of the last place', '0.000000000001', '0.5', '0.000000000001'),
        ('half of the last place, below zero', '-0.000000000001', '0.5', '-0.000000000001'),
        -- 0.0000000000004999999999999...: rounded at 18 places first it would be half of the last place.
        ('just below half', '0.000000999999', '0.000000500000499999', '0'),
        ('large by small', '98765432109876.123456789012', '0.000001', '98765432.109876123457')
    ) as cases (case_name, quantity, factor, expected)
),

packages as (
    select
        cast(case_name as varchar) as case_name,
        cast(units as decimal(38, 12)) as units,
        cast(size as decimal(38, 12)) as size,
        cast(mode as varchar) as mode,
        cast(expected as bigint) as expected
    from (
        values
        ('none', '0', '100', 'up', 0),
        ('started', '0.000000000001', '100', 'up', 1),
        ('full', '300', '100', 'up', 3),
        ('started, full ones only', '399.999999999999', '100', 'down', 3),
        ('packages of a fraction', '1', '0.3', 'up', 4)
    ) as cases (case_name, units, size, mode, expected)
),

billed as (
    select
        cast(case_name as varchar) as case_name,
        cast(amount as decimal(38, 18)) as amount,
        cast(currency as varchar) as currency,
        cast(expected as bigint) as expected
    from (
        values
        ('half a cent', '0.005', 'usd', 1),
        ('half a cent, below zero', '-0.005', 'usd', -1),
        ('just below half a cent', '0.004999999999999999', 'usd', 0),
        ('half a yen', '0.5', 'jpy', 1),
        ('yen have no cents', '1234', 'jpy', 1234),
        ('a dinar has a thousand fils', '1.0005', 'kwd', 1001)
    ) as cases (case_name, amount, currency, expected)
),

rounded as (
    select
        cast(case_name as varchar) as case_name,
        cast(quantity as decimal(38, 12)) as quantity,
        cast(mode as varchar) as mode,
        cast(step as decimal(38, 12)) as step,
        cast(expected as decimal(38, 12)) as expected
    from (
        values
        ('up', '1.01', 'up', '1', '2'),
        ('up, nothing to do', '2', 'up', '1', '2'),
        ('down', '1.99', 'down', '1', '1'),
        ('half up', '1.25', 'half_up', '0.1', '1.3'),
        ('below half', '1.24', 'half_up', '0.1', '1.2'),
        ('up, below zero', '-1.01', 'up', '1', '-2'),
        ('up, places', '1.0001', 'up', '0.001', '1.001'),
        ('down, below zero', '-1.99', 'down', '1', '-1'),
        ('half up, half below zero', '-2.5', 'half_up', '1', '-3'),
        ('none', '1.23456', 'none', '1', '1.23456')
    ) as cases (case_name, quantity, mode, step, expected)
)

select case_name from products where {{ multiply_exactly('factor', 'price') }} <> expected
union all
select case_name from shares where {{ prorate_exactly('amount', 'part', 'whole') }} <> expected
union all
select case_name from quotients where {{ divide_exactly('dividend', 'divisor') }} <> expected
union all
select case_name from multiples where {{ multiply_quantity('quantity', 'factor') }} <> expected
union all
select case_name from packages where {{ count_packages('units', 'size', 'mode') }} <> expected
union all
select case_name from billed where {{ to_minor('amount', 'currency') }} <> expected
union all
select case_name
from billed
where {{ to_minor(from_minor('expected', 'currency'), 'currency') }} <> expected
union all
select case_name from rounded where {{ round_to_step('quantity', 'mode', 'step') }} <> expected
