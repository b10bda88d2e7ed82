"""Stripe's side of the closed months as raw API objects (2026 shapes), one a line, as a puller
would save them.

Everything agrees with the true usage and the price book except what `discrepancies` plants.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Any

from data.generator.clock import HOUR, MINUTE, instant, rfc3339, unix
from data.generator.company import Account, Company, Credit
from data.generator.discrepancies import Plant, planted_in, quantity_delta
from data.generator.landing import Landing, compact
from data.generator.pricebook import PLANS, Charge, Plan, Version, plan
from data.generator.seeded import Seeded
from data.generator.statements import Line, Statement, running, to_minor
from data.generator.usage import Usage

# The puller ran after each month end, and once more shortly before the sample was taken.
PULLS = (
    ("2026-08-03", instant("2026-08-03T05:00:00Z")),
    ("2026-09-02", instant("2026-09-02T11:30:00Z")),
)
CATALOGUE_CREATED = instant("2026-06-24T09:00:00Z")
OVERPRICED_VERSION = "2026-04-15T00:00:00Z"
_SOLD = [each for each in PLANS if each.in_stripe]


@dataclass
class PlantedDifference:
    statement: Statement
    plant: Plant
    meter_id: str
    quantity_delta: Decimal
    amount_delta_minor: int


@dataclass
class _Catalogue:
    products: dict[str, str] = field(default_factory=dict)  # charge key or "base" -> product id
    prices: dict[tuple[str, str, str], str] = field(
        default_factory=dict
    )  # (plan, version, charge) -> id
    meters: dict[str, str] = field(default_factory=dict)  # event name -> id


def write_stripe(
    seed: int, company: Company, usage: Usage, statements: list[Statement], landing: Landing
) -> list[PlantedDifference]:
    """Write `stripe/`; return the planted differences with their size in quantity and cents."""
    chance = Seeded(seed, "stripe")
    catalogue = _catalogue(chance)
    objects: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    _add_catalogue(objects, catalogue)
    for account in company.accounts:
        if account.pays:
            first = min(
                s.started_at for s in company.subscriptions if s.account_id == account.account_id
            )
            objects.setdefault("customers", []).append((first, _customer(account, first)))

    balances = {c.credit_id: to_minor(Decimal(c.amount)) for c in company.credits}
    items = {
        (s.subscription_id, key): chance.stripe_id("si")
        for s in company.subscriptions
        if plan(s.plan_id).in_stripe
        for key in sorted(
            {c.charge_key for v in plan(s.plan_id).versions for c in v.charges} | {"base"}
        )
    }
    planted: list[PlantedDifference] = []
    sold = [s for s in statements if plan(s.subscription.plan_id).in_stripe]
    for number, statement in enumerate(
        sorted(sold, key=lambda s: (s.end, s.account.account_id)), 1
    ):
        if not statement.account.pays:
            continue
        books = _Books(statement, catalogue, chance, items, number)
        difference = books.keep(usage)
        if difference is not None:
            planted.append(difference)
        own = [c for c in company.credits if c.account_id == statement.account.account_id]
        books.close(own, balances)
        for kind, thing in books.objects:
            objects.setdefault(kind, []).append((statement.end, thing))
    _write(objects, landing)
    return planted


def _write(objects: dict[str, list[tuple[int, dict[str, Any]]]], landing: Landing) -> None:
    """The first pull has what existed then; the second has master data again and the new month."""
    master = ("customers", "products", "prices", "meters")
    for kind, dated in sorted(objects.items()):
        previous = 0
        for day, taken in PULLS:
            lines = [
                compact({**thing, "fetched_at": rfc3339(taken)})
                for since, thing in dated
                if since < taken and (kind in master or since >= previous)
            ]
            landing.add_lines(f"stripe/{kind}/{day}.ndjson", lines)
            previous = taken


def _customer(account: Account, created: int) -> dict[str, Any]:
    return {
        "id": account.stripe_customer_id,
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": unix(created),
        "currency": account.currency,
        "delinquent": False,
        "description": None,
        "email": account.email,
        "livemode": False,
        "metadata": {"account_id": account.account_id},
        "name": account.name,
        "tax_exempt": "none",
    }


def _catalogue(chance: Seeded) -> _Catalogue:
    catalogue = _Catalogue()
    for each in _SOLD:
        for version in each.versions:
            for charge in version.charges:
                event = charge.stripe_event_name
                if event not in catalogue.meters:
                    catalogue.meters[event] = f"mtr_test_61{chance.base62(18)}"
                    catalogue.products[event] = chance.stripe_id("prod")
                catalogue.prices[each.plan_id, version.name, charge.charge_key] = (
                    f"price_1T{chance.base62(22)}"
                )
            if version.base_amount != "0":
                catalogue.products.setdefault("base", chance.stripe_id("prod"))
                catalogue.prices[each.plan_id, version.name, "base"] = (
                    f"price_1T{chance.base62(22)}"
                )
    return catalogue


def _add_catalogue(
    objects: dict[str, list[tuple[int, dict[str, Any]]]], catalogue: _Catalogue
) -> None:
    created = unix(CATALOGUE_CREATED)
    for event, meter_id in catalogue.meters.items():
        meter = {
            "id": meter_id,
            "object": "billing.meter",
            "created": created,
            "customer_mapping": {"event_payload_key": "stripe_customer_id", "type": "by_id"},
            "default_aggregation": {"formula": "sum"},
            "display_name": _display_name(event),
            "event_name": event,
            "event_time_window": None,
            "livemode": False,
            "status": "active",
            "status_transitions": {"deactivated_at": None},
            "updated": created,
            "value_settings": {"event_payload_key": "value"},
        }
        objects.setdefault("meters", []).append((CATALOGUE_CREATED, meter))
    for event, product_id in catalogue.products.items():
        product = {
            "id": product_id,
            "object": "product",
            "active": True,
            "created": created,
            "default_price": None,
            "description": None,
            "livemode": False,
            "metadata": {"stripe_event_name": event} if event != "base" else {},
            "name": "Enterprise platform fee" if event == "base" else _display_name(event),
            "type": "service",
            "unit_label": None,
            "updated": created,
        }
        objects.setdefault("products", []).append((CATALOGUE_CREATED, product))
    for each in _SOLD:
        for version in each.versions:
            for charge in version.charges:
                price = _metered_price(each, version, charge, catalogue)
                objects.setdefault("prices", []).append((CATALOGUE_CREATED, price))
            if version.base_amount != "0":
                objects["prices"].append((CATALOGUE_CREATED, _base_price(each, version, catalogue)))


def _display_name(event: str) -> str:
    return event.replace("sandbox_compute_", "Sandbox Compute ").replace("_", " ").strip()


def decimal_cents(amount: str) -> str:
    """Cents as Stripe keeps them: at most 12 decimals, cut off, fixed point."""
    cents = (Decimal(amount) * 100).quantize(Decimal(1).scaleb(-12), rounding=ROUND_FLOOR)
    return plain(cents)


def plain(number: Decimal) -> str:
    """Fixed point without trailing zeros."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _price(
    plan_: Plan, version: Version, key: str, catalogue: _Catalogue, product: str
) -> dict[str, Any]:
    latest = plan_.versions[-1] is version
    return {
        "id": catalogue.prices[plan_.plan_id, version.name, key],
        "object": "price",
        "active": latest,
        "billing_scheme": "per_unit",
        "created": unix(CATALOGUE_CREATED),
        "currency": version.currency,
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": f"{plan_.plan_id}:{key}" if latest else None,
        "metadata": {"plan_id": plan_.plan_id, "plan_version": version.name, "charge_key": key},
        "nickname": None,
        "product": product,
        "recurring": {
            "interval": "month",
            "interval_count": 1,
            "meter": None,
            "trial_period_days": None,
            "usage_type": "licensed",
        },
        "tax_behavior": "exclusive",
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring",
        "unit_amount": None,
        "unit_amount_decimal": None,
    }


def _metered_price(
    plan_: Plan, version: Version, charge: Charge, catalogue: _Catalogue
) -> dict[str, Any]:
    event = charge.stripe_event_name
    price = _price(plan_, version, charge.charge_key, catalogue, catalogue.products[event])
    price["recurring"] |= {"meter": catalogue.meters[event], "usage_type": "metered"}
    if charge.model == "standard":
        price["unit_amount_decimal"] = decimal_cents(charge.unit_amount)
        return price
    price |= {"billing_scheme": "tiered", "tiers_mode": charge.model}
    price["tiers"] = [
        {
            "flat_amount": None,
            "flat_amount_decimal": None,
            "unit_amount": None,
            "unit_amount_decimal": decimal_cents(tier.unit_amount),
            "up_to": None if tier.up_to is None else int(tier.up_to),
        }
        for tier in charge.tiers
    ]
    return price


def _base_price(plan_: Plan, version: Version, catalogue: _Catalogue) -> dict[str, Any]:
    price = _price(plan_, version, "base", catalogue, catalogue.products["base"])
    cents = to_minor(Decimal(version.base_amount))
    return price | {"unit_amount": cents, "unit_amount_decimal": str(cents)}


def meter_value(quantity: Decimal) -> Decimal:
    """As Stripe can hold it: 12 decimals and 15 significant digits."""
    rounded = quantity.quantize(Decimal(1).scaleb(-12), rounding=ROUND_HALF_UP)
    excess = len(rounded.as_tuple().digits) - 15
    if excess > 0:
        rounded = rounded.quantize(Decimal(1).scaleb(min(0, excess - 12)), rounding=ROUND_HALF_UP)
    return rounded


class _Books:
    """The summaries, the invoice and its lines of one statement."""

    def __init__(
        self,
        statement: Statement,
        catalogue: _Catalogue,
        chance: Seeded,
        items: dict[tuple[str, str], str],
        number: int,
    ) -> None:
        self.statement = statement
        self.catalogue = catalogue
        self.chance = chance
        self.items = items
        self.invoice_id = f"in_1T{chance.base62(22)}"
        self.number = f"CBLT-{number:05d}"
        self.objects: list[tuple[str, dict[str, Any]]] = []
        self.lines: list[dict[str, Any]] = []

    def keep(self, usage: Usage) -> PlantedDifference | None:
        """Meter summaries and usage lines, with the plant of this statement if it has one."""
        statement = self.statement
        plant = planted_in(statement)
        totals: dict[str, Decimal] = {}
        difference: PlantedDifference | None = None
        told: list[tuple[Line, Charge, Version, Decimal]] = []
        for line in statement.lines:
            event = line.charge.stripe_event_name
            metered = invoiced = line.quantity
            charge, version = line.charge, line.version
            if plant is not None and event == plant.stripe_event_name:
                invoiced, charge, version = self._misstated(plant, line, usage)
                if plant.leg == "pushed_meter":
                    metered = invoiced
            totals[event] = totals.get(event, Decimal(0)) + metered
            told.append((line, charge, version, invoiced))
        positions = running([(charge, invoiced) for _, charge, _, invoiced in told])
        for (line, charge, version, invoiced), (before, in_period) in zip(
            told, positions, strict=True
        ):
            event = line.charge.stripe_event_name
            amount = to_minor(charge.amount(invoiced, before, in_period))
            self._add_usage_line(line, charge, version, invoiced, amount)
            if plant is not None and event == plant.stripe_event_name:
                delta_minor = amount - line.amount_minor
                if difference is None:
                    difference = PlantedDifference(statement, plant, charge.meter_id, Decimal(0), 0)
                difference.quantity_delta += invoiced - line.quantity
                difference.amount_delta_minor += delta_minor
        for event, total in totals.items():
            self._add_summary(event, total)
        return difference

    def _misstated(self, plant: Plant, line: Line, usage: Usage) -> tuple[Decimal, Charge, Version]:
        if plant.cause == "price_not_in_force":
            other = next(v for v in plan("pro").versions if v.name == OVERPRICED_VERSION)
            charge = next(c for c in other.charges if c.charge_key == line.charge.charge_key)
            return line.quantity, charge, other
        part = Statement(
            self.statement.account,
            self.statement.subscription,
            self.statement.month,
            line.start,
            line.end,
            [(line.version, line.start, line.end)],
        )
        return line.quantity + quantity_delta(plant, part, usage), line.charge, line.version

    def _add_summary(self, event: str, total: Decimal) -> None:
        summary = {
            "id": f"mtrusg_test_61{self.chance.base62(18)}",
            "object": "billing.meter_event_summary",
            # Stripe's own JSON number; 15 digits survive it unchanged.
            "aggregated_value": float(meter_value(total)),
            "end_time": unix(self.statement.end),
            "livemode": False,
            "meter": self.catalogue.meters[event],
            "start_time": unix(self.statement.start),
            "customer": self.statement.account.stripe_customer_id,
        }
        self.objects.append(("meter_event_summaries", summary))

    def _add_usage_line(
        self, line: Line, charge: Charge, version: Version, quantity: Decimal, amount: int
    ) -> None:
        event = charge.stripe_event_name
        unit = decimal_cents(charge.unit_amount) if charge.model == "standard" else None
        price = self.catalogue.prices[
            self.statement.subscription.plan_id, version.name, charge.charge_key
        ]
        self._add_line(
            amount,
            _display_name(event),
            meter_value(quantity),
            line.start,
            line.end,
            _price_details(price, self.catalogue.products[event], unit),
            line.charge.charge_key,
        )

    def _add_line(
        self,
        amount: int,
        description: str,
        quantity: Decimal,
        start: int,
        end: int,
        pricing: dict[str, Any] | None,
        item: str | None,
    ) -> None:
        subscription = self.statement.subscription.subscription_id
        no_proration = {"proration": False, "proration_details": {"credited_items": None}}
        details = {"invoice_item": None, "subscription": subscription, **no_proration}
        if item is not None:
            details["subscription_item"] = self.items[subscription, item]
            parent = {
                "invoice_item_details": None,
                "subscription_item_details": details,
                "type": "subscription_item_details",
            }
        else:
            details["invoice_item"] = self.chance.stripe_id("ii")
            parent = {
                "invoice_item_details": details,
                "subscription_item_details": None,
                "type": "invoice_item_details",
            }
        self.lines.append(
            {
                "id": f"il_1T{self.chance.base62(22)}",
                "object": "line_item",
                "amount": amount,
                "currency": self.statement.account.currency,
                "description": description,
                "discount_amounts": [],
                "discountable": True,
                "discounts": [],
                "invoice": self.invoice_id,
                "livemode": False,
                "metadata": {},
                "parent": parent,
                "period": {"end": unix(end), "start": unix(start)},
                "pretax_credit_amounts": [],
                "pricing": pricing,
                "quantity": int(quantity),
                "quantity_decimal": plain(quantity),
                "subtotal": amount,
                "taxes": [],
            }
        )

    def close(self, credits: list[Credit], balances: dict[str, int]) -> None:
        """Base fee, included usage, credits, and the invoice over them."""
        statement = self.statement
        start, end = statement.start, statement.end
        covered = min(to_minor(statement.included), sum(line["amount"] for line in self.lines))
        metered = list(self.lines)
        if statement.base_minor:
            version = statement.versions[0][0]
            price = self.catalogue.prices[statement.subscription.plan_id, version.name, "base"]
            pricing = _price_details(
                price, self.catalogue.products["base"], str(statement.base_minor)
            )
            self._add_line(
                statement.base_minor,
                "Enterprise platform fee",
                Decimal(1),
                start,
                end,
                pricing,
                "base",
            )
        if covered:
            self._add_line(-covered, "Included usage", Decimal(1), start, end, None, None)
        applied = self._apply_credits(metered, credits, balances)
        subtotal = sum(line["amount"] for line in self.lines)
        self.objects.append(("invoices", self._invoice(subtotal, applied)))
        self.objects += [("invoice_line_items", line) for line in self.lines]

    def _apply_credits(
        self, metered: list[dict[str, Any]], credits: list[Credit], balances: dict[str, int]
    ) -> list[dict[str, Any]]:
        """In Stripe's order, line by line, to usage only, never beyond what is not included."""
        open_minor = max(
            0, sum(line["amount"] for line in metered) - to_minor(self.statement.included)
        )
        far = instant("2100-01-01T00:00:00Z")
        in_order = sorted(
            credits,
            key=lambda c: (
                c.priority,
                c.expires_at or far,
                c.category != "promotional",
                c.effective_at,
            ),
        )
        applied: list[dict[str, Any]] = []
        for credit in in_order:
            valid = credit.effective_at <= self.statement.end < (credit.expires_at or far)
            amount = min(open_minor, balances[credit.credit_id]) if valid else 0
            if amount <= 0:
                continue
            balances[credit.credit_id] -= amount
            open_minor -= amount
            transaction = self.chance.stripe_id("cbtxn")
            applied.append(_credit_amount(amount, transaction))
            for line in metered:
                used = sum(entry["amount"] for entry in line["pretax_credit_amounts"])
                part = min(amount, line["amount"] - used)
                if part > 0:
                    line["pretax_credit_amounts"].append(_credit_amount(part, transaction))
                    amount -= part
        return applied

    def _invoice(self, subtotal: int, applied: list[dict[str, Any]]) -> dict[str, Any]:
        statement, account = self.statement, self.statement.account
        total = subtotal - sum(entry["amount"] for entry in applied)
        finalized = unix(statement.end + HOUR)
        return {
            "id": self.invoice_id,
            "object": "invoice",
            "account_name": "Cobalt Run",
            "amount_due": total,
            "amount_paid": total,
            "amount_remaining": 0,
            "auto_advance": False,
            "automatically_finalizes_at": None,
            "billing_reason": "subscription_cycle",
            "collection_method": "charge_automatically",
            "created": unix(statement.end + MINUTE),
            "currency": account.currency,
            "customer": account.stripe_customer_id,
            "customer_email": account.email,
            "customer_name": account.name,
            "livemode": False,
            "metadata": {},
            "number": self.number,
            "parent": {
                "quote_details": None,
                "subscription_details": {
                    "metadata": {"plan_id": statement.subscription.plan_id},
                    "subscription": statement.subscription.subscription_id,
                },
                "type": "subscription_details",
            },
            "period_end": unix(statement.end),
            "period_start": unix(statement.start),
            "status": "paid",
            "status_transitions": {
                "finalized_at": finalized,
                "marked_uncollectible_at": None,
                "paid_at": finalized + 40,
                "voided_at": None,
            },
            "subtotal": subtotal,
            "total": total,
            "total_pretax_credit_amounts": applied,
            "total_taxes": [],
        }


def _price_details(price: str, product: str, unit: str | None) -> dict[str, Any]:
    return {
        "price_details": {"price": price, "product": product},
        "type": "price_details",
        "unit_amount_decimal": unit,
    }


def _credit_amount(amount: int, transaction: str) -> dict[str, Any]:
    return {
        "amount": amount,
        "credit_balance_transaction": transaction,
        "type": "credit_balance_transaction",
    }
