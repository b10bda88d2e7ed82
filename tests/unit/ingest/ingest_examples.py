"""Records that the tests share."""

from __future__ import annotations

from typing import Any

PAUSED: dict[str, Any] = {
    "id": "6f0a3c1e-4c1d-4b7a-9a6e-2f1d0c9b8a77",
    "version": "v2",
    "type": "sandbox.lifecycle.paused",
    "timestamp": "2026-08-01T10:10:00.900412345Z",
    "event_category": "lifecycle",
    "event_label": "pause",
    "event_data": {
        "sandbox_metadata": {"project": "p-17", "customer": "acme"},
        "execution": {
            "started_at": "2026-08-01T10:00:00Z",
            "vcpu_count": 2,
            "memory_mb": 512,
            "execution_time": 600400,
        },
    },
    "sandbox_id": "ixk2v0m4demo",
    "sandbox_execution_id": "c3b7a6d0-6a55-4b0f-8f53-0b1f4c2d9e11",
    "sandbox_template_id": "base",
    "sandbox_build_id": "0b7f",
    "sandbox_team_id": "9d2e",
    "events_ttl_days": 7,
}

_CAMEL = {
    "event_category": "eventCategory",
    "event_label": "eventLabel",
    "event_data": "eventData",
    "sandbox_id": "sandboxId",
    "sandbox_execution_id": "sandboxExecutionId",
    "sandbox_template_id": "sandboxTemplateId",
    "sandbox_build_id": "sandboxBuildId",
    "sandbox_team_id": "sandboxTeamId",
    "events_ttl_days": "eventsTtlDays",
}

SCALE_EVENT: dict[str, Any] = {
    "id": "a1",
    "sandboxId": "sb-3f9a01",
    "orgId": "5c",
    "memoryMB": 4096,
    "cpuPercent": 100,
    "diskMB": 40960,
    "startedAt": "2026-08-02T08:00:00Z",
    "endedAt": "2026-08-02T08:20:30.5Z",
}

USAGE_PERIOD: dict[str, Any] = {
    "id": "1f0c",
    "sandboxId": "sb-7a1",
    "organizationId": "org-42",
    "startAt": "2026-05-04T09:00:00.120Z",
    "endAt": "2026-05-04T10:00:00.120Z",
    "cpu": 2,
    "gpu": 0,
    "gpu_type": None,
    "mem": 4,
    "disk": 8,
    "region": "us",
    "sandboxClass": "container",
    "regionType": "shared",
}

USAGE_POLL: dict[str, Any] = {
    "source": "daytona.aggregated",
    "organization_id": "org-42",
    "from": "2026-05-01T00:00:00Z",
    "to": "2026-05-05T00:00:00Z",
    "fetched_at": "2026-05-05T00:10:00Z",
    "response": {
        "sandboxCount": 3,
        "totalCPUSeconds": 7200,
        "totalRAMGBSeconds": 14400,
        "totalDiskGBSeconds": 273599.04,
        "totalGPUSeconds": 0,
        "totalPrice": 0.174,
    },
}

# 2026-08-03 10:00:00.250 UTC is 1785751200250 ms after 1970.
SESSION: dict[str, Any] = {
    "id": "sbx_4Fq2",
    "sourceSandboxName": "acme-build",
    "projectId": "prj_7",
    "memory": 4096,
    "vcpus": 2,
    "region": "iad1",
    "runtime": "node24",
    "timeout": 300000,
    "status": "stopped",
    "requestedAt": 1785751199900,
    "startedAt": 1785751200250,
    "cwd": "/vercel/sandbox",
    "requestedStopAt": 1785751290000,
    "stoppedAt": 1785751290251,
    "duration": 90001,
    "createdAt": 1785751199900,
    "updatedAt": 1785751290300,
    "networkPolicy": {"mode": "allow-all"},
    "activeCpuDurationMs": 8123.5,
    "networkTransfer": {"ingress": 1048576, "egress": 2048},
}

INTERVAL: dict[str, Any] = {
    "record_id": "r1",
    "provider": "fly",
    "account_ref": "acct_1",
    "resource_id": "m1",
    "started_at": "2026-08-01T00:00:00Z",
    "ended_at": "2026-08-01T01:00:00+02:00",
    "vcpu": "0.5",
    "memory_mib": 1024,
    "disk_mib": None,
    "gpu": None,
}

GAUGE: dict[str, Any] = {
    "sampled_at": "2026-08-01T00:00:00Z",
    "account_ref": "acct_1",
    "resource_id": "volume-1",
    "bytes": 1073741824,
}

QUANTITY: dict[str, Any] = {
    "record_id": "q1",
    "account_ref": "acct_1",
    "meter_id": "api_calls",
    "quantity": "1.25",
    "started_at": "2026-08-01T00:00:00Z",
    "ended_at": "2026-08-02T00:00:00Z",
}

FOCUS_COST: dict[str, Any] = {
    "ProviderName": "Fly.io",
    "BillingAccountId": "org-1",
    "SubAccountId": "team-1",
    "ChargePeriodStart": "2026-08-01T00:00:00Z",
    "ChargePeriodEnd": "2026-08-02T00:00:00Z",
    "ChargeCategory": "Usage",
    "ResourceId": "vm-1",
    "SkuId": "shared-cpu-1x",
    "ConsumedQuantity": "24",
    "ConsumedUnit": "Hours",
    "BilledCost": "0.0648",
    "EffectiveCost": "0.0648",
    "ListCost": "0.081",
    "BillingCurrency": "USD",
}

CLOUDEVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "e-1",
    "source": "/api/eu",
    "type": "com.example.api_call",
    "subject": "acct_1",
    "time": "2026-08-01T10:00:00.25Z",
    "datacontenttype": "application/json",
    "data": {"tokens": 12, "model": "large", "cost": 0.25, "cached": False},
}


def camel(event: dict[str, Any]) -> dict[str, Any]:
    """The event in camelCase; the keys inside of its data stay as they are."""
    return {_CAMEL.get(key, key): value for key, value in event.items()}


def without(record: dict[str, Any], *keys: str) -> dict[str, Any]:
    """The record less some keys."""
    return {key: value for key, value in record.items() if key not in keys}


def execution(**values: Any) -> dict[str, Any]:
    """The example event with other values in its execution."""
    data = PAUSED["event_data"]
    return PAUSED | {"event_data": data | {"execution": data["execution"] | values}}
