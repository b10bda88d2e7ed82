"""What the CloudEvents of a load must be like."""

from __future__ import annotations

from ingest.expectations import Rule, Suite, present

SUITE = Suite(
    "cloudevents",
    "cloudevents",
    (
        present(
            "cloudevents_id_is_present",
            "event_id",
            "an event without an id cannot be told from its own repetition",
        ),
        present(
            "cloudevents_source_is_present",
            "event_source",
            "ids are unique within a source only",
        ),
        present(
            "cloudevents_type_is_present",
            "event_type",
            "without its type an event belongs to no meter",
        ),
        present(
            "cloudevents_time_is_present",
            "occurred_at",
            "an event without a time belongs to no billing period",
        ),
        present(
            "cloudevents_subject_is_present",
            "subject",
            "without a subject the usage is nobody's",
            blocking=False,
        ),
        Rule(
            "cloudevents_id_means_one_event",
            False,
            "two different events under one source and id: only the first of them counts",
            lambda gxe: gxe.UnexpectedRowsExpectation(
                unexpected_rows_query="""
                    select load_seq, record_number from {batch}
                    where (event_source, event_id) in (
                        select (event_source, event_id) from {batch}
                        group by event_source, event_id
                        having min(event_type) <> max(event_type)
                            or min(coalesce(subject, '')) <> max(coalesce(subject, ''))
                            or min(occurred_at) <> max(occurred_at)
                            or min(data) <> max(data)
                    )
                """
            ),
        ),
    ),
    record_id="event_id",
)
