"""What the gauges of a load must be like, and the rules that all levels of bytes share."""

from __future__ import annotations

from ingest.expectations import ExpectationOutcome, Rule, Suite
from ingest.expectations import validate as validate_suites
from ingest.settings import Settings
from ingest.sources.gauges import MAX_BYTES


def present(table: str, column: str, detail: str) -> Rule:
    """The blocking rule that a column of a table says something."""
    return Rule(
        f"{table}_{column}_is_present",
        True,
        detail,
        lambda gxe: gxe.ExpectColumnValuesToNotBeNull(column=column),
    )


def plausible(table: str) -> Rule:
    """The blocking rule that a level is one in bytes."""
    return Rule(
        f"{table}_bytes_is_plausible",
        True,
        "a level below nothing or above an exbibyte is in another unit",
        lambda gxe: gxe.ExpectColumnValuesToBeBetween(
            column="bytes", min_value=0, max_value=MAX_BYTES
        ),
    )


SUITE = Suite(
    "raw.gauges",
    (
        present("gauges", "sampled_at", "a level without a time holds from nowhere"),
        present("gauges", "account_ref", "a level without a reference has no customer"),
        present("gauges", "resource_id", "without its resource a level may be billed twice"),
        plausible("gauges"),
        Rule(
            "gauges_have_one_level_at_an_instant",
            False,
            "two levels of one resource at one instant: only one of them counts",
            lambda gxe: gxe.UnexpectedRowsExpectation(
                unexpected_rows_query="""
                    select load_seq, record_number from {batch}
                    where (account_ref, resource_id, sampled_at) in (
                        select (account_ref, resource_id, sampled_at)
                        from {batch}
                        group by account_ref, resource_id, sampled_at
                        having min(bytes) <> max(bytes)
                    )
                """
            ),
        ),
    ),
)


def validate(settings: Settings, load_seqs: list[int]) -> list[ExpectationOutcome]:
    """Run the suite on the gauges of some loads. Raises MeterhouseError when it cannot run."""
    return validate_suites(settings, load_seqs, ["gauges"])
