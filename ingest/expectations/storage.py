"""What the bucket samples of a load must be like."""

from __future__ import annotations

from ingest.expectations import Rule, Suite, present
from ingest.expectations.gauges import plausible

SUITE = Suite(
    "storage_samples",
    "storage",
    (
        present(
            "storage_samples_sampled_at_is_present",
            "sampled_at",
            "a sample without a time holds from nowhere",
        ),
        present(
            "storage_samples_bucket_is_present",
            "bucket",
            "without its bucket a sample may be billed twice",
        ),
        present(
            "storage_samples_resource_prefix_is_present",
            "resource_prefix",
            "bytes of no prefix belong to nobody",
        ),
        plausible("storage_samples"),
        Rule(
            "storage_samples_bytes_need_objects",
            True,
            "bytes without an object are of no use to anyone",
            lambda gxe: gxe.UnexpectedRowsExpectation(
                unexpected_rows_query="""
                    select load_seq, record_number from {batch} where bytes > 0 and objects = 0
                """
            ),
        ),
    ),
)
