"""A landing zone small enough to compute by hand."""

import json
from pathlib import Path

NOW = "2026-09-02T12:00:00Z"

# One hour of a sandbox of 4 GiB and 2 cores is 3600 x 0.0001 = 0.36; three requests are 3 x 0.50.
FILES = {
    "accounts.csv": """account_id,name,stripe_customer_id,currency,timezone,email
acct_one,One Ltd,cus_one,usd,UTC,one@example.com
acct_two,"=Two, Inc.",cus_two,usd,UTC,two@example.com
""",
    "account_links.csv": """provider,match_key,match_value,account_id,valid_from,valid_to
e2b,metadata:customer,one,acct_one,,
""",
    "subscriptions.csv": (
        "subscription_id,account_id,plan_id,started_at,ended_at,billing_anchor,spending_cap,"
        "on_demand\n"
        "sub_one,acct_one,pro,2026-08-01T00:00:00Z,,,,true\n"
        "sub_two,acct_two,pro,2026-08-01T00:00:00Z,,,,true\n"
    ),
    "credits.csv": (
        "credit_id,account_id,amount,currency,category,priority,effective_at,expires_at,meter_id\n"
    ),
    "quantities/requests.csv": """record_id,account_ref,meter_id,quantity,started_at,ended_at
q1,acct_one,api_requests,2,2026-08-03T10:00:00Z,2026-08-03T11:00:00Z
q2,acct_one,api_requests,1,2026-08-04T10:00:00Z,2026-08-04T11:00:00Z
q3,acct_two,api_requests,10,2026-08-04T10:00:00Z,2026-08-04T11:00:00Z
""",
    "pricebook/prices.yaml": """meters:
  - meter_id: sandbox_seconds
    source: compute
    measure: seconds
    unit: second
    stripe_event_name: sandbox_seconds
  - meter_id: api_requests
    source: quantities
    unit: request
    stripe_event_name: api_requests
plans:
  - plan_id: pro
    name: Pro
    versions:
      - valid_from: 2026-01-01T00:00:00Z
        currency: usd
        interval: month
        base_amount: "0"
        charges:
          - charge_key: time
            meter_id: sandbox_seconds
            model: standard
            properties: {unit_amount: "0.0001"}
          - charge_key: requests
            meter_id: api_requests
            model: standard
            properties: {unit_amount: "0.50"}
""",
}


def e2b_event(
    number: int, kind: str, at: str, *, sandbox: str = "sbx1", event_id: str | None = None
) -> str:
    """One webhook capture of a lifecycle event, as a line."""
    body = {
        "version": "v2",
        "id": event_id or f"00000000-0000-0000-0000-{number:012d}",
        "type": f"sandbox.lifecycle.{kind}",
        "timestamp": at,
        "event_category": "lifecycle",
        "event_label": kind,
        "sandbox_id": sandbox,
        "sandbox_execution_id": f"{sandbox}-run",
        "sandbox_template_id": "tpl",
        "sandbox_build_id": "bld",
        "sandbox_team_id": "team",
        "event_data": {
            "sandbox_metadata": {"customer": "one"},
            "execution": {
                "started_at": "2026-08-05T10:00:00Z",
                "vcpu_count": 2,
                "memory_mb": 4096,
                "execution_time": 0 if kind == "created" else 3_600_000,
            },
        },
    }
    capture = {"received_at": at, "headers": {}, "body": json.dumps(body)}
    return json.dumps(capture) + "\n"


def write_small_landing(folder: Path) -> Path:
    """Write the files and return the folder."""
    events = e2b_event(1, "created", "2026-08-05T10:00:00Z") + e2b_event(
        2, "killed", "2026-08-05T11:00:00Z"
    )
    for name, content in (FILES | {"e2b/hooks.jsonl": events}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return folder


def plant_contradiction(landing: Path) -> Path:
    """Add two different events under one id: a blocking expectation must stop the run."""
    path = landing / "e2b" / "contradiction.jsonl"
    same = "11111111-0000-0000-0000-000000000001"
    path.write_text(
        e2b_event(8, "created", "2026-08-06T10:00:00Z", sandbox="sbx8", event_id=same)
        + e2b_event(9, "created", "2026-08-07T10:00:00Z", sandbox="sbx9", event_id=same),
        encoding="utf-8",
    )
    return path
