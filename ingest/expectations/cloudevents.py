"""What the CloudEvents of a load must be like."""

from __future__ import annotations

from ingest.expectations import ExpectationOutcome, Rule, Suite
from ingest.expectations import validate as validate_suites
from ingest.settings import Settings


def _present(name: str, column: str, blocking: bool, detail: str) -> Rule:
    return Rule(
        name, blocking, detail, lambda gxe: gxe.ExpectColumnValuesToNotBeNull(column=column)
    )


SUITE = Suite(
    "raw.cloudevents",
    (
        _present(
            "cloudevents_id_is_present",
            "event_id",
            True,
            "an event without an id cannot be told from its own repetition",
        ),
        _present(
            "cloudevents_source_is_present",
            "event_source",
            True,
            "ids are unique within a source only",
        ),
        _present(
            "cloudevents_type_is_present",
            "event_type",
            True,
            "without its type an event belongs to no meter",
        ),
        _present(
            "cloudevents_time_is_present",
            "occurred_at",
            True,
            "an event without a time belongs to no billing period",
        ),
        _present(
            "cloudevents_subject_is_present",
            "subject",
            False,
            "without a subject the usage is nobody's",
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
)


def validate(settings: Settings, load_seqs: list[int]) -> list[ExpectationOutcome]:
    """Run the suite on the events of some loads. Raises MeterhouseError when it cannot run."""
    return validate_suites(settings, load_seqs, ["cloudevents"])
