"""The independent answer: exact usage from the true lives, by the published definitions.

A stretch is a constant allocation over [start, end). Two stretches of one sandbox never overlap:
the earlier one is cut where the later one starts. Every quantity is an exact decimal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise

from data.generator.clock import DAY, MILLI, rfc3339
from data.generator.company import AS_OF, UNATTRIBUTED, Account, Company, Link
from data.generator.timeline import E2BRun, Measured, Timeline

COMPUTE_MEASURES = (
    "seconds",
    "cpu_core_seconds",
    "ram_gibi_seconds",
    "ssd_gibi_seconds",
    "gpu_core_seconds",
)


@dataclass(frozen=True)
class Stretch:
    provider: str
    resource: str  # unique over providers' own accounts: "<team or org>/<sandbox>"
    record: str  # the execution, scale row or interval behind it
    references: tuple[tuple[str, str], ...]  # (match_key, value), most specific first
    start: int
    end: int
    vcpu: Decimal
    memory_mib: int
    disk_mib: int = 0
    gpu: int = 0
    evidence: str = "observed"  # observed | inferred | open
    end_known_at: int | None = None
    repeats_of_end: int = 0
    account_id: str = UNATTRIBUTED


def quantity(stretch: Stretch, measure: str, start: int, end: int) -> Decimal:
    """What the stretch adds to a measure inside [start, end)."""
    span = max(0, min(stretch.end, end) - max(stretch.start, start))
    if measure == "seconds":
        # A stopped sandbox has a disk and nothing else: it does not run.
        running = stretch.vcpu or stretch.memory_mib or stretch.gpu
        return Decimal(span if running else 0).scaleb(-6)
    if measure == "cpu_core_seconds":
        return (stretch.vcpu * span).scaleb(-6)
    if measure == "gpu_core_seconds":
        return Decimal(stretch.gpu * span).scaleb(-6)
    mib = stretch.memory_mib if measure == "ram_gibi_seconds" else stretch.disk_mib
    # 1/1024 is 0.0009765625 exactly.
    return Decimal(mib * span * 9_765_625).scaleb(-16)


def true_stretches(
    company: Company, timeline: Timeline, known_at: Callable[[E2BRun], int]
) -> list[Stretch]:
    """Every stretch of every provider, free of overlaps, cut at changes of owner.

    `known_at` says when the end event of an E2B run was first received.
    """
    stretches = _e2b(timeline.e2b, known_at)
    for row in timeline.opencomputer:
        end = AS_OF if row.end is None else max(row.start, row.end)
        stretches.append(
            Stretch(
                "opencomputer",
                f"{row.org_id}/{row.sandbox_id}",
                row.row_id,
                (("account", row.org_id),),
                row.start,
                end,
                row.vcpu,
                row.memory_mib,
                row.disk_mib,
                evidence="open" if row.end is None else "observed",
                end_known_at=row.end,
            )
        )
    for lease in timeline.fleet:
        stretches.append(
            Stretch(
                "foundry",
                # Another customer's use of the same resource name is another resource.
                f"{lease.account_ref}/{lease.resource_id}",
                lease.record_id,
                (("account", lease.account_ref),),
                lease.start,
                AS_OF if lease.end is None else lease.end,
                Decimal(lease.vcpu),
                lease.memory_mib,
                lease.disk_mib,
                lease.gpu,
                evidence="open" if lease.end is None else "observed",
                end_known_at=lease.end,
            )
        )
    for period in timeline.daytona:
        stretches.append(
            Stretch(
                "daytona",
                f"{period.org_id}/{period.sandbox_id}",
                rfc3339(period.start),
                (("account", period.org_id),),
                period.start,
                AS_OF if period.end is None else period.end,
                Decimal(period.vcpu),
                period.memory_gib * 1024,
                period.disk_gib * 1024,
                evidence="open" if period.end is None else "observed",
                end_known_at=period.end,
            )
        )
    return [
        piece for stretch in _cut_overlaps(stretches) for piece in _attributed(company, stretch)
    ]


def _e2b(runs: list[E2BRun], known_at: Callable[[E2BRun], int]) -> list[Stretch]:
    by_sandbox: dict[str, list[E2BRun]] = {}
    for run in runs:
        by_sandbox.setdefault(run.sandbox_id, []).append(run)
    found: list[Stretch] = []
    for run in runs:
        references = [(f"metadata:{key}", run.metadata[key]) for key in sorted(run.metadata)]
        references.append(("account", run.team))
        stretch = Stretch(
            "e2b",
            f"{run.team}/{run.sandbox_id}",
            run.execution_id,
            tuple(references),
            run.start,
            AS_OF,
            Decimal(run.template.vcpu),
            run.template.memory_mib,
            repeats_of_end=run.repeats_of_end,
        )
        if run.end is None:
            later = [r.started_event_at for r in by_sandbox[run.sandbox_id] if r.start > run.start]
            limits = [*later, run.started_event_at + DAY, AS_OF]
            if run.set_timeouts:
                limits.append(run.set_timeouts[-1][1])
            end = min(limits)
            stretch = replace(
                stretch,
                start=run.started_event_at,
                end=end,
                evidence="open" if end == AS_OF else "inferred",
            )
        elif run.checkpoints:
            stretch = replace(stretch, start=run.started_event_at, end=run.end)
        elif run.reported_ms is not None:
            stretch = replace(stretch, start=run.end - run.reported_ms * MILLI, end=run.end)
        else:
            stretch = replace(stretch, end=run.end)
        if run.end is not None:
            stretch = replace(stretch, end_known_at=known_at(run))
        found.append(stretch)
    return found


def _cut_overlaps(stretches: list[Stretch]) -> list[Stretch]:
    by_resource: dict[tuple[str, str], list[Stretch]] = {}
    for stretch in stretches:
        by_resource.setdefault((stretch.provider, stretch.resource), []).append(stretch)
    found: list[Stretch] = []
    for group in by_resource.values():
        ordered = sorted(group, key=lambda s: (s.start, s.end, s.record))
        for index, stretch in enumerate(ordered):
            following = ordered[index + 1].start if index + 1 < len(ordered) else stretch.end
            found.append(replace(stretch, end=max(stretch.start, min(stretch.end, following))))
    return found


def _attributed(company: Company, stretch: Stretch) -> list[Stretch]:
    """Cut where a link begins or ends; the link valid at the instant names the account."""
    edges = {stretch.start, stretch.end}
    for link in company.links:
        for edge in (link.valid_from, link.valid_to):
            if edge is not None and stretch.start < edge < stretch.end and _concerns(link, stretch):
                edges.add(edge)
    ordered = sorted(edges)
    if len(ordered) == 1:
        ordered *= 2
    return [
        replace(stretch, start=start, end=end, account_id=_account_at(company, stretch, start))
        for start, end in pairwise(ordered)
    ]


def _concerns(link: Link, stretch: Stretch) -> bool:
    return (
        link.provider == stretch.provider
        and (link.match_key, link.match_value) in stretch.references
    )


def _account_at(company: Company, stretch: Stretch, at: int) -> str:
    for reference in stretch.references:
        for link in company.links:
            if (
                _concerns(link, stretch)
                and (link.match_key, link.match_value) == reference
                and (link.valid_from is None or link.valid_from <= at)
                and (link.valid_to is None or at < link.valid_to)
            ):
                return link.account_id
        if any(reference[1] == account.account_id for account in company.accounts):
            return reference[1]
    return UNATTRIBUTED


@dataclass
class Usage:
    """Stretches and measured amounts by account, and the sums that anybody asks of them."""

    stretches: list[Stretch]
    measured: list[Measured]

    def of(self, account: Account | str) -> list[Stretch]:
        wanted = account if isinstance(account, str) else account.account_id
        return [s for s in self.stretches if s.account_id == wanted]

    def compute(
        self,
        account: Account | str,
        measure: str,
        start: int,
        end: int,
        where: dict[str, int] | None = None,
    ) -> Decimal:
        """The sum of a compute measure over [start, end), of the sizes that `where` names."""
        fitting = (
            s for s in self.of(account) if not where or where == {"memory_mib": s.memory_mib}
        )
        return _total(quantity(s, measure, start, end) for s in fitting)

    def amounts(self, account: Account, meter_id: str, start: int, end: int) -> Decimal:
        """The sum of measured amounts whose window starts in [start, end): none is ever split."""
        return _total(
            m.quantity
            for m in self.measured
            if m.account_ref == account.account_id
            and m.meter_id == meter_id
            and start <= m.start < end
        )


def _total(parts: Iterable[Decimal]) -> Decimal:
    return sum(parts, Decimal(0))
