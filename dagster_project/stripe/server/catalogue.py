"""Customers, products and prices."""

from decimal import Decimal
from typing import Any

from stripe.params._customer_create_params import CustomerCreateParams
from stripe.params._customer_list_params import CustomerListParams
from stripe.params._customer_retrieve_params import CustomerRetrieveParams
from stripe.params._customer_update_params import CustomerUpdateParams
from stripe.params._price_create_params import PriceCreateParams
from stripe.params._price_list_params import PriceListParams
from stripe.params._price_retrieve_params import PriceRetrieveParams
from stripe.params._price_update_params import PriceUpdateParams
from stripe.params._product_create_params import ProductCreateParams
from stripe.params._product_list_params import ProductListParams
from stripe.params._product_retrieve_params import ProductRetrieveParams
from stripe.params._product_update_params import ProductUpdateParams

from dagster_project.stripe.server.calls import Call, in_range, merge_metadata, need, page
from dagster_project.stripe.server.errors import ApiError, invalid, missing
from dagster_project.stripe.server.jsontext import fixed

_CUSTOMER_FIELDS = ("address", "description", "email", "name", "phone", "shipping")
_PRODUCT_FIELDS = ("description", "name", "statement_descriptor", "tax_code", "unit_label", "url")
_MOST_DECIMALS = 12
_METERLESS = (
    "Starting with Stripe version `2025-03-31.basil`, metered prices must be backed by meters."
)


def create_customer(call: Call) -> dict[str, Any]:
    """POST /v1/customers"""
    params = call.accept(CustomerCreateParams)
    _only(params, {*_CUSTOMER_FIELDS, "metadata", "expand"})
    return call.store.put("customer", customer(call.store.new_id("cus"), call.now, params))


def customer(customer_id: str, now: int, params: dict[str, Any]) -> dict[str, Any]:
    """A customer object."""
    return {
        "id": customer_id,
        "object": "customer",
        **{name: params.get(name) for name in _CUSTOMER_FIELDS},
        "balance": 0,
        "created": now,
        "currency": None,
        "delinquent": False,
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": merge_metadata({}, params.get("metadata")),
        "tax_exempt": "none",
    }


def retrieve_customer(call: Call, customer_id: str) -> dict[str, Any]:
    """GET /v1/customers/{id}"""
    call.accept(CustomerRetrieveParams)
    return need(call.store, "customer", "customer", customer_id)


def update_customer(call: Call, customer_id: str) -> dict[str, Any]:
    """POST /v1/customers/{id}"""
    params = call.accept(CustomerUpdateParams)
    _only(params, {*_CUSTOMER_FIELDS, "metadata", "expand"})
    found = need(call.store, "customer", "customer", customer_id)
    return call.store.put("customer", _changed(found, params, _CUSTOMER_FIELDS))


def list_customers(call: Call) -> dict[str, Any]:
    """GET /v1/customers"""
    params = call.accept(CustomerListParams)
    found = [
        item
        for item in call.store.all("customer")
        if params.get("email") in (None, item["email"])
        and in_range(item["created"], params.get("created"))
    ]
    return page(call, found, params)


def create_product(call: Call) -> dict[str, Any]:
    """POST /v1/products"""
    params = call.accept(ProductCreateParams)
    allowed = {*_PRODUCT_FIELDS, "id", "active", "metadata", "expand", "type", "shippable"}
    _only(params, allowed)
    product_id = params.get("id") or call.store.new_id("prod")
    if call.store.get("product", product_id):
        raise ApiError(
            400, "Product already exists.", code="resource_already_exists", param="id", stored=True
        )
    return call.store.put("product", _product(product_id, call.now, params))


def retrieve_product(call: Call, product_id: str) -> dict[str, Any]:
    """GET /v1/products/{id}"""
    call.accept(ProductRetrieveParams)
    return need(call.store, "product", "product", product_id)


def update_product(call: Call, product_id: str) -> dict[str, Any]:
    """POST /v1/products/{id}"""
    params = call.accept(ProductUpdateParams)
    _only(params, {*_PRODUCT_FIELDS, "active", "metadata", "expand", "default_price", "shippable"})
    found = need(call.store, "product", "product", product_id)
    fields = (*_PRODUCT_FIELDS, "active", "default_price", "shippable")
    changed = _changed(found, params, fields)
    return call.store.put("product", {**changed, "updated": call.now})


def list_products(call: Call) -> dict[str, Any]:
    """GET /v1/products"""
    params = call.accept(ProductListParams)
    found = [
        item
        for item in call.store.all("product")
        if params.get("active") in (None, item["active"])
        and item["id"] in (params.get("ids") or [item["id"]])
        and in_range(item["created"], params.get("created"))
    ]
    return page(call, found, params)


def create_price(call: Call) -> dict[str, Any]:
    """POST /v1/prices"""
    params = call.accept(PriceCreateParams)
    for name in ("currency_options", "custom_unit_amount"):
        if name in params:
            raise _not_here(name)
    product_id = _price_product(call, params)
    amounts = _price_amounts(params)
    recurring = _recurring(call, params.get("recurring"))
    lookup_key = params.get("lookup_key")
    _take_lookup_key(call, lookup_key, None, bool(params.get("transfer_lookup_key")))
    price = {
        "id": call.store.new_id("price"),
        "object": "price",
        "active": params.get("active", True),
        "billing_scheme": params.get("billing_scheme", "per_unit"),
        "created": call.now,
        "currency": params["currency"].lower(),
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": lookup_key,
        "metadata": merge_metadata({}, params.get("metadata")),
        "nickname": params.get("nickname"),
        "product": product_id,
        "recurring": recurring,
        "tax_behavior": params.get("tax_behavior", "unspecified"),
        "tiers_mode": params.get("tiers_mode"),
        "transform_quantity": params.get("transform_quantity"),
        "type": "recurring" if recurring else "one_time",
        **amounts,
    }
    return _shown(call.store.put("price", price), params)


def retrieve_price(call: Call, price_id: str) -> dict[str, Any]:
    """GET /v1/prices/{id}; `tiers` only with `expand[]=tiers`"""
    params = call.accept(PriceRetrieveParams)
    return _shown(need(call.store, "price", "price", price_id), params)


def update_price(call: Call, price_id: str) -> dict[str, Any]:
    """POST /v1/prices/{id}"""
    params = call.accept(PriceUpdateParams)
    if "currency_options" in params:
        raise _not_here("currency_options")
    found = need(call.store, "price", "price", price_id)
    if params.get("lookup_key"):
        transfer = bool(params.get("transfer_lookup_key"))
        _take_lookup_key(call, params["lookup_key"], price_id, transfer)
    changed = _changed(found, params, ("active", "lookup_key", "nickname", "tax_behavior"))
    return _shown(call.store.put("price", changed), params)


def list_prices(call: Call) -> dict[str, Any]:
    """GET /v1/prices; `tiers` only with `expand[]=data.tiers`"""
    params = call.accept(PriceListParams)
    wanted = params.get("recurring") or {}
    found = [
        item
        for item in call.store.all("price")
        if params.get("active") in (None, item["active"])
        and params.get("product") in (None, item["product"])
        and params.get("currency") in (None, item["currency"])
        and params.get("type") in (None, item["type"])
        and item["lookup_key"] in (params.get("lookup_keys") or [item["lookup_key"]])
        and all((item["recurring"] or {}).get(name) == value for name, value in wanted.items())
        and in_range(item["created"], params.get("created"))
    ]
    listed = page(call, found, params)
    listed["data"] = [_shown(item, params, "data.tiers") for item in listed["data"]]
    return listed


def _product(product_id: str, now: int, params: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": product_id,
        "object": "product",
        "active": params.get("active", True),
        "created": now,
        "default_price": None,
        **{name: params.get(name) for name in _PRODUCT_FIELDS},
        "images": [],
        "livemode": False,
        "marketing_features": [],
        "metadata": merge_metadata({}, params.get("metadata")),
        "package_dimensions": None,
        "shippable": params.get("shippable"),
        "type": params.get("type", "service"),
        "updated": now,
    }


def _price_product(call: Call, params: dict[str, Any]) -> str:
    product_id, data = params.get("product"), params.get("product_data")
    if (product_id is None) == (data is None):
        raise missing("product")
    if product_id is not None:
        return str(need(call.store, "product", "product", product_id, param="product")["id"])
    assert data is not None
    made = data.get("id") or call.store.new_id("prod")
    return str(call.store.put("product", _product(made, call.now, data))["id"])


def _price_amounts(params: dict[str, Any]) -> dict[str, Any]:
    tiers = params.get("tiers")
    if params.get("billing_scheme", "per_unit") == "per_unit":
        if tiers or params.get("tiers_mode"):
            raise invalid("tiers", "Tiers require billing_scheme=tiered.")
        amount = _amount(params, "unit_amount")
        if amount is None:
            raise missing("unit_amount")
        return amount
    if not tiers:
        raise missing("tiers")
    if params.get("tiers_mode") not in ("graduated", "volume"):
        raise invalid("tiers_mode", "Invalid tiers_mode: must be one of graduated or volume")
    for name in ("transform_quantity", "unit_amount", "unit_amount_decimal"):
        if name in params:
            raise invalid(name, f"{name} cannot be used with billing_scheme=tiered.")
    shaped: list[dict[str, Any]] = []
    reached = 0
    for index, tier in enumerate(tiers):
        last = index == len(tiers) - 1
        up_to = tier["up_to"]
        if last != (up_to == "inf") or (not last and up_to <= reached):
            raise invalid(
                f"tiers[{index}][up_to]", "Tiers must ascend, and the last must be `inf`."
            )
        unit, flat = _amount(tier, "unit_amount"), _amount(tier, "flat_amount")
        if unit is None and flat is None:
            raise missing(f"tiers[{index}][unit_amount]")
        nothing = {"unit_amount": None, "unit_amount_decimal": None}
        no_flat = {"flat_amount": None, "flat_amount_decimal": None}
        shaped.append({**(flat or no_flat), **(unit or nothing), "up_to": None if last else up_to})
        reached = reached if last else up_to
    return {"tiers": shaped, "unit_amount": None, "unit_amount_decimal": None}


def _amount(params: dict[str, Any], name: str) -> dict[str, Any] | None:
    """Both spellings of an amount in cents: whole (null when it is not) and decimal."""
    whole, exact = params.get(name), params.get(f"{name}_decimal")
    if whole is not None and exact is not None:
        raise invalid(name, f"You may only specify one of these: {name}, {name}_decimal.")
    if whole is None and exact is None:
        return None
    amount = Decimal(whole) if whole is not None else Decimal(str(exact))
    exponent = amount.as_tuple().exponent
    if amount < 0 or (isinstance(exponent, int) and -exponent > _MOST_DECIMALS):
        raise invalid(
            f"{name}_decimal",
            f"Invalid decimal: {amount:f}; must be at least 0 with at most {_MOST_DECIMALS} "
            "decimal places",
        )
    is_whole = amount == amount.to_integral_value()
    return {name: int(amount) if is_whole else None, f"{name}_decimal": fixed(amount)}


def _recurring(call: Call, recurring: dict[str, Any] | None) -> dict[str, Any] | None:
    if recurring is None:
        return None
    if recurring["interval"] not in ("day", "week", "month", "year"):
        raise invalid(
            "recurring[interval]",
            "Invalid recurring[interval]: must be one of month, year, week, or day",
        )
    metered = recurring.get("usage_type", "licensed") == "metered"
    meter_id = recurring.get("meter")
    if metered and meter_id is None:
        raise invalid("recurring[meter]", _METERLESS)
    if meter_id is not None:
        meter = need(call.store, "meter", "billing meter", meter_id, param="recurring[meter]")
        if meter["status"] != "active":
            raise invalid("recurring[meter]", f"The meter `{meter_id}` is inactive.")
        if not metered:
            raise invalid("recurring[usage_type]", "A price with a meter must be metered.")
    return {
        "interval": recurring["interval"],
        "interval_count": recurring.get("interval_count", 1),
        "meter": meter_id,
        "trial_period_days": recurring.get("trial_period_days"),
        "usage_type": recurring.get("usage_type", "licensed"),
    }


def _take_lookup_key(call: Call, key: str | None, owner: str | None, transfer: bool) -> None:
    """Make a lookup key free, or refuse."""
    if not key:
        return
    if len(key) > 200:
        raise invalid("lookup_key", "Invalid string: lookup_key; must be at most 200 characters")
    for price in call.store.all("price"):
        if price["lookup_key"] == key and price["id"] != owner:
            if not transfer:
                raise invalid(
                    "lookup_key",
                    f"A price (`{price['id']}`) already uses that lookup key.",
                )
            call.store.put("price", {**price, "lookup_key": None})


def _shown(price: dict[str, Any], params: dict[str, Any], name: str = "tiers") -> dict[str, Any]:
    if name in params.get("expand", []):
        return price
    return {key: value for key, value in price.items() if key != "tiers"}


def _changed(
    found: dict[str, Any], params: dict[str, Any], fields: tuple[str, ...]
) -> dict[str, Any]:
    changed = {name: params[name] or None for name in fields if name in params}
    for name in ("active", "shippable"):
        if name in changed:
            changed[name] = params[name]
    if "metadata" in params:
        changed["metadata"] = merge_metadata(found["metadata"], params["metadata"])
    return {**found, **changed}


def _only(params: dict[str, Any], names: set[str]) -> None:
    for name in params:
        if name not in names:
            raise _not_here(name)


def _not_here(name: str) -> ApiError:
    return invalid(name, f"The parameter {name} is Stripe's, but this local server lacks it.")
