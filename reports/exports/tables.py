"""What can be exported: columns, rows and control totals of each table."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ExportTable:
    """One kind of export.

    query: rows in their order, with parameters from, to (dates, half-open) and account (or null).
    window: which rows belong to a window of dates, in words. totals: control totals of the same
    rows. is_open: whether what is exported can still change.
    """

    name: str
    title: str
    window: str
    query: str
    totals: str
    is_open: str


_USAGE = """
    from marts.fct_usage_daily
    where usage_date >= $from_date and usage_date < $to_date
        and ($account is null or account_id = $account)
"""

_CHARGES = """
    from marts.fct_charges as charges
    inner join marts.fct_statements as statements using (statement_id)
    where charges.period_start >= $from_date::timestamp::timestamptz
        and charges.period_start < $to_date::timestamp::timestamptz
        and ($account is null or charges.account_id = $account)
"""

USAGE = ExportTable(
    name="usage",
    title="Usage by account, meter, dimensions and UTC day, unrated",
    window="usage_date is in the window",
    query=f"""
        select usage_date, account_id, meter_id, dimensions, quantity, inferred_quantity
        {_USAGE}
        order by usage_date, account_id, meter_id, dimensions
    """,
    totals=f"""
        select meter_id as meter_id, count(*) as rows, sum(quantity) as quantity
        {_USAGE}
        group by meter_id order by meter_id
    """,
    is_open="select $to_date::timestamp::timestamptz > as_of from ops.build",
)

CHARGES = ExportTable(
    name="charges",
    title="Lines of statements, rated",
    window="the line's service period begins in the window",
    query=f"""
        select
            charges.charge_id, charges.statement_id, charges.account_id, charges.subscription_id,
            charges.plan_id, charges.plan_version, charges.charge_key, charges.meter_id,
            charges.period_start, charges.period_end, charges.charge_class, charges.quantity,
            charges.amount, charges.amount_minor, charges.currency, charges.corrects_charge_id,
            statements.status as statement_status
        {_CHARGES}
        order by
            charges.account_id, charges.period_start, charges.statement_id, charges.charge_class,
            charges.charge_key, charges.charge_id
    """,
    totals=f"""
        select charges.currency as currency, count(*) as rows, sum(charges.amount) as amount,
               sum(charges.amount_minor)::bigint as amount_minor
        {_CHARGES}
        group by charges.currency order by charges.currency
    """,
    is_open=f"select coalesce(bool_or(statements.status = 'open'), false) {_CHARGES}",
)

TABLES = {table.name: table for table in (USAGE, CHARGES)}
