"""Every table of the schemas raw and ops, in one place.

Raw tables are append-only and keep the record as it came (`raw`) beside its parsed columns. Units:
times are UTC to the microsecond, memory and disk are MiB, quantities and money exact decimals.
"""

from __future__ import annotations

SCHEMAS = ("raw", "ops")

# The first and last columns of every raw table that is read from records.
_HEAD = "load_seq INTEGER NOT NULL, record_number INTEGER NOT NULL, known_at TIMESTAMPTZ"
# Of the codecs this one is for text that repeats itself from row to row and is seldom read; it
# needs less time, memory and disk than what the database would choose.
_TAIL = "raw VARCHAR USING COMPRESSION zstd"
# Ids that are all different: looking for what they have in common costs more than it saves.
_RANDOM = "USING COMPRESSION uncompressed"

RECORD_TABLES: dict[str, str] = {
    "raw.e2b_events": f"""
        received_at TIMESTAMPTZ, delivery_id VARCHAR {_RANDOM}, signature VARCHAR NOT NULL,
        event_id VARCHAR NOT NULL {_RANDOM}, event_type VARCHAR NOT NULL,
        occurred_at TIMESTAMPTZ NOT NULL, sandbox_id VARCHAR NOT NULL,
        execution_id VARCHAR NOT NULL {_RANDOM}, template_id VARCHAR, build_id VARCHAR,
        team_id VARCHAR, metadata VARCHAR, started_at TIMESTAMPTZ, vcpu DECIMAL(18,6),
        memory_mib BIGINT, execution_ms BIGINT, set_timeout_at TIMESTAMPTZ,
        kill_reason VARCHAR""",
    "raw.opencomputer_scale_events": """
        event_id VARCHAR NOT NULL, sandbox_id VARCHAR NOT NULL, org_id VARCHAR NOT NULL,
        memory_mib BIGINT NOT NULL, cpu_percent INTEGER NOT NULL, disk_mib BIGINT NOT NULL,
        started_at TIMESTAMPTZ NOT NULL, ended_at TIMESTAMPTZ""",
    "raw.daytona_usage_periods": """
        period_id VARCHAR, sandbox_id VARCHAR NOT NULL, organization_id VARCHAR NOT NULL,
        started_at TIMESTAMPTZ NOT NULL, ended_at TIMESTAMPTZ, vcpu DECIMAL(18,6) NOT NULL,
        gpu DECIMAL(18,6), gpu_type VARCHAR, memory_mib BIGINT NOT NULL, disk_mib BIGINT NOT NULL,
        region VARCHAR, sandbox_class VARCHAR, region_type VARCHAR""",
    # `totals`: JSON text, one object a sandbox ("": all of them), seconds as decimal text.
    "raw.daytona_usage_polls": """
        source VARCHAR NOT NULL, organization_id VARCHAR NOT NULL,
        window_start TIMESTAMPTZ NOT NULL, window_end TIMESTAMPTZ NOT NULL,
        fetched_at TIMESTAMPTZ NOT NULL, totals VARCHAR NOT NULL""",
    # One row a state of a session. Active CPU time and traffic are in `raw` only.
    "raw.vercel_sessions": f"""
        session_id VARCHAR NOT NULL {_RANDOM}, project_id VARCHAR, sandbox_name VARCHAR,
        status VARCHAR NOT NULL, vcpu DECIMAL(18,6) NOT NULL, memory_mib BIGINT NOT NULL,
        region VARCHAR, started_at TIMESTAMPTZ, stopped_at TIMESTAMPTZ, aborted_at TIMESTAMPTZ,
        duration_ms BIGINT, updated_at TIMESTAMPTZ NOT NULL""",
    "raw.intervals": """
        record_id VARCHAR NOT NULL, provider VARCHAR NOT NULL, account_ref VARCHAR NOT NULL,
        resource_id VARCHAR NOT NULL, started_at TIMESTAMPTZ NOT NULL, ended_at TIMESTAMPTZ,
        vcpu DECIMAL(18,6), memory_mib BIGINT, disk_mib BIGINT, gpu DECIMAL(18,6),
        region VARCHAR""",
    "raw.quantities": """
        record_id VARCHAR NOT NULL, account_ref VARCHAR NOT NULL, meter_id VARCHAR NOT NULL,
        quantity DECIMAL(38,16) NOT NULL, started_at TIMESTAMPTZ NOT NULL,
        ended_at TIMESTAMPTZ NOT NULL, dimensions VARCHAR NOT NULL""",
    "raw.gauges": """
        sampled_at TIMESTAMPTZ NOT NULL, fetched_at TIMESTAMPTZ, account_ref VARCHAR NOT NULL,
        resource_id VARCHAR NOT NULL, bytes BIGINT NOT NULL""",
    # One row a sample of a bucket and project prefix, the objects added up: a bucket may hold
    # millions. `raw` is what the row says, not the objects.
    "raw.storage_samples": """
        kind VARCHAR NOT NULL, sampled_at TIMESTAMPTZ NOT NULL, fetched_at TIMESTAMPTZ,
        bucket VARCHAR NOT NULL, scope VARCHAR NOT NULL, prefix VARCHAR NOT NULL,
        sample_sha256 VARCHAR NOT NULL, resource_prefix VARCHAR NOT NULL, project_id VARCHAR,
        objects BIGINT NOT NULL, bytes BIGINT NOT NULL""",
    "raw.focus_costs": """
        provider_name VARCHAR, charge_period_start TIMESTAMPTZ NOT NULL,
        charge_period_end TIMESTAMPTZ NOT NULL, billing_period_start TIMESTAMPTZ,
        billing_period_end TIMESTAMPTZ, charge_category VARCHAR NOT NULL,
        billing_currency VARCHAR NOT NULL, billed_cost DECIMAL(38,18) NOT NULL,
        publisher_name VARCHAR, invoice_issuer_name VARCHAR, billing_account_id VARCHAR,
        sub_account_id VARCHAR, charge_class VARCHAR, charge_frequency VARCHAR,
        service_name VARCHAR, service_category VARCHAR, service_subcategory VARCHAR,
        region_id VARCHAR, resource_id VARCHAR, resource_name VARCHAR, resource_type VARCHAR,
        sku_id VARCHAR, sku_meter VARCHAR, sku_price_id VARCHAR, sku_price_details VARCHAR,
        consumed_unit VARCHAR, pricing_unit VARCHAR, tags VARCHAR,
        consumed_quantity DECIMAL(38,18), pricing_quantity DECIMAL(38,18),
        effective_cost DECIMAL(38,18), list_cost DECIMAL(38,18),
        list_unit_price DECIMAL(38,18)""",
    "raw.cloudevents": """
        event_source VARCHAR NOT NULL, event_id VARCHAR NOT NULL, event_type VARCHAR NOT NULL,
        subject VARCHAR, occurred_at TIMESTAMPTZ NOT NULL, data VARCHAR NOT NULL""",
    "raw.accounts": """
        account_id VARCHAR NOT NULL, name VARCHAR, stripe_customer_id VARCHAR,
        currency VARCHAR NOT NULL, timezone VARCHAR NOT NULL, email VARCHAR""",
    "raw.account_links": """
        provider VARCHAR NOT NULL, match_key VARCHAR NOT NULL, match_value VARCHAR NOT NULL,
        account_id VARCHAR NOT NULL, valid_from TIMESTAMPTZ, valid_to TIMESTAMPTZ""",
    "raw.subscriptions": """
        subscription_id VARCHAR NOT NULL, account_id VARCHAR NOT NULL, plan_id VARCHAR NOT NULL,
        started_at TIMESTAMPTZ NOT NULL, ended_at TIMESTAMPTZ, billing_anchor VARCHAR,
        spending_cap DECIMAL(38,18), on_demand BOOLEAN, trial_ends_at TIMESTAMPTZ""",
    "raw.credits": """
        credit_id VARCHAR NOT NULL, account_id VARCHAR NOT NULL, amount DECIMAL(38,18) NOT NULL,
        currency VARCHAR NOT NULL, category VARCHAR NOT NULL, priority INTEGER NOT NULL,
        effective_at TIMESTAMPTZ, expires_at TIMESTAMPTZ, meter_id VARCHAR""",
    "raw.corrections": """
        correction_id VARCHAR NOT NULL, record_id VARCHAR NOT NULL, action VARCHAR NOT NULL,
        quantity DECIMAL(38,16), reason VARCHAR NOT NULL, requested_by VARCHAR NOT NULL,
        requested_at TIMESTAMPTZ NOT NULL""",
    "raw.exchange_rates": """
        rate_date DATE NOT NULL, from_currency VARCHAR NOT NULL, to_currency VARCHAR NOT NULL,
        rate DECIMAL(38,18) NOT NULL""",
    "raw.stripe_objects": """
        object VARCHAR NOT NULL, object_id VARCHAR NOT NULL, fetched_at TIMESTAMPTZ""",
}

_PRICEBOOK_HEAD = "load_seq INTEGER NOT NULL, file VARCHAR NOT NULL"

PRICEBOOK_TABLES: dict[str, str] = {
    "raw.pricebook_meters": """
        meter_id VARCHAR NOT NULL, source VARCHAR, measure VARCHAR, unit VARCHAR,
        stripe_event_name VARCHAR, event_type VARCHAR, aggregation VARCHAR, value_path VARCHAR,
        rounding_mode VARCHAR, rounding_places INTEGER""",
    "raw.pricebook_versions": """
        plan_id VARCHAR NOT NULL, plan_name VARCHAR, plan_version VARCHAR NOT NULL,
        valid_from TIMESTAMPTZ NOT NULL, published_at TIMESTAMPTZ NOT NULL, currency VARCHAR,
        "interval" VARCHAR, base_amount DECIMAL(38,18), annual_discount_percent DECIMAL(38,18),
        minimum_amount DECIMAL(38,18), maximum_amount DECIMAL(38,18),
        included_amount DECIMAL(38,18), threshold_amount DECIMAL(38,18),
        max_concurrent_sandboxes INTEGER, limits VARCHAR, alerts_percent VARCHAR,
        default_spending_cap DECIMAL(38,18)""",
    "raw.pricebook_charges": """
        plan_id VARCHAR NOT NULL, plan_version VARCHAR NOT NULL, charge_key VARCHAR NOT NULL,
        charge_order INTEGER, meter_id VARCHAR, where_dimensions VARCHAR,
        stripe_event_name VARCHAR, included_quantity DECIMAL(38,12), model VARCHAR,
        properties VARCHAR, percentage_discount DECIMAL(38,18), transform_operation VARCHAR,
        transform_factor DECIMAL(38,18), transform_rounding VARCHAR, zero_usage VARCHAR""",
    "raw.pricebook_tiers": """
        plan_id VARCHAR NOT NULL, plan_version VARCHAR NOT NULL, charge_key VARCHAR NOT NULL,
        tier_index INTEGER NOT NULL, from_quantity DECIMAL(38,12), up_to DECIMAL(38,12),
        unit_amount DECIMAL(38,18), flat_amount DECIMAL(38,18), package_size DECIMAL(38,12),
        package_amount DECIMAL(38,18), package_rounding VARCHAR""",
}

# Columns that tables of an older warehouse do not have yet.
_ADDED_COLUMNS = (
    ("raw.subscriptions", "trial_ends_at TIMESTAMPTZ"),
    ("raw.pricebook_tiers", "package_size DECIMAL(38,12)"),
    ("raw.pricebook_tiers", "package_amount DECIMAL(38,18)"),
    ("raw.pricebook_tiers", "package_rounding VARCHAR"),
    ("raw.pricebook_versions", "default_spending_cap DECIMAL(38,18)"),
)

# Copies of the ledger, replaced at each run. The ledger keeps exact decimals and times as text,
# and so do the copies: staging casts them, once.
LEDGER_TABLES: dict[str, str] = {
    "raw.ledger_approvals": """
        approval_id VARCHAR, statement_id VARCHAR, account_id VARCHAR, subscription_id VARCHAR,
        period VARCHAR, period_start VARCHAR, period_end VARCHAR, currency VARCHAR,
        subtotal_minor BIGINT, credits_minor BIGINT, total_minor BIGINT, digest VARCHAR,
        approved_by VARCHAR, approved_at VARCHAR, note VARCHAR""",
    "raw.ledger_lines": """
        approval_id VARCHAR, charge_id VARCHAR, statement_id VARCHAR, account_id VARCHAR,
        subscription_id VARCHAR, plan_id VARCHAR, plan_version VARCHAR, charge_key VARCHAR,
        meter_id VARCHAR, period_start VARCHAR, period_end VARCHAR, charge_class VARCHAR,
        quantity VARCHAR, amount VARCHAR, amount_minor BIGINT, currency VARCHAR,
        corrects_charge_id VARCHAR, stripe_event_name VARCHAR""",
    "raw.ledger_tiers": """
        approval_id VARCHAR, charge_id VARCHAR, tier_index BIGINT, quantity VARCHAR,
        unit_amount VARCHAR, flat_amount VARCHAR, amount VARCHAR""",
    "raw.ledger_credits": """
        approval_id VARCHAR, statement_id VARCHAR, credit_id VARCHAR, applied_minor BIGINT,
        remaining_minor BIGINT""",
    "raw.ledger_intents": """
        intent_id VARCHAR, approval_id VARCHAR, statement_id VARCHAR, account_id VARCHAR,
        meter_id VARCHAR, stripe_event_name VARCHAR, stripe_customer_id VARCHAR,
        period_start VARCHAR, period_end VARCHAR, value VARCHAR, event_timestamp BIGINT,
        identifier VARCHAR, idempotency_key VARCHAR, created_at VARCHAR""",
    "raw.ledger_answers": """
        answer_id BIGINT, intent_id VARCHAR, state VARCHAR, "at" VARCHAR, http_status BIGINT,
        request_id VARCHAR, message VARCHAR""",
}

OPS_TABLES: dict[str, str] = {
    # `format` is the family of reader (json, csv, parquet): the same bytes in two families are
    # two contents, so that what loads never depends on which name arrived first.
    "ops.loads": """
        load_seq INTEGER NOT NULL, source VARCHAR NOT NULL, file VARCHAR NOT NULL,
        content_sha256 VARCHAR NOT NULL, bytes BIGINT NOT NULL, records INTEGER NOT NULL,
        quarantined INTEGER NOT NULL, is_current BOOLEAN NOT NULL,
        loaded_at TIMESTAMPTZ NOT NULL, format VARCHAR NOT NULL""",
    "ops.quarantine": """
        load_seq INTEGER NOT NULL, source VARCHAR NOT NULL, file VARCHAR NOT NULL,
        record_number INTEGER, reason VARCHAR NOT NULL, raw VARCHAR""",
    # A cache: what a file with this size and modification time hashed to. Safe to empty.
    "ops.files_seen": """
        file VARCHAR NOT NULL, bytes BIGINT NOT NULL, mtime_ns BIGINT NOT NULL,
        content_sha256 VARCHAR NOT NULL""",
    "ops.run_context": """
        run_id VARCHAR, as_of TIMESTAMPTZ, previous_as_of TIMESTAMPTZ,
        previous_load_seq INTEGER, rebuild_usage BOOLEAN, rebuild_rating BOOLEAN""",
    "ops.check_results": """
        run_id VARCHAR, check_name VARCHAR NOT NULL, asset VARCHAR, passed BOOLEAN NOT NULL,
        blocking BOOLEAN NOT NULL, failing_rows BIGINT, detail VARCHAR,
        checked_at TIMESTAMPTZ""",
    # Some of the rows that fail a check; `file` is empty for what is no record of a file.
    "ops.check_failures": """
        check_name VARCHAR NOT NULL, row_number INTEGER NOT NULL, file VARCHAR,
        record_number INTEGER, content VARCHAR NOT NULL""",
}


def create_statements() -> list[str]:
    """SQL that creates every missing schema, table and column, in order."""
    statements = [f"create schema if not exists {schema}" for schema in SCHEMAS]
    bodies = {name: f"{_HEAD}, {body}, {_TAIL}" for name, body in RECORD_TABLES.items()}
    bodies |= {name: f"{_PRICEBOOK_HEAD}, {body}" for name, body in PRICEBOOK_TABLES.items()}
    bodies |= LEDGER_TABLES | OPS_TABLES
    statements += [f"create table if not exists {name} ({body})" for name, body in bodies.items()]
    statements += [
        f"alter table {table} add column if not exists {column}" for table, column in _ADDED_COLUMNS
    ]
    return statements
