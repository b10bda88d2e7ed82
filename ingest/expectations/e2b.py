"""What the E2B events of a load must be like."""

from __future__ import annotations

from ingest.expectations import Rule, Suite
from ingest.sources.e2b import EVENT_TYPES

MAX_RUN_MS = 31 * 86_400_000
MIN_MEMORY_MIB, MAX_MEMORY_MIB = 128, 1_048_576
MAX_VCPU = 256

SUITE = Suite(
    "e2b_events",
    "e2b",
    (
        Rule(
            "e2b_event_id_is_present",
            True,
            "an event without an id cannot be told from its own repetition",
            lambda gxe: gxe.ExpectColumnValuesToNotBeNull(column="event_id"),
        ),
        Rule(
            "e2b_occurred_at_is_present",
            True,
            "an event without a time starts or ends nothing",
            lambda gxe: gxe.ExpectColumnValuesToNotBeNull(column="occurred_at"),
        ),
        Rule(
            "e2b_event_type_is_known",
            True,
            "an unknown event may start or end a run that would be billed wrong",
            lambda gxe: gxe.ExpectColumnValuesToBeInSet(
                column="event_type", value_set=list(EVENT_TYPES)
            ),
        ),
        Rule(
            "e2b_execution_ms_is_plausible",
            True,
            "a run of less than nothing or more than 31 days would bill time that nobody used",
            lambda gxe: gxe.ExpectColumnValuesToBeBetween(
                column="execution_ms", min_value=0, max_value=MAX_RUN_MS
            ),
        ),
        Rule(
            "e2b_memory_is_plausible",
            True,
            f"memory outside of {MIN_MEMORY_MIB} to {MAX_MEMORY_MIB} MiB is in another unit",
            lambda gxe: gxe.ExpectColumnValuesToBeBetween(
                column="memory_mib", min_value=MIN_MEMORY_MIB, max_value=MAX_MEMORY_MIB
            ),
        ),
        Rule(
            "e2b_vcpu_is_plausible",
            True,
            f"no sandbox has more than {MAX_VCPU} cores",
            lambda gxe: gxe.ExpectColumnValuesToBeBetween(
                column="vcpu", min_value=0, strict_min=True, max_value=MAX_VCPU
            ),
        ),
        Rule(
            "e2b_event_id_means_one_event",
            True,
            "two different events under one id: one of them would be dropped as a repetition",
            lambda gxe: gxe.UnexpectedRowsExpectation(
                # Grouped by the id alone: an id that repeats one event has a single smallest and
                # largest of each part.
                unexpected_rows_query="""
                    select load_seq, record_number from {batch} where event_id in (
                        select event_id from {batch} group by event_id
                        having min(sandbox_id) <> max(sandbox_id)
                            or min(event_type) <> max(event_type)
                            or min(occurred_at) <> max(occurred_at)
                    )
                """
            ),
        ),
        Rule(
            "e2b_event_is_known_after_it_occurred",
            False,
            "captured more than five minutes before it occurred: a clock is wrong",
            lambda gxe: gxe.UnexpectedRowsExpectation(
                unexpected_rows_query="""
                    select load_seq, record_number from {batch}
                    where known_at < occurred_at - interval 5 minute
                """
            ),
        ),
    ),
    record_id="event_id",
)
