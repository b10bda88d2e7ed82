"""What the simulation knows, as one JSON document: the sample's own witness.

Nothing in it comes from Meterhouse. It lies outside the landing zone so that nothing can read it
by accident.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from data.generator.clock import local_months, rfc3339
from data.generator.company import AS_OF, UNATTRIBUTED, WINDOW_START, Company
from data.generator.landing import Landing
from data.generator.oddities import Oddity
from data.generator.pricebook import METERS
from data.generator.statements import Statement
from data.generator.stripe_export import PlantedDifference, plain
from data.generator.usage import COMPUTE_MEASURES, Stretch, Usage, quantity


def describe(
    seed: int,
    company: Company,
    usage: Usage,
    landing: Landing,
    statements: list[Statement],
    planted: list[PlantedDifference],
    oddities: list[Oddity],
) -> dict[str, Any]:
    """The truth document. Quantities are decimal strings, exact; times are UTC."""
    return {
        "seed": seed,
        "as_of": rfc3339(AS_OF),
        "files": {
            path: {
                "records": landing.records[path],
                "quarantined": [
                    {"record_number": number, "reason": reason}
                    for number, reason in sorted(landing.quarantined.get(path, []))
                ],
            }
            for path in sorted(landing.contents)
        },
        "usage": _usage(company, usage),
        "statements": [_statement(s) for s in _ordered(statements)],
        "discrepancies": [_difference(d) for d in sorted(planted, key=lambda d: d.plant.cause)],
        "oddities": [
            {"kind": o.kind, "account_id": o.account_id, "record": o.record, "note": o.note}
            for o in sorted(oddities, key=lambda o: (o.kind, o.account_id, o.record, o.note))
        ],
    }


def _ordered(statements: list[Statement]) -> list[Statement]:
    return sorted(
        statements, key=lambda s: (s.account.account_id, s.start, s.subscription.subscription_id)
    )


def _usage(company: Company, usage: Usage) -> list[dict[str, Any]]:
    """One row per account, calendar month of its zone, meter measure and size that has usage."""
    rows: list[dict[str, Any]] = []
    owners = [(a.account_id, a.zone) for a in company.accounts] + [(UNATTRIBUTED, "UTC")]
    for account_id, zone in sorted(owners):
        stretches = usage.of(account_id)
        for month, start, end in local_months(zone, WINDOW_START, AS_OF):
            row = {"account_id": account_id, "timezone": zone, "month": month}
            rows += [row | part for part in _compute(stretches, start, end)]
            for meter in METERS:
                if meter.source != "compute" and account_id != UNATTRIBUTED:
                    total = usage.amounts(company.by_id(account_id), meter.meter_id, start, end)
                    if total:
                        rows.append(row | {"measure": meter.meter_id, "quantity": plain(total)})
    return rows


def _compute(stretches: list[Stretch], start: int, end: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for measure in COMPUTE_MEASURES:
        by_size: dict[tuple[str, int], Decimal] = {}
        inferred = Decimal(0)
        for stretch in stretches:
            part = quantity(stretch, measure, start, end)
            if part:
                size = (stretch.provider, stretch.memory_mib)
                by_size[size] = by_size.get(size, Decimal(0)) + part
                inferred += part if stretch.evidence == "inferred" else Decimal(0)
        if by_size:
            rows.append(
                {
                    "measure": measure,
                    "quantity": plain(sum(by_size.values(), Decimal(0))),
                    "inferred_quantity": plain(inferred),
                    "by_size": [
                        {
                            "provider": provider,
                            "memory_mib": memory,
                            "quantity": plain(by_size[provider, memory]),
                        }
                        for provider, memory in sorted(by_size)
                    ],
                }
            )
    return rows


def _statement(statement: Statement) -> dict[str, Any]:
    return {
        "account_id": statement.account.account_id,
        "subscription_id": statement.subscription.subscription_id,
        "plan_id": statement.subscription.plan_id,
        "period_start": rfc3339(statement.start),
        "period_end": rfc3339(statement.end),
        "base_minor": statement.base_minor,
        "lines": [
            {
                "charge_key": line.charge.charge_key,
                "meter_id": line.charge.meter_id,
                "stripe_event_name": line.charge.stripe_event_name,
                "plan_version": line.version.name,
                "start": rfc3339(line.start),
                "end": rfc3339(line.end),
                "quantity": plain(line.quantity),
                "amount_minor": line.amount_minor,
            }
            for line in statement.lines
        ],
    }


def _difference(difference: PlantedDifference) -> dict[str, Any]:
    statement = difference.statement
    return {
        "account_id": statement.account.account_id,
        "account": statement.account.slug,
        "month": statement.month,
        "period_start": rfc3339(statement.start),
        "period_end": rfc3339(statement.end),
        "meter_id": difference.meter_id,
        "stripe_event_name": difference.plant.stripe_event_name,
        "leg": difference.plant.leg,
        "cause": difference.plant.cause,
        "quantity_delta": plain(difference.quantity_delta),
        "amount_delta_minor": difference.amount_delta_minor,
    }
