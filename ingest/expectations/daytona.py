"""What the Daytona usage periods and answers of a load must be like."""

from __future__ import annotations

from ingest.expectations import Rule, Suite, no_rows, present

MAX_VCPU = 1024
MAX_MEMORY_MIB = 4_194_304
MAX_DISK_MIB = 67_108_864


def _within(name: str, column: str, most: int, detail: str) -> Rule:
    return Rule(
        name,
        True,
        detail,
        lambda gxe: gxe.ExpectColumnValuesToBeBetween(column=column, min_value=0, max_value=most),
    )


PERIODS = Suite(
    "daytona_usage_periods",
    "daytona/usage_periods",
    (
        present(
            "daytona_sandbox_id_is_present",
            "sandbox_id",
            "without its sandbox a period may be billed twice",
        ),
        present(
            "daytona_organization_id_is_present",
            "organization_id",
            "without its organisation a period has no customer",
        ),
        present(
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
        no_rows(
            "daytona_period_ends_within_a_day",
            False,
            "the provider reopens every period after a day: a longer one was left open by mistake",
            """
            select load_seq, record_number from {batch}
            where ended_at > started_at + interval 25 hour
            """,
        ),
    ),
    record_id="""
        sandbox_id || '/' || strftime(started_at at time zone 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')
    """,
)

# What an organisation may have at once, in sandboxes of the greatest size.
MAX_SANDBOXES = 10_000
_MOST = {
    "cpu_core_seconds": MAX_VCPU,
    "ram_gb_seconds": MAX_MEMORY_MIB // 1024,
    "disk_gb_seconds": MAX_DISK_MIB // 1024,
    "gpu_core_seconds": MAX_VCPU,
}
# One row a record and sandbox ("": the organisation) with each total as a decimal.
_TOLD = f"""(
    select
        * exclude (told),
        told->>'sandbox_id' as sandbox_id,
        {", ".join(f"cast(told->>'{total}' as decimal(38, 18)) as {total}" for total in _MOST)},
        (epoch_us(least(window_end, fetched_at)) - epoch_us(window_start)) // 1000000 + 1 as seconds
    from (select *, unnest(from_json(totals, '["JSON"]')) as told from {{batch}}) as records
)"""
_TOO_MUCH = " or ".join(
    f"{total} > seconds * {most} * case sandbox_id when '' then {MAX_SANDBOXES} else 1 end"
    for total, most in _MOST.items()
)
_BEFORE = ", ".join(f"lag({total}) over again as {total}_before" for total in _MOST)
_FELL = " or ".join(f"{total} < {total}_before" for total in _MOST)

POLLS = Suite(
    "daytona_usage_polls",
    "daytona/usage_polls",
    (
        no_rows(
            "daytona_poll_totals_fit_their_window",
            True,
            "more than the largest sandboxes could use in the window was told in another unit",
            f"""
            select load_seq, record_number from {_TOLD} as told
            where {_TOO_MUCH}
            """,
        ),
        no_rows(
            "daytona_poll_tells_something",
            False,
            "an answer about an organisation without any total is not the answer of zero",
            f"""
            select load_seq, record_number from {_TOLD} as told
            where sandbox_id = '' and coalesce({", ".join(_MOST)}) is null
            """,
        ),
        no_rows(
            "daytona_poll_total_does_not_fall",
            False,
            "a later answer about the same window tells less: use was taken back",
            f"""
            select load_seq, record_number from (
                select *, {_BEFORE}
                from {_TOLD} as told
                window again as (
                    partition by source, organization_id, window_start, window_end, sandbox_id
                    order by fetched_at
                )
            ) as told
            where {_FELL}
            """,
        ),
    ),
)
