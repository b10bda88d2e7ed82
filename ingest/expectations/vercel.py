"""What the Vercel Sandbox sessions of a load must be like."""

from __future__ import annotations

from ingest.expectations import Rule, Suite

MAX_VCPU = 1024
MAX_MEMORY_MIB = 4_194_304
MIB_A_VCPU = 2048
STATUSES = ("pending", "running", "stopping", "stopped", "failed", "aborted", "snapshotting")


SUITE = Suite(
    "vercel_sessions",
    "vercel/sessions",
    (
        Rule(
            "vercel_session_id_is_present",
            True,
            "a session without an id cannot be told from its own later states",
            lambda gxe: gxe.ExpectColumnValuesToNotBeNull(column="session_id"),
        ),
        Rule(
            "vercel_vcpu_is_plausible",
            True,
            f"no sandbox has more than {MAX_VCPU} cores",
            lambda gxe: gxe.ExpectColumnValuesToBeBetween(
                column="vcpu", min_value=0, max_value=MAX_VCPU
            ),
        ),
        Rule(
            "vercel_memory_is_plausible",
            True,
            f"memory above {MAX_MEMORY_MIB // 1024} GiB was told in another unit than MiB",
            lambda gxe: gxe.ExpectColumnValuesToBeBetween(
                column="memory_mib", min_value=1, max_value=MAX_MEMORY_MIB
            ),
        ),
        Rule(
            "vercel_memory_goes_with_the_cores",
            False,
            f"the provider gives {MIB_A_VCPU} MiB a core: another size may be in another unit",
            lambda gxe: gxe.UnexpectedRowsExpectation(
                unexpected_rows_query=f"""
                    select load_seq, record_number from {{batch}}
                    where memory_mib <> {MIB_A_VCPU} * vcpu
                """
            ),
        ),
        Rule(
            "vercel_status_is_known",
            False,
            "what a new status means for the end of a session nobody has decided yet",
            lambda gxe: gxe.ExpectColumnValuesToBeInSet(column="status", value_set=list(STATUSES)),
        ),
    ),
    record_id="session_id",
)
