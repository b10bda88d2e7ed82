"""What the Daytona usage periods of a load must be like."""

from __future__ import annotations

from ingest.expectations import ExpectationOutcome, Rule, Suite
from ingest.expectations import validate as validate_suites
from ingest.settings import Settings

MAX_VCPU = 1024
MAX_MEMORY_MIB = 4_194_304
MAX_DISK_MIB = 67_108_864


def _present(name: str, column: str, detail: str) -> Rule:
    return Rule(name, True, detail, lambda gxe: gxe.ExpectColumnValuesToNotBeNull(column=column))


def _within(name: str, column: str, most: int, detail: str) -> Rule:
    return Rule(
        name,
        True,
        detail,
        lambda gxe: gxe.ExpectColumnValuesToBeBetween(column=column, min_value=0, max_value=most),
    )


SUITE = Suite(
    "raw.daytona_usage_periods",
    (
        _present(
            "daytona_sandbox_id_is_present",
            "sandbox_id",
            "without its sandbox a period may be billed twice",
        ),
        _present(
            "daytona_organization_id_is_present",
            "organization_id",
            "without its organisation a period has no customer",
        ),
        _present(
            "daytona_started_at_is_present",
            "started_at",
            "sandbox and start are the key: without a start a period cannot be told from another",
        ),
        _within(
            "daytona_vcpu_is_plausible", "vcpu", MAX_VCPU, f"no sandbox has more than {MAX_VCPU}"
        ),
        _within(
            "daytona_memory_is_plausible",
            "memory_mib",
            MAX_MEMORY_MIB,
            f"memory above {MAX_MEMORY_MIB // 1024} GiB was told in another unit than GiB",
        ),
        _within(
            "daytona_disk_is_plausible",
            "disk_mib",
            MAX_DISK_MIB,
            f"a disk above {MAX_DISK_MIB // 1024} GiB was told in another unit than GiB",
        ),
        Rule(
            "daytona_period_ends_within_a_day",
            False,
            "the provider reopens every period after a day: a longer one was left open by mistake",
            lambda gxe: gxe.UnexpectedRowsExpectation(
                unexpected_rows_query="""
                    select load_seq, record_number from {batch}
                    where ended_at > started_at + interval 25 hour
                """
            ),
        ),
    ),
)


def validate(settings: Settings, load_seqs: list[int]) -> list[ExpectationOutcome]:
    """Run the suite on the periods of some loads. Raises MeterhouseError when it cannot run."""
    return validate_suites(settings, load_seqs, ["daytona"])
