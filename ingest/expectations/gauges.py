"""What the gauges of a load must be like, and the rules that all levels of bytes share."""

from __future__ import annotations

from ingest.expectations import Rule, Suite, present
from ingest.sources.gauges import MAX_BYTES


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
    "gauges",
    "gauges",
    (
        present(
            "gauges_sampled_at_is_present",
            "sampled_at",
            "a level without a time holds from nowhere",
        ),
        present(
            "gauges_account_ref_is_present",
            "account_ref",
            "a level without a reference has no customer",
        ),
        present(
            "gauges_resource_id_is_present",
            "resource_id",
            "without its resource a level may be billed twice",
        ),
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
