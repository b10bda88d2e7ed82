"""What the bucket samples of a load must be like."""

from __future__ import annotations

from ingest.expectations import ExpectationOutcome, Rule, Suite
from ingest.expectations import validate as validate_suites
from ingest.expectations.gauges import plausible, present
from ingest.settings import Settings

SUITE = Suite(
    "raw.storage_samples",
    (
        present("storage_samples", "sampled_at", "a sample without a time holds from nowhere"),
        present("storage_samples", "bucket", "without its bucket a sample may be billed twice"),
        present("storage_samples", "resource_prefix", "bytes of no prefix belong to nobody"),
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


def validate(settings: Settings, load_seqs: list[int]) -> list[ExpectationOutcome]:
    """Run the suite on the samples of some loads. Raises MeterhouseError when it cannot run."""
    return validate_suites(settings, load_seqs, ["storage"])
