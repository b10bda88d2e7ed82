"""Meters, meter events, their adjustments, summaries and error reports."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Context, Decimal
from hashlib import sha256
from typing import Any

from stripe.params.billing._meter_create_params import MeterCreateParams
from stripe.params.billing._meter_deactivate_params import MeterDeactivateParams
from stripe.params.billing._meter_event_adjustment_create_params import (
    MeterEventAdjustmentCreateParams,
)
from stripe.params.billing._meter_event_create_params import MeterEventCreateParams
from stripe.params.billing._meter_event_summary_list_params import MeterEventSummaryListParams
from stripe.params.billing._meter_list_params import MeterListParams
from stripe.params.billing._meter_reactivate_params import MeterReactivateParams
from stripe.params.billing._meter_retrieve_params import MeterRetrieveParams
from stripe.params.billing._meter_update_params import MeterUpdateParams

from dagster_project.stripe.server.calls import Call, need, page
from dagster_project.stripe.server.errors import ApiError, invalid, missing, no_such
from dagster_project.stripe.server.store import MeterEvent

OLDEST_SECONDS = 35 * 86_400
FUTURE_SECONDS = 300
UNIQUE_SECONDS = 86_400
MOST_DIGITS = 15

_DECIMAL = re.compile(r"-?\d+(\.\d+)?")
_SECONDS = {"hour": 3_600, "day": 86_400}
_EXACT = Context(prec=200)


def create_meter(call: Call) -> dict[str, Any]:
    """POST /v1/billing/meters"""
    params = call.accept(MeterCreateParams)
    _limit(params, "display_name", 250)
    _limit(params, "event_name", 100)
    formula = params["default_aggregation"]["formula"]
    if formula not in ("sum", "count", "last"):
        raise invalid(
            "default_aggregation[formula]",
            "Invalid default_aggregation[formula]: must be one of sum, count, or last",
        )
    if params.get("event_time_window") not in (None, "day", "hour"):
        raise invalid("event_time_window", "Invalid event_time_window: must be one of day or hour")
    _refuse_second(call, params["event_name"])
    meter = {
        "id": call.store.new_id("mtr"),
        "object": "billing.meter",
        "created": call.now,
        "customer_mapping": params.get("customer_mapping")
        or {"event_payload_key": "stripe_customer_id", "type": "by_id"},
        "default_aggregation": {"formula": formula},
        "display_name": params["display_name"],
        "event_name": params["event_name"],
        "event_time_window": params.get("event_time_window"),
        "livemode": False,
        "status": "active",
        "status_transitions": {"deactivated_at": None},
        "updated": call.now,
        "value_settings": params.get("value_settings") or {"event_payload_key": "value"},
    }
    return call.store.put("meter", meter)


def retrieve_meter(call: Call, meter_id: str) -> dict[str, Any]:
    """GET /v1/billing/meters/{id}"""
    call.accept(MeterRetrieveParams)
    return need(call.store, "meter", "billing meter", meter_id)


def update_meter(call: Call, meter_id: str) -> dict[str, Any]:
    """POST /v1/billing/meters/{id}; only the display name can change"""
    params = call.accept(MeterUpdateParams)
    meter = need(call.store, "meter", "billing meter", meter_id)
    if "display_name" in params:
        _limit(params, "display_name", 250)
        meter = {**meter, "display_name": params["display_name"], "updated": call.now}
    return call.store.put("meter", meter)


def list_meters(call: Call) -> dict[str, Any]:
    """GET /v1/billing/meters"""
    params = call.accept(MeterListParams)
    wanted = params.get("status")
    meters = [item for item in call.store.all("meter") if wanted in (None, item["status"])]
    return page(call, meters, params)


def deactivate_meter(call: Call, meter_id: str) -> dict[str, Any]:
    """POST /v1/billing/meters/{id}/deactivate"""
    call.accept(MeterDeactivateParams)
    meter = need(call.store, "meter", "billing meter", meter_id)
    if meter["status"] == "inactive":
        raise invalid("id", "This meter is already inactive.")
    return _with_status(call, meter, "inactive", call.now)


def reactivate_meter(call: Call, meter_id: str) -> dict[str, Any]:
    """POST /v1/billing/meters/{id}/reactivate"""
    call.accept(MeterReactivateParams)
    meter = need(call.store, "meter", "billing meter", meter_id)
    if meter["status"] == "active":
        raise invalid("id", "This meter is already active.")
    _refuse_second(call, meter["event_name"])
    return _with_status(call, meter, "active", None)


def create_event(call: Call) -> dict[str, Any]:
    """POST /v1/billing/meter_events

    An event for a customer that does not exist is taken, as Stripe takes it, counts nowhere and
    turns up in an error report.
    """
    params = call.accept(MeterEventCreateParams)
    name = params["event_name"]
    _limit(params, "event_name", 100)
    _limit(params, "identifier", 100)
    timestamp = params.get("timestamp", call.now)
    _check_time(timestamp, call.now)
    meter = _active_meter(call, name)
    if meter is None:
        raise invalid_stored(f'No active meter found for event name "{name}".')
    payload = params["payload"]
    value = _value(payload, meter["value_settings"]["event_payload_key"])
    customer_key = meter["customer_mapping"]["event_payload_key"]
    if not payload.get(customer_key):
        raise missing(f"payload[{customer_key}]")
    customer = payload[customer_key]
    identifier = params.get("identifier") or _made_up(call)
    _refuse_duplicate(call, identifier)
    known = call.any_customer or call.store.get("customer", customer) is not None
    call.store.add_event(
        MeterEvent(0, identifier, name, meter["id"], customer, value, timestamp, call.now, known)
    )
    if not known:
        _report_error(call, meter, customer)
    return {
        "object": "billing.meter_event",
        "created": call.now,
        "event_name": name,
        "identifier": identifier,
        "livemode": False,
        "payload": payload,
        "timestamp": timestamp,
    }


def create_adjustment(call: Call) -> dict[str, Any]:
    """POST /v1/billing/meter_event_adjustments; cancels an event received in the last 24 hours"""
    params = call.accept(MeterEventAdjustmentCreateParams)
    identifier = (params.get("cancel") or {}).get("identifier")
    if not identifier:
        raise missing("cancel[identifier]")
    meter = _active_meter(call, params["event_name"])
    if meter is None:
        raise invalid_stored(f'No active meter found for event name "{params["event_name"]}".')
    events = call.store.events(
        "identifier = ? AND meter_id = ? AND received > ?",
        identifier,
        meter["id"],
        call.now - UNIQUE_SECONDS,
    )
    if not events:
        raise no_such("meter event", identifier, param="cancel[identifier]", status=400)
    for event in events:
        call.store.cancel_event(event.seq)
    return {
        "object": "billing.meter_event_adjustment",
        "cancel": {"identifier": identifier},
        "event_name": params["event_name"],
        "livemode": False,
        "status": "complete",
        "type": "cancel",
    }


def list_summaries(call: Call, meter_id: str) -> dict[str, Any]:
    """GET /v1/billing/meters/{id}/event_summaries; windows without events have no summary"""
    params = call.accept(MeterEventSummaryListParams)
    meter = need(call.store, "meter", "billing meter", meter_id)
    start, end = params["start_time"], params["end_time"]
    window = params.get("value_grouping_window")
    if window not in (None, "hour", "day"):
        raise invalid(
            "value_grouping_window", "Invalid value_grouping_window: must be one of day or hour"
        )
    unit = _SECONDS[window] if window else 60
    for name in ("start_time", "end_time"):
        if params[name] % unit:
            raise invalid(name, f"{name} must be aligned with {window or 'minute'} boundaries.")
    if start >= end:
        raise invalid("end_time", "end_time must be after start_time.")
    events = call.store.events(
        "meter_id = ? AND customer = ? AND timestamp >= ? AND timestamp < ? AND counted = 1 "
        "AND received <= ?",
        meter_id,
        params["customer"],
        start,
        end,
        call.now - call.summary_lag,
    )
    buckets: dict[int, list[MeterEvent]] = {}
    for event in _effective(events, meter["event_time_window"]):
        bucket = event.timestamp - event.timestamp % unit if window else start
        buckets.setdefault(bucket, []).append(event)
    customer = params["customer"]
    summaries = [
        {
            "id": _summary_id(meter_id, customer, bucket, bucket + unit if window else end),
            "object": "billing.meter_event_summary",
            "aggregated_value": aggregate(found, meter["default_aggregation"]["formula"]),
            "end_time": bucket + unit if window else end,
            "livemode": False,
            "meter": meter_id,
            "start_time": bucket,
        }
        for bucket, found in sorted(buckets.items(), reverse=True)
    ]
    return page(call, summaries, params)


def aggregate(events: Iterable[MeterEvent], formula: str) -> Decimal:
    """The meter's value of some events, exact."""
    found = list(events)
    if formula == "count":
        return Decimal(len(found))
    if formula == "last":
        return max(found, key=lambda event: (event.timestamp, event.seq)).value
    total = Decimal(0)
    for event in found:
        total = _EXACT.add(total, event.value)
    return total


def list_core_events(call: Call) -> dict[str, Any]:
    """GET /v2/core/events: the reports of events that could not be counted, newest first"""
    params = call.params
    for name in params:
        if name not in ("limit", "object_id", "types", "created", "page"):
            raise ApiError(400, f"Unknown parameter: {name}", code="unknown_parameter")
    types = list((params.get("types") or {}).values()) if "types" in params else None
    found = [
        _thin(item)
        for item in call.store.all("core_event")
        if item["visible_at"] <= call.now
        and params.get("object_id") in (None, item["related_object"]["id"])
        and (types is None or item["type"] in types)
        and _created_fits(item["created"], params.get("created") or {})
    ]
    limit, start = int(params.get("limit", 20)), int(params.get("page", 0))
    more = start + limit < len(found)
    following = f"/v2/core/events?limit={limit}&page={start + limit}" if more else None
    return {
        "data": found[start : start + limit],
        "next_page_url": following,
        "previous_page_url": None,
    }


def retrieve_core_event(call: Call, event_id: str) -> dict[str, Any]:
    """GET /v2/core/events/{id}, with its data"""
    found = call.store.get("core_event", event_id)
    if found is None or found["visible_at"] > call.now:
        raise no_such("event", event_id)
    return {name: value for name, value in found.items() if name != "visible_at"}


def invalid_stored(message: str) -> ApiError:
    """A refusal after execution had begun, without a code, as Stripe gives them for events."""
    return ApiError(400, message, stored=True, headers={"Stripe-Should-Retry": "false"})


def _refuse_duplicate(call: Call, identifier: str) -> None:
    if call.store.events("identifier = ? AND received > ?", identifier, call.now - UNIQUE_SECONDS):
        raise invalid_stored(f"An event already exists with identifier {identifier}.")


def _check_time(timestamp: int, now: int) -> None:
    oldest = now - OLDEST_SECONDS
    if timestamp < oldest:
        raise invalid(
            "timestamp",
            "The event timestamp cannot be more than 35 days in past. Expected a timestamp greater "
            f"than or equal to {oldest}",
        )
    if timestamp > now + FUTURE_SECONDS:
        raise invalid(
            "timestamp",
            "The event timestamp cannot be more than 5 minutes in the future. Expected a timestamp "
            f"less than or equal to {now + FUTURE_SECONDS}",
        )


def _value(payload: dict[str, str], key: str) -> Decimal:
    if key not in payload:
        raise missing(f"payload[{key}]")
    text = payload[key]
    if not _DECIMAL.fullmatch(text):
        raise invalid(f"payload[{key}]", f"Invalid decimal: {text}", "meter_event_invalid_value")
    value = Decimal(text)
    if len(value.normalize(_EXACT).as_tuple().digits) > MOST_DIGITS:
        raise invalid(
            f"payload[{key}]",
            f"The value {text} has more than {MOST_DIGITS} significant digits.",
            "meter_event_value_too_many_digits",
        )
    return value


def _report_error(call: Call, meter: dict[str, Any], customer: str) -> None:
    created = datetime.fromtimestamp(call.now, UTC)
    stamp = created.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    message = f"Customer mapping key value `{customer}` was not found."
    request: dict[str, Any] = {"identifier": call.idempotency_key or ""}
    call.store.put(
        "core_event",
        {
            "id": call.store.new_id("evt_test"),
            "object": "v2.core.event",
            "type": "v1.billing.meter.error_report_triggered",
            "created": stamp,
            "context": None,
            "livemode": False,
            "reason": None,
            "related_object": {
                "id": meter["id"],
                "type": "billing.meter",
                "url": f"/v1/billing/meters/{meter['id']}",
            },
            "data": {
                "developer_message_summary": "There is 1 invalid event",
                "reason": {
                    "error_count": 1,
                    "error_types": [
                        {
                            "code": "meter_event_customer_not_found",
                            "error_count": 1,
                            "sample_errors": [{"error_message": message, "request": request}],
                        }
                    ],
                },
                "validation_start": stamp,
                "validation_end": stamp,
            },
            "visible_at": call.now + call.error_lag,
        },
    )


def _thin(event: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name not in ("data", "visible_at")}


def _created_fits(created: str, bounds: dict[str, str]) -> bool:
    moment = datetime.fromisoformat(created)
    checks = {
        "gt": lambda bound: moment > bound,
        "gte": lambda bound: moment >= bound,
        "lt": lambda bound: moment < bound,
        "lte": lambda bound: moment <= bound,
    }
    return all(checks[name](datetime.fromisoformat(bound)) for name, bound in bounds.items())


def _effective(events: list[MeterEvent], window: str | None) -> list[MeterEvent]:
    """The events that count: of a pre-aggregated meter only the last received of each window."""
    if window is None:
        return events
    last: dict[int, MeterEvent] = {}
    for event in events:
        last[event.timestamp // _SECONDS[window]] = event
    return list(last.values())


def _active_meter(call: Call, event_name: str) -> dict[str, Any] | None:
    for meter in call.store.all("meter"):
        if meter["event_name"] == event_name and meter["status"] == "active":
            return meter
    return None


def _refuse_second(call: Call, event_name: str) -> None:
    standing = _active_meter(call, event_name)
    if standing is not None:
        raise ApiError(
            400,
            f"An active meter ({standing['id']}) already uses the event name `{event_name}`.",
            param="event_name",
            stored=True,
        )


def _with_status(
    call: Call, meter: dict[str, Any], status: str, deactivated_at: int | None
) -> dict[str, Any]:
    changed = {
        **meter,
        "status": status,
        "status_transitions": {"deactivated_at": deactivated_at},
        "updated": call.now,
    }
    return call.store.put("meter", changed)


def _limit(params: dict[str, Any], name: str, most: int) -> None:
    value = params.get(name)
    if value is not None and not 1 <= len(value) <= most:
        raise invalid(name, f"Invalid string: {name} must be 1 to {most} characters long")


def _made_up(call: Call) -> str:
    return f"identifier_{call.store.count('identifier')}"


def _summary_id(*parts: object) -> str:
    return "mtrusg_" + sha256("|".join(map(str, parts)).encode()).hexdigest()[:24]
