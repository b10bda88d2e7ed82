"""What the OpenComputer scale events of a load must be like."""

from __future__ import annotations

from ingest.expectations import Rule, Suite, present

TIERS_MIB = (1024, 4096, 8192, 16_384, 32_768, 65_536)


def _above(name: str, column: str, limit: int, strict: bool, detail: str) -> Rule:
    return Rule(
        name,
        True,
        detail,
        lambda gxe: gxe.ExpectColumnValuesToBeBetween(
            column=column, min_value=limit, strict_min=strict
        ),
    )


SUITE = Suite(
    "opencomputer_scale_events",
    "opencomputer/scale_events",
    (
        present(
            "opencomputer_event_id_is_present",
            "event_id",
            "a scale event without an id cannot be told from its own repetition",
        ),
        present(
            "opencomputer_sandbox_id_is_present",
            "sandbox_id",
            "without its sandbox an allocation may be billed twice",
        ),
        present(
            "opencomputer_org_id_is_present",
            "org_id",
            "without its organisation an allocation has no customer",
        ),
        _above(
            "opencomputer_memory_is_positive",
            "memory_mib",
            0,
            True,
            "an allocation without memory has no price",
        ),
        _above(
            "opencomputer_disk_is_not_negative",
            "disk_mib",
            0,
            False,
            "a negative disk would lower a bill",
        ),
        _above(
            "opencomputer_cpu_is_positive",
            "cpu_percent",
            0,
            True,
            "an allocation without a processor has no price",
        ),
        Rule(
            "opencomputer_memory_is_a_tier",
            False,
            "memory that is no tier has no price of its own",
            lambda gxe: gxe.ExpectColumnValuesToBeInSet(
                column="memory_mib", value_set=list(TIERS_MIB)
            ),
        ),
    ),
    record_id="event_id",
)
