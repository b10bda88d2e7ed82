"""Invoices, credit grants, and objects that can only be listed here.

Nothing bills by itself on this server: invoices and plain objects are put in through its hooks.
"""

from typing import Any

from stripe.params._invoice_line_item_list_params import InvoiceLineItemListParams
from stripe.params._invoice_list_params import InvoiceListParams
from stripe.params._invoice_retrieve_params import InvoiceRetrieveParams
from stripe.params.billing._credit_grant_create_params import CreditGrantCreateParams
from stripe.params.billing._credit_grant_list_params import CreditGrantListParams
from stripe.params.billing._credit_grant_retrieve_params import CreditGrantRetrieveParams

from dagster_project.stripe.server.calls import Call, in_range, merge_metadata, need, page
from dagster_project.stripe.server.errors import invalid
from dagster_project.stripe.server.store import Store

# Objects that are only listed: path -> kind. Their parameters are the common ones of lists.
PLAIN_LISTS = {
    "/v1/subscriptions": "subscription",
    "/v1/credit_notes": "credit_note",
    "/v1/billing/credit_balance_transactions": "credit_balance_transaction",
    "/v1/events": "event",
}
_PLAIN_FILTERS = ("customer", "credit_grant", "subscription", "invoice", "status", "type")


def list_invoices(call: Call) -> dict[str, Any]:
    """GET /v1/invoices"""
    params = call.accept(InvoiceListParams)
    found = [
        item
        for item in call.store.all("invoice")
        if all(params.get(name) in (None, item.get(name)) for name in ("customer", "status"))
        and params.get("subscription") in (None, _subscription(item))
        and in_range(item["created"], params.get("created"))
    ]
    listed = page(call, found, params)
    listed["data"] = [_short(item) for item in listed["data"]]
    return listed


def retrieve_invoice(call: Call, invoice_id: str) -> dict[str, Any]:
    """GET /v1/invoices/{id}, with its first ten lines"""
    call.accept(InvoiceRetrieveParams)
    return _short(need(call.store, "invoice", "invoice", invoice_id))


def list_invoice_lines(call: Call, invoice_id: str) -> dict[str, Any]:
    """GET /v1/invoices/{id}/lines"""
    params = call.accept(InvoiceLineItemListParams)
    invoice = need(call.store, "invoice", "invoice", invoice_id)
    return page(call, invoice["lines"]["data"], params)


def put_invoice(store: Store, invoice: dict[str, Any], now: int) -> dict[str, Any]:
    """The hook behind invoices: the given fields, the rest filled in, totals from the lines.

    `invoice` needs `customer, period_start, period_end` and `lines`, a list of line objects with
    at least `amount`; times in unix seconds, amounts in minor units.
    """
    lines = [dict(line) for line in invoice.get("lines", [])]
    invoice_id = invoice.get("id") or store.new_id("in")
    currency = invoice.get("currency", "usd")
    for line in lines:
        line.setdefault("id", store.new_id("il"))
        line.setdefault("object", "line_item")
        line.setdefault("currency", currency)
        line.setdefault("description", None)
        line.setdefault("invoice", invoice_id)
        line.setdefault("livemode", False)
        line.setdefault("metadata", {})
        line.setdefault("period", {"start": invoice["period_start"], "end": invoice["period_end"]})
    subtotal = sum(int(line["amount"]) for line in lines)
    body = {
        "id": invoice_id,
        "object": "invoice",
        "amount_due": subtotal,
        "amount_paid": 0,
        "auto_advance": True,
        "automatically_finalizes_at": None,
        "billing_reason": "subscription_cycle",
        "collection_method": "charge_automatically",
        "created": now,
        "currency": currency,
        "livemode": False,
        "metadata": {},
        "status": "draft",
        "subtotal": subtotal,
        "total": subtotal,
        **{name: value for name, value in invoice.items() if name not in ("id", "lines")},
        "lines": {
            "object": "list",
            "data": lines,
            "has_more": False,
            "url": f"/v1/invoices/{invoice_id}/lines",
        },
    }
    return store.put("invoice", body)


def create_grant(call: Call) -> dict[str, Any]:
    """POST /v1/billing/credit_grants"""
    params = call.accept(CreditGrantCreateParams)
    monetary = params["amount"].get("monetary")
    if monetary is None or monetary["value"] <= 0:
        raise invalid("amount[monetary][value]", "Must be a positive integer.")
    if "customer" not in params:
        raise invalid("customer", "Missing required param: customer.", "parameter_missing")
    need(call.store, "customer", "customer", params["customer"], param="customer")
    if params.get("category", "paid") not in ("paid", "promotional"):
        raise invalid("category", "Invalid category: must be one of paid or promotional")
    if not 0 <= params.get("priority", 50) <= 100:
        raise invalid("priority", "Invalid integer: priority must be between 0 and 100")
    grant = {
        "id": call.store.new_id("credgr"),
        "object": "billing.credit_grant",
        "amount": {"monetary": monetary, "type": "monetary"},
        "applicability_config": params["applicability_config"],
        "category": params.get("category", "paid"),
        "created": call.now,
        "customer": params["customer"],
        "customer_account": None,
        "effective_at": params.get("effective_at", call.now),
        "expires_at": params.get("expires_at"),
        "livemode": False,
        "metadata": merge_metadata({}, params.get("metadata")),
        "name": params.get("name"),
        "priority": params.get("priority", 50),
        "test_clock": None,
        "updated": call.now,
        "voided_at": None,
    }
    return call.store.put("credit_grant", grant)


def retrieve_grant(call: Call, grant_id: str) -> dict[str, Any]:
    """GET /v1/billing/credit_grants/{id}"""
    call.accept(CreditGrantRetrieveParams)
    return need(call.store, "credit_grant", "credit grant", grant_id)


def list_grants(call: Call) -> dict[str, Any]:
    """GET /v1/billing/credit_grants"""
    params = call.accept(CreditGrantListParams)
    customer = params.get("customer")
    found = [
        item for item in call.store.all("credit_grant") if customer in (None, item["customer"])
    ]
    return page(call, found, params)


def list_plain(call: Call) -> dict[str, Any]:
    """GET of one of `PLAIN_LISTS`"""
    params: dict[str, Any] = dict(call.params)
    if "limit" in params:
        params["limit"] = int(params["limit"]) if str(params["limit"]).isdigit() else 0
    bounds = params.get("created")
    if isinstance(bounds, dict):
        bounds = {name: int(bound) for name, bound in bounds.items()}
    elif bounds is not None:
        bounds = int(bounds)
    wanted = {name: params[name] for name in _PLAIN_FILTERS if name in params}
    # `all` is not a status but the wish for every one.
    wanted = {name: value for name, value in wanted.items() if (name, value) != ("status", "all")}
    found = [
        item
        for item in call.store.all(PLAIN_LISTS[call.path])
        if all(item.get(name) == value for name, value in wanted.items())
        and in_range(item.get("created"), bounds)
    ]
    return page(call, found, params)


def _short(invoice: dict[str, Any]) -> dict[str, Any]:
    lines = invoice["lines"]
    first = {**lines, "data": lines["data"][:10], "has_more": len(lines["data"]) > 10}
    return {**invoice, "lines": first}


def _subscription(invoice: dict[str, Any]) -> Any:
    parent = invoice.get("parent") or {}
    return (parent.get("subscription_details") or {}).get("subscription")
