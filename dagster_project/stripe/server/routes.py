"""Which handler answers which method and path."""

import re

from dagster_project.stripe.server import billing, catalogue, metering
from dagster_project.stripe.server.calls import Handler

_ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("POST", "/v1/customers", catalogue.create_customer),
    ("GET", "/v1/customers", catalogue.list_customers),
    ("GET", "/v1/customers/{id}", catalogue.retrieve_customer),
    ("POST", "/v1/customers/{id}", catalogue.update_customer),
    ("POST", "/v1/products", catalogue.create_product),
    ("GET", "/v1/products", catalogue.list_products),
    ("GET", "/v1/products/{id}", catalogue.retrieve_product),
    ("POST", "/v1/products/{id}", catalogue.update_product),
    ("POST", "/v1/prices", catalogue.create_price),
    ("GET", "/v1/prices", catalogue.list_prices),
    ("GET", "/v1/prices/{id}", catalogue.retrieve_price),
    ("POST", "/v1/prices/{id}", catalogue.update_price),
    ("POST", "/v1/billing/meters", metering.create_meter),
    ("GET", "/v1/billing/meters", metering.list_meters),
    ("GET", "/v1/billing/meters/{id}", metering.retrieve_meter),
    ("POST", "/v1/billing/meters/{id}", metering.update_meter),
    ("POST", "/v1/billing/meters/{id}/deactivate", metering.deactivate_meter),
    ("POST", "/v1/billing/meters/{id}/reactivate", metering.reactivate_meter),
    ("GET", "/v1/billing/meters/{id}/event_summaries", metering.list_summaries),
    ("POST", "/v1/billing/meter_events", metering.create_event),
    ("POST", "/v1/billing/meter_event_adjustments", metering.create_adjustment),
    ("GET", "/v2/core/events", metering.list_core_events),
    ("GET", "/v2/core/events/{id}", metering.retrieve_core_event),
    ("GET", "/v1/invoices", billing.list_invoices),
    ("GET", "/v1/invoices/{id}", billing.retrieve_invoice),
    ("GET", "/v1/invoices/{id}/lines", billing.list_invoice_lines),
    ("POST", "/v1/billing/credit_grants", billing.create_grant),
    ("GET", "/v1/billing/credit_grants", billing.list_grants),
    ("GET", "/v1/billing/credit_grants/{id}", billing.retrieve_grant),
    *(("GET", path, billing.list_plain) for path in billing.PLAIN_LISTS),
)

_COMPILED = [
    (method, re.compile(re.escape(path).replace(r"\{id\}", "([^/]+)")), handler)
    for method, path, handler in _ROUTES
]


def find(method: str, path: str) -> tuple[Handler, tuple[str, ...]] | None:
    """The handler and the ids in the path, or None."""
    for known, pattern, handler in _COMPILED:
        match = pattern.fullmatch(path)
        if known == method and match:
            return handler, match.groups()
    return None
