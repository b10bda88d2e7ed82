"""The meters in Stripe that events need."""

from collections.abc import Iterable

import stripe
from stripe import StripeClient
from stripe.billing import Meter

from dagster_project.stripe.failures import reason
from ingest.errors import MeterhouseError, UsageError


def active_meters(client: StripeClient) -> dict[str, Meter]:
    """Every active meter in Stripe by its event name."""
    listed = client.v1.billing.meters.list({"status": "active", "limit": 100})
    return {meter.event_name: meter for meter in listed.auto_paging_iter()}


def ensure_meters(client: StripeClient, event_names: Iterable[str]) -> list[str]:
    """Create the meters (sum of `value` by `stripe_customer_id`) that are missing in Stripe.

    Returns the event names created, sorted; repeating it creates nothing. `UsageError` when a
    meter of that name counts otherwise, because its total could never be what was approved;
    `MeterhouseError` when Stripe does not do it.
    """
    wanted = sorted(set(event_names))
    created: list[str] = []
    try:
        standing = active_meters(client) if wanted else {}
        for name in wanted:
            if name in standing:
                _check(standing[name])
            elif _create(client, name):
                created.append(name)
    except stripe.StripeError as error:
        raise MeterhouseError(
            f"Stripe meters: {reason(error)}; nothing was sent, run again"
        ) from error
    return created


def _create(client: StripeClient, name: str) -> bool:
    try:
        client.v1.billing.meters.create(
            {
                "display_name": name,
                "event_name": name,
                "default_aggregation": {"formula": "sum"},
                "customer_mapping": {
                    "type": "by_id",
                    "event_payload_key": "stripe_customer_id",
                },
                "value_settings": {"event_payload_key": "value"},
            }
        )
    except stripe.StripeError:
        # Created after all (an answer that got lost, or somebody else was faster)?
        standing = active_meters(client).get(name)
        if standing is None:
            raise
        _check(standing)
        return False
    return True


def _check(meter: Meter) -> None:
    problems = []
    if meter.default_aggregation.formula != "sum":
        problems.append(f"formula {meter.default_aggregation.formula}, not sum")
    if getattr(meter, "event_time_window", None):
        problems.append(f"pre-aggregated by {meter.event_time_window}, so events overwrite others")
    if meter.value_settings.event_payload_key != "value":
        problems.append(f"value in {meter.value_settings.event_payload_key!r}, not 'value'")
    if meter.customer_mapping.event_payload_key != "stripe_customer_id":
        problems.append(
            f"customer in {meter.customer_mapping.event_payload_key!r}, not 'stripe_customer_id'"
        )
    if problems:
        raise UsageError(
            f"Stripe meter {meter.id} ({meter.event_name}): {'; '.join(problems)}. A meter cannot "
            "be changed: deactivate it, or give the price book another stripe_event_name"
        )
