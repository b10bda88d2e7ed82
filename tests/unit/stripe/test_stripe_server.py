"""The local server answers as Stripe does, as far as the product looks."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import requests
import stripe
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.stripe.client import stripe_client
from dagster_project.stripe.server import Fault, StripeServer
from dagster_project.stripe.server.app import API_KEY
from dagster_project.stripe.server.jsontext import dumps, loads

pytestmark = pytest.mark.unit

NOW = datetime(2026, 9, 2, 12, tzinfo=UTC)
AUGUST_31 = int(datetime(2026, 8, 31, 23, 59, 59, tzinfo=UTC).timestamp())
ROOT = Path(__file__).resolve().parents[3]


def shape(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": sorted(properties)}


TEXT, WHOLE, FLAG, MAP = ({"type": kind} for kind in ("string", "integer", "boolean", "object"))
MAYBE_TEXT = {"type": ["string", "null"]}
MAYBE_WHOLE = {"type": ["integer", "null"]}

SCHEMAS: dict[str, dict[str, Any]] = {
    "customer": shape(id=TEXT, created=WHOLE, email=MAYBE_TEXT, livemode=FLAG, metadata=MAP),
    "product": shape(id=TEXT, active=FLAG, created=WHOLE, name=TEXT, metadata=MAP, updated=WHOLE),
    "price": shape(
        id=TEXT,
        active=FLAG,
        billing_scheme={"enum": ["per_unit", "tiered"]},
        currency={"pattern": "^[a-z]{3}$"},
        product=TEXT,
        lookup_key=MAYBE_TEXT,
        unit_amount=MAYBE_WHOLE,
        unit_amount_decimal={"type": ["string", "null"], "pattern": r"^\d+(\.\d+)?$"},
        type={"enum": ["one_time", "recurring"]},
    ),
    "billing.meter": shape(
        id=TEXT,
        created=WHOLE,
        customer_mapping=shape(event_payload_key=TEXT, type={"const": "by_id"}),
        default_aggregation=shape(formula={"enum": ["count", "last", "sum"]}),
        display_name=TEXT,
        event_name=TEXT,
        status={"enum": ["active", "inactive"]},
        status_transitions=shape(deactivated_at=MAYBE_WHOLE),
        value_settings=shape(event_payload_key=TEXT),
    ),
    "billing.meter_event": shape(
        created=WHOLE, event_name=TEXT, identifier=TEXT, payload=MAP, timestamp=WHOLE
    ),
    "billing.meter_event_summary": shape(
        id=TEXT, aggregated_value={"type": "number"}, start_time=WHOLE, end_time=WHOLE, meter=TEXT
    ),
    "billing.meter_event_adjustment": shape(
        cancel=shape(identifier=TEXT), event_name=TEXT, status={"enum": ["complete", "pending"]}
    ),
    "billing.credit_grant": shape(
        id=TEXT, amount=MAP, category={"enum": ["paid", "promotional"]}, priority=WHOLE
    ),
    "invoice": shape(id=TEXT, customer=TEXT, total=WHOLE, lines=MAP, status=TEXT),
    "line_item": shape(id=TEXT, amount=WHOLE, currency=TEXT, period=shape(start=WHOLE, end=WHOLE)),
}


class Api:
    """The SDK's client, and plain requests for what the SDK would not send."""

    def __init__(self, server: StripeServer) -> None:
        client = stripe_client(server.environment())
        assert client is not None
        self.server = server
        self.v1 = client.v1
        self.v2 = client.v2

    def call(self, method: str, path: str, data: Any = None, **headers: str) -> requests.Response:
        answer = requests.request(
            method,
            self.server.url + path,
            data=data,
            headers={"Authorization": f"Bearer {API_KEY}", **headers},
            timeout=5,
        )
        body = json.loads(answer.text)
        if answer.status_code == 200 and "object" in body:
            for item in body["data"] if body["object"] == "list" else [body]:
                jsonschema.validate(item, SCHEMAS[item["object"]])
        return answer

    def post(self, path: str, data: Any = None, **headers: str) -> dict[str, Any]:
        return dict(self.call("POST", path, data, **headers).json())

    def event(self, identifier: str = "i1", value: str = "1", **changes: Any) -> dict[str, Any]:
        return {
            "event_name": "cpu",
            "identifier": identifier,
            "payload[stripe_customer_id]": "cus_1",
            "payload[value]": value,
            "timestamp": AUGUST_31,
            **changes,
        }

    def refused(self, data: dict[str, Any]) -> tuple[str, str | None, str | None]:
        answer = self.call("POST", "/v1/billing/meter_events", data)
        assert answer.status_code == 400, answer.text
        error = answer.json()["error"]
        assert error["type"] == "invalid_request_error"
        return error["message"], error.get("code"), error.get("param")


@pytest.fixture
def api() -> Iterator[Api]:
    with StripeServer(now=NOW, customers=["cus_1"]) as server:
        made = Api(server)
        made.post(
            "/v1/billing/meters",
            {"display_name": "CPU", "event_name": "cpu", "default_aggregation[formula]": "sum"},
        )
        yield made


def meter_id(api: Api) -> str:
    return str(api.v1.billing.meters.list().data[0].id)


def test_meters_live_and_rest(api: Api) -> None:
    found = meter_id(api)
    with pytest.raises(stripe.InvalidRequestError, match="already uses the event name"):
        api.v1.billing.meters.create(
            {"display_name": "x", "event_name": "cpu", "default_aggregation": {"formula": "sum"}}
        )
    assert api.v1.billing.meters.update(found, {"display_name": "Cores"}).display_name == "Cores"
    assert api.v1.billing.meters.deactivate(found).status == "inactive"
    assert api.v1.billing.meters.list({"status": "active"}).data == []
    message, code, _ = api.refused(api.event())
    assert (message, code) == ('No active meter found for event name "cpu".', None)
    assert api.v1.billing.meters.reactivate(found).status == "active"
    assert api.v1.billing.meters.retrieve(found).event_name == "cpu"


@pytest.mark.parametrize(
    ("changes", "message", "code", "param"),
    [
        ({"event_name": "gpu"}, 'No active meter found for event name "gpu".', None, None),
        ({"colour": "red"}, "unknown parameter: colour", "parameter_unknown", "colour"),
        ({"event_name": None}, "Missing required param: event_name.", "parameter_missing", None),
        ({"payload[value]": None}, "Missing required param: payload[value]", None, None),
        ({"payload[stripe_customer_id]": None}, "payload[stripe_customer_id]", None, None),
        ({"timestamp": "soon"}, "Invalid integer: soon", None, "timestamp"),
        (
            {"timestamp": int(NOW.timestamp()) - 35 * 86_400 - 1},
            "cannot be more than 35 days in past. Expected a timestamp greater than or equal to "
            f"{int(NOW.timestamp()) - 35 * 86_400}",
            None,
            "timestamp",
        ),
        ({"timestamp": int(NOW.timestamp()) + 301}, "5 minutes in the future", None, "timestamp"),
        (
            {"payload[value]": "1234567890.123456"},
            "more than 15 significant digits",
            "meter_event_value_too_many_digits",
            None,
        ),
        ({"payload[value]": "1E-7"}, "Invalid decimal", "meter_event_invalid_value", None),
        ({"identifier": "x" * 101}, "1 to 100 characters", None, "identifier"),
    ],
)
def test_bad_events_are_refused(
    api: Api, changes: dict[str, Any], message: str, code: str | None, param: str | None
) -> None:
    said, said_code, said_param = api.refused(api.event(**changes))
    assert message in said
    assert code in (None, said_code)
    assert param in (None, said_param)
    assert api.server.meter_events() == []


@pytest.mark.parametrize("seconds", [-35 * 86_400, 300])
def test_the_edges_of_the_time_window_are_inside(api: Api, seconds: int) -> None:
    stamp = int(NOW.timestamp()) + seconds
    assert api.post("/v1/billing/meter_events", api.event(timestamp=stamp))["timestamp"] == stamp


@pytest.mark.parametrize("value", ["123456789012345", "-0.000000000001", "100000000000000000"])
def test_fifteen_digits_are_taken(api: Api, value: str) -> None:
    api.post("/v1/billing/meter_events", api.event(value=value))
    assert api.server.totals() == {("cus_1", "cpu"): Decimal(value)}


def test_an_identifier_counts_once_a_day(api: Api) -> None:
    assert api.post("/v1/billing/meter_events", api.event())["identifier"] == "i1"
    answer = api.call("POST", "/v1/billing/meter_events", api.event(value="2"))
    assert answer.json()["error"] == {
        "message": "An event already exists with identifier i1.",
        "type": "invalid_request_error",
    }
    assert answer.headers["Stripe-Should-Retry"] == "false"
    assert answer.headers["Request-Id"].startswith("req_")
    api.server.set_now(NOW + timedelta(hours=24, seconds=1))
    api.post("/v1/billing/meter_events", api.event())
    assert len(api.server.meter_events()) == 2


def test_idempotency_keys(api: Api) -> None:
    path, key = "/v1/billing/meter_events", {"Idempotency-Key": "k1"}
    first = api.call("POST", path, api.event(), **key)
    again = api.call("POST", path, api.event(), **key)
    assert (again.status_code, again.text) == (200, first.text)
    assert again.headers["Idempotent-Replayed"] == "true"
    other = api.call("POST", path, api.event(value="2"), **key)
    assert (other.status_code, other.json()["error"]["type"]) == (400, "idempotency_error")
    # A failed validation is not kept, an error of the execution is.
    assert api.call("POST", path, {"x": "1"}, **{"Idempotency-Key": "k2"}).status_code == 400
    assert api.call("POST", path, api.event("i2"), **{"Idempotency-Key": "k2"}).status_code == 200
    api.server.fault("error_500_before")
    for _ in range(2):
        kept = api.call("POST", path, api.event("i3"), **{"Idempotency-Key": "k3"})
        assert kept.status_code == 500
    assert api.call("POST", path, api.event("i3"), **{"Idempotency-Key": "k4"}).status_code == 200
    api.server.set_now(NOW + timedelta(hours=25))
    assert api.call("POST", path, api.event(), **key).status_code == 200
    assert [event.identifier for event in api.server.meter_events()] == ["i1", "i2", "i3", "i1"]


def test_summaries_are_exact_and_paged(api: Api) -> None:
    base = int(datetime(2026, 8, 20, tzinfo=UTC).timestamp())
    for hour in range(25):
        event = api.event(f"i{hour}", "0.000000000001", timestamp=base + hour * 3600)
        api.post("/v1/billing/meter_events", event)
    api.post("/v1/billing/meter_events", api.event("big", "12345678901234", timestamp=base))
    found = meter_id(api)
    url = f"/v1/billing/meters/{found}/event_summaries?customer=cus_1&start_time={base}"
    whole = api.call("GET", f"{url}&end_time={base + 2 * 86_400}")
    assert '"aggregated_value":12345678901234.000000000025' in whole.text
    window: Any = {"customer": "cus_1", "start_time": base, "end_time": base + 2 * 86_400}
    hours: Any = {**window, "value_grouping_window": "hour"}
    first = api.v1.billing.meters.event_summaries.list(found, hours)
    assert (len(first.data), first.has_more) == (10, True)
    everything = list(first.auto_paging_iter())
    assert len(everything) == 25
    days = api.v1.billing.meters.event_summaries.list(
        found, {**window, "value_grouping_window": "day"}
    )
    assert [item.start_time for item in days.data] == [base + 86_400, base]
    # The start is inside, the end is not.
    edge: Any = {"customer": "cus_1", "start_time": base, "end_time": base + 3600}
    assert len(api.v1.billing.meters.event_summaries.list(found, edge).data) == 1
    late: Any = {"customer": "cus_1", "start_time": base + 86_460, "end_time": base + 90_000}
    assert api.v1.billing.meters.event_summaries.list(found, late).data == []


@pytest.mark.parametrize(
    "query",
    [
        "customer=cus_1&start_time=1&end_time=60",
        "customer=cus_1&start_time=60&end_time=60",
        "customer=cus_1&start_time=60&end_time=7200&value_grouping_window=hour",
        "customer=cus_1&start_time=0&end_time=3600&value_grouping_window=day",
        "customer=cus_1&start_time=0&end_time=3600&value_grouping_window=week",
        "start_time=0&end_time=3600",
        "customer=cus_1&start_time=0&end_time=3600&limit=101",
    ],
)
def test_bad_summary_windows_are_refused(api: Api, query: str) -> None:
    path = f"/v1/billing/meters/{meter_id(api)}/event_summaries?{query}"
    assert api.call("GET", path).status_code == 400


def test_summaries_may_lag() -> None:
    with StripeServer(now=NOW, any_customer=True, summary_lag=600) as server:
        api = Api(server)
        api.post(
            "/v1/billing/meters",
            {"display_name": "CPU", "event_name": "cpu", "default_aggregation[formula]": "sum"},
        )
        api.post("/v1/billing/meter_events", api.event())
        window: Any = {
            "customer": "cus_1",
            "start_time": AUGUST_31 - 59,
            "end_time": AUGUST_31 + 1,
        }
        summaries = api.v1.billing.meters.event_summaries
        assert summaries.list(meter_id(api), window).data == []
        server.set_now(NOW + timedelta(minutes=10))
        assert summaries.list(meter_id(api), window).data[0].aggregated_value == 1


@pytest.mark.parametrize(("formula", "expected"), [("sum", "7"), ("count", "3"), ("last", "4")])
def test_formulas(api: Api, formula: str, expected: str) -> None:
    api.post(
        "/v1/billing/meters",
        {"display_name": "m", "event_name": "m", "default_aggregation[formula]": formula},
    )
    for number, value in enumerate(["1", "2", "4"]):
        stamp = AUGUST_31 - 30 + number
        event = api.event(f"i{number}", value, event_name="m", timestamp=stamp)
        api.post("/v1/billing/meter_events", event)
    window: Any = {"customer": "cus_1", "start_time": AUGUST_31 - 59, "end_time": AUGUST_31 + 1}
    found = api.v1.billing.meters.event_summaries.list(meter_id(api), window)
    assert found.data[0].aggregated_value == int(expected)


def test_preaggregated_meters_keep_the_last_of_a_window(api: Api) -> None:
    api.post(
        "/v1/billing/meters",
        {
            "display_name": "d",
            "event_name": "d",
            "default_aggregation[formula]": "sum",
            "event_time_window": "day",
        },
    )
    for number, value in enumerate(["1", "2", "4"]):
        api.post("/v1/billing/meter_events", api.event(f"i{number}", value, event_name="d"))
    window: Any = {"customer": "cus_1", "start_time": AUGUST_31 - 59, "end_time": AUGUST_31 + 1}
    found = api.v1.billing.meters.event_summaries.list(meter_id(api), window)
    assert found.data[0].aggregated_value == 4


def test_an_event_can_be_cancelled_for_a_day(api: Api) -> None:
    api.post("/v1/billing/meter_events", api.event())
    api.post("/v1/billing/meter_events", api.event("i2", "5"))
    cancel = {"event_name": "cpu", "type": "cancel", "cancel[identifier]": "i1"}
    assert api.post("/v1/billing/meter_event_adjustments", cancel)["status"] == "complete"
    assert api.server.totals() == {("cus_1", "cpu"): Decimal(5)}
    api.server.set_now(NOW + timedelta(hours=25))
    late = api.call("POST", "/v1/billing/meter_event_adjustments", {**cancel})
    assert late.status_code == 400


def test_prices_and_products(api: Api) -> None:
    v1 = api.v1
    product = v1.products.create({"id": "mh_pro", "name": "Pro", "metadata": {"plan_id": "pro"}})
    assert product.id == "mh_pro"
    with pytest.raises(stripe.InvalidRequestError, match="already exists"):
        v1.products.create({"id": "mh_pro", "name": "Pro"})
    renamed = v1.products.update("mh_pro", {"name": "Pro 2", "metadata": {"plan_id": "", "b": "1"}})
    assert (renamed.name, renamed.metadata.to_dict()) == ("Pro 2", {"b": "1"})
    price: Any = {
        "currency": "USD",
        "product": "mh_pro",
        "unit_amount_decimal": "0.000578703704",
        "lookup_key": "pro:cpu",
        "recurring": {"interval": "month", "usage_type": "metered", "meter": meter_id(api)},
    }
    first = v1.prices.create(price)
    assert (first.unit_amount, first.unit_amount_decimal) == (None, Decimal("0.000578703704"))
    with pytest.raises(stripe.InvalidRequestError, match="already uses that lookup key"):
        v1.prices.create(price)
    second = v1.prices.create({**price, "transfer_lookup_key": True})
    assert v1.prices.retrieve(first.id).lookup_key is None
    v1.prices.update(first.id, {"active": False})
    assert [item.id for item in v1.prices.list({"lookup_keys": ["pro:cpu"]})] == [second.id]
    assert [item.id for item in v1.prices.list({"active": False})] == [first.id]
    with pytest.raises(stripe.InvalidRequestError, match="must be backed by meters"):
        v1.prices.create(
            {
                **price,
                "lookup_key": "x",
                "recurring": {"interval": "month", "usage_type": "metered"},
            }
        )
    api.call("GET", f"/v1/prices/{second.id}")
    api.call("GET", "/v1/products")


def test_tiers_come_when_asked_for(api: Api) -> None:
    product = api.v1.products.create({"name": "Pro"})
    price = api.v1.prices.create(
        {
            "currency": "usd",
            "product": product.id,
            "billing_scheme": "tiered",
            "tiers_mode": "graduated",
            "tiers": [
                {"up_to": 100, "unit_amount_decimal": Decimal("0.5"), "flat_amount": 10},
                {"up_to": "inf", "unit_amount_decimal": Decimal("0.25")},
            ],
        }
    )
    assert not hasattr(price, "tiers")
    asked: Any = api.v1.prices.retrieve(price.id, {"expand": ["tiers"]})
    assert [tier.up_to for tier in asked.tiers] == [100, None]
    assert asked.tiers[0].unit_amount_decimal == Decimal("0.5")
    listed: Any = api.v1.prices.list({"expand": ["data.tiers"]}).data[0]
    assert listed.tiers[0].flat_amount == 10
    with pytest.raises(stripe.InvalidRequestError, match="must ascend"):
        api.v1.prices.create(
            {
                "currency": "usd",
                "product": product.id,
                "billing_scheme": "tiered",
                "tiers_mode": "volume",
                "tiers": [{"up_to": 5, "unit_amount": 1}, {"up_to": 5, "unit_amount": 1}],
            }
        )


def test_amounts_with_an_exponent_are_refused(api: Api) -> None:
    api.post("/v1/products", {"id": "p", "name": "P"})
    bad = {"currency": "usd", "product": "p", "unit_amount_decimal": "1E-12"}
    assert api.call("POST", "/v1/prices", bad).status_code == 400
    too_fine = {**bad, "unit_amount_decimal": "0.0000000000001"}
    assert api.call("POST", "/v1/prices", too_fine).status_code == 400


def test_customers_and_grants(api: Api) -> None:
    customer = api.v1.customers.create({"name": "Ada", "email": "ada@example.com"})
    assert api.v1.customers.update(customer.id, {"name": "Ada L."}).name == "Ada L."
    assert [item.id for item in api.v1.customers.list({"email": "ada@example.com"})] == [
        customer.id
    ]
    grant: Any = {
        "customer": customer.id,
        "amount": {"type": "monetary", "monetary": {"currency": "usd", "value": 500}},
        "applicability_config": {"scope": {"price_type": "metered"}},
        "category": "promotional",
    }
    made = api.v1.billing.credit_grants.create(grant)
    assert (made.priority, made.category) == (50, "promotional")
    assert len(api.v1.billing.credit_grants.list({"customer": customer.id}).data) == 1
    with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
        api.v1.billing.credit_grants.create({**grant, "customer": "cus_none"})
    api.call("GET", "/v1/billing/credit_grants")
    api.call("GET", "/v1/customers")


def test_invoices_come_through_the_hook(api: Api) -> None:
    invoice = requests.post(
        f"{api.server.url}/_invoices",
        json={
            "customer": "cus_1",
            "period_start": 0,
            "period_end": 60,
            "status": "open",
            "lines": [{"amount": number, "quantity_decimal": "1.5"} for number in range(12)],
        },
        timeout=5,
    ).json()
    assert invoice["total"] == 66
    listed = api.v1.invoices.list({"customer": "cus_1", "status": "open"}).data[0]
    assert (len(listed.lines.data), listed.lines.has_more) == (10, True)
    lines = api.v1.invoices.line_items.list(listed.id)
    assert sum(line.amount for line in lines.auto_paging_iter()) == 66
    api.call("GET", f"/v1/invoices/{invoice['id']}/lines")
    api.call("GET", f"/v1/invoices/{invoice['id']}")
    assert api.v1.invoices.list({"customer": "cus_2"}).data == []


def test_plain_objects_can_be_listed(api: Api) -> None:
    api.server.add_object("subscription", {"id": "sub_1", "customer": "cus_1", "status": "active"})
    found = api.v1.subscriptions.list({"customer": "cus_1", "status": "all", "limit": 5})
    assert [item.id for item in found] == ["sub_1"]
    assert api.v1.credit_notes.list().data == []
    assert api.v1.events.list({"created": {"gte": 0}}).data == []


def test_lists_are_walked_both_ways(api: Api) -> None:
    api.server.add_customers(f"cus_{number}" for number in range(2, 26))
    ids = [item.id for item in api.v1.customers.list({"limit": 7}).auto_paging_iter()]
    assert ids == [f"cus_{number}" for number in range(25, 0, -1)]
    back = api.v1.customers.list({"limit": 3, "ending_before": "cus_10"})
    assert [item.id for item in back.data] == ["cus_13", "cus_12", "cus_11"]
    assert back.has_more
    with pytest.raises(stripe.InvalidRequestError, match="No such"):
        api.v1.customers.list({"starting_after": "cus_99"})


@pytest.mark.parametrize(
    ("header", "status"),
    [("", 401), ("Bearer sk_" + "live_x", 401), ("Basic x", 401), (f"Bearer {API_KEY}", 200)],
)
def test_a_test_key_is_required(api: Api, header: str, status: int) -> None:
    url = f"{api.server.url}/v1/customers"
    answer = requests.get(url, headers={"Authorization": header}, timeout=5)
    assert answer.status_code == status


def test_unknown_addresses_and_objects(api: Api) -> None:
    assert api.call("GET", "/v1/nothing").json()["error"]["message"] == (
        "Unrecognized request URL (GET: /v1/nothing)."
    )
    missing = api.call("GET", "/v1/customers/cus_none")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "resource_missing")
    assert api.call("POST", "/v1/customers", "a[[b=1").status_code == 400


def test_the_sdk_rides_out_faults(api: Api) -> None:
    api.server.fault("drop_after", path="/v1/products", times=1)
    assert api.v1.products.create({"name": "One"}).name == "One"
    assert len(api.v1.products.list().data) == 1
    with pytest.raises(ValueError, match="one of error_500_before"):
        Fault("explode")  # type: ignore[arg-type]


def test_hooks_work_from_other_processes(api: Api) -> None:
    url = api.server.url
    fault = {"kind": "error_500_before", "times": None}
    assert requests.post(f"{url}/_faults", json=fault, timeout=5).json() == {"waiting": 1}
    assert api.call("POST", "/v1/billing/meter_events", api.event()).status_code == 500
    assert requests.delete(f"{url}/_faults", timeout=5).json() == {"waiting": 0}
    later = {"now": "2026-09-03T00:00:00+00:00"}
    assert requests.post(f"{url}/_clock", json=later, timeout=5).json()["now"] == 1788393600
    requests.post(f"{url}/_customers", json={"ids": ["cus_7"]}, timeout=5)
    assert api.v1.customers.retrieve("cus_7").id == "cus_7"
    api.post("/v1/billing/meter_events", api.event(value="0.5"))
    stats = requests.get(f"{url}/_stats", timeout=5).json()
    assert stats["meter_events"] == 1
    assert stats["totals"] == [{"customer": "cus_1", "event_name": "cpu", "value": "0.5"}]
    assert requests.get(f"{url}/_secrets", timeout=5).status_code == 400


@settings(max_examples=200)
@given(st.decimals(allow_nan=False, allow_infinity=False, places=12))
def test_numbers_are_written_digit_by_digit(value: Decimal) -> None:
    text = dumps({"a": [value, 1, None, True, 'ä"']})
    assert "E" not in text.split(",")[0]
    assert Decimal(str(loads(text)["a"][0])) == value
    with pytest.raises(TypeError, match="no exact JSON form"):
        dumps(0.5)


def test_state_survives_a_killed_server(tmp_path: Path) -> None:
    state = tmp_path / "stripe.sqlite"
    code = (
        "import sys; from pathlib import Path; from datetime import datetime\n"
        "from dagster_project.stripe.server import serve\n"
        "serve(0, datetime.fromisoformat(sys.argv[1]), Path(sys.argv[2]), any_customer=True)"
    )

    def start() -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(
            [sys.executable, "-c", code, NOW.isoformat(), str(state)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        announced = process.stdout.readline()
        assert announced.startswith("listening on http://127.0.0.1:")
        return process, announced.split()[-1]

    def send(url: str, path: str, data: dict[str, Any]) -> int:
        key = {"Authorization": f"Bearer {API_KEY}"}
        return requests.post(url + path, data=data, headers=key, timeout=5).status_code

    process, url = start()
    meter = {"display_name": "c", "event_name": "cpu", "default_aggregation[formula]": "sum"}
    assert send(url, "/v1/billing/meters", meter) == 200
    event = {
        "event_name": "cpu",
        "identifier": "i1",
        "payload[stripe_customer_id]": "cus_1",
        "payload[value]": "12345678.1234567",
    }
    assert send(url, "/v1/billing/meter_events", event) == 200
    process.kill()
    process.communicate()
    process, url = start()
    assert send(url, "/v1/billing/meter_events", event) == 400
    stats = requests.get(f"{url}/_stats", timeout=5).json()
    assert stats["totals"][0]["value"] == "12345678.1234567"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=10)
    assert process.returncode == 0
