"""The price book: written as YAML for the landing zone, and applied here independently for the
Stripe export.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from data.generator.clock import instant, rfc3339
from data.generator.landing import Landing


@dataclass(frozen=True)
class Meter:
    meter_id: str
    source: str
    unit: str
    stripe_event_name: str = ""  # without one nothing of it goes to Stripe
    measure: str = ""
    event_type: str = ""
    value: str = ""


@dataclass(frozen=True)
class Tier:
    up_to: str | None
    unit_amount: str
    flat_amount: str = "0"


@dataclass(frozen=True)
class Charge:
    charge_key: str
    meter_id: str
    model: str = "standard"
    unit_amount: str = ""
    tiers: tuple[Tier, ...] = ()
    memory_mib: int | None = None
    own_event: str = ""  # a charge that splits its meter has its own Stripe meter

    @property
    def stripe_event_name(self) -> str:
        return (
            self.own_event
            or next(m for m in METERS if m.meter_id == self.meter_id).stripe_event_name
        )

    def amount(self, quantity: Decimal, before: Decimal, in_period: Decimal) -> Decimal:
        """The exact amount, in major units, of a quantity that came after `before` of the period.

        Tiers run on through the versions of a period: `in_period` is the quantity of all of it.
        """
        if self.model == "standard":
            return quantity * Decimal(self.unit_amount)
        if self.model == "graduated":
            return self._graduated(before + quantity) - self._graduated(before)
        tier = next(t for t in self.tiers if t.up_to is None or in_period <= Decimal(t.up_to))
        flat = Decimal(0) if before else Decimal(tier.flat_amount)
        return quantity * Decimal(tier.unit_amount) + flat

    def _graduated(self, quantity: Decimal) -> Decimal:
        return sum((part * unit + flat for part, unit, flat in self.split(quantity)), Decimal(0))

    def split(self, quantity: Decimal) -> list[tuple[Decimal, Decimal, Decimal]]:
        """(units, unit amount, flat amount) of each graduated tier that holds units."""
        found: list[tuple[Decimal, Decimal, Decimal]] = []
        lower = Decimal(0)
        for tier in self.tiers:
            upper = quantity if tier.up_to is None else min(quantity, Decimal(tier.up_to))
            if upper > lower:
                found.append((upper - lower, Decimal(tier.unit_amount), Decimal(tier.flat_amount)))
                lower = upper
        return found


@dataclass(frozen=True)
class Version:
    valid_from: int
    charges: tuple[Charge, ...]
    published_at: int | None = None
    currency: str = "usd"
    base_amount: str = "0"
    included_amount: str = "0"
    max_concurrent: int = 50
    allowed_memory_mib: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        return rfc3339(self.valid_from)


@dataclass(frozen=True)
class Plan:
    plan_id: str
    name: str
    versions: tuple[Version, ...] = field(default_factory=tuple)
    in_stripe: bool = True

    def pieces(self, start: int, end: int) -> list[tuple[Version, int, int]]:
        """[start, end) cut where a new version comes into force."""
        found: list[tuple[Version, int, int]] = []
        for index, version in enumerate(self.versions):
            until = self.versions[index + 1].valid_from if index + 1 < len(self.versions) else end
            first, last = max(start, version.valid_from), min(end, until)
            if first < last:
                found.append((version, first, last))
        return found


METERS = (
    Meter("sandbox_seconds", "compute", "second", "sandbox_seconds", "seconds"),
    Meter(
        "sandbox_cpu_core_seconds",
        "compute",
        "core-second",
        "sandbox_cpu_core_seconds",
        "cpu_core_seconds",
    ),
    Meter(
        "sandbox_ram_gibi_seconds",
        "compute",
        "GiB-second",
        "sandbox_ram_gibi_seconds",
        "ram_gibi_seconds",
    ),
    Meter(
        "sandbox_ssd_gibi_seconds",
        "compute",
        "GiB-second",
        "sandbox_ssd_gibi_seconds",
        "ssd_gibi_seconds",
    ),
    Meter(
        "sandbox_gpu_core_seconds",
        "compute",
        "GPU-second",
        "sandbox_gpu_core_seconds",
        "gpu_core_seconds",
    ),
    Meter("api_requests", "quantities", "request", "api_requests"),
    Meter("artifact_gib_months", "quantities", "GiB-month", "artifact_gib_months"),
    Meter(
        "agent_tokens",
        "events",
        "token",
        event_type="com.cobaltrun.agent_turn",
        value="$.tokens",
    ),
    Meter("session_storage", "storage", "GiB-second", measure="gibi_seconds"),
)

SIZES = {1024: "1gb", 4096: "4gb", 8192: "8gb", 16384: "16gb", 32768: "32gb"}

# OpenComputer's published rates per second, by the day from which they held. The first list lacks
# 1 GB; the one of 15 April was ten times too high and stood for a week.
PUBLISHED_RATES: dict[str, dict[int, str]] = {
    "2026-03-26": {
        4096: "0.00003240740741",
        8192: "0.000150462963",
        16384: "0.0008101851852",
        32768: "0.005787037037",
    },
    "2026-04-02": {
        1024: "0.000001080246914",
        4096: "0.000005787037037",
        8192: "0.000005015432099",
        16384: "0.00002700617284",
        32768: "0.0001929012346",
    },
    "2026-04-14": {
        1024: "0.000001080246914",
        4096: "0.000005787037037",
        8192: "0.00001350308642",
        16384: "0.00002700617284",
        32768: "0.0001929012346",
    },
    "2026-04-15": {
        1024: "0.00001080246914",
        4096: "0.00005787037037",
        8192: "0.0001350308642",
        16384: "0.0002700617284",
        32768: "0.001929012346",
    },
    "2026-04-22": {
        1024: "0.000001080246914",
        4096: "0.000005787037037",
        8192: "0.00001350308642",
        16384: "0.00002700617284",
        32768: "0.0001929012346",
    },
}
EURO_RATES = {
    1024: "0.000000993827161",
    4096: "0.000005324074074",
    8192: "0.00001242283951",
    16384: "0.00002484567901",
    32768: "0.0001774691358",
}

CONTRACT_CHANGE = instant("2026-08-15T00:00:00Z")


def _size_charges(rates: dict[int, str]) -> tuple[Charge, ...]:
    return tuple(
        Charge(
            f"compute_{SIZES[size]}",
            "sandbox_seconds",
            unit_amount=rate,
            memory_mib=size,
            own_event=f"sandbox_compute_sandbox_{SIZES[size]}",
        )
        for size, rate in rates.items()
    )


def _contract(cpu: tuple[str, str, str], ram: tuple[str, str, str]) -> tuple[Charge, ...]:
    """Enterprise charges; the last tier of each is what E2B itself charges."""
    return (
        Charge(
            "cpu",
            "sandbox_cpu_core_seconds",
            "graduated",
            tiers=(Tier("1000000", cpu[0]), Tier("5000000", cpu[1]), Tier(None, cpu[2])),
        ),
        Charge(
            "memory",
            "sandbox_ram_gibi_seconds",
            "volume",
            tiers=(Tier("15000000", ram[0]), Tier("30000000", ram[1]), Tier(None, ram[2])),
        ),
        Charge("disk", "sandbox_ssd_gibi_seconds", unit_amount="0.00000003"),
        Charge("gpu", "sandbox_gpu_core_seconds", unit_amount="0.000306"),
        Charge("api", "api_requests", unit_amount="0.00002"),
        Charge("artifacts", "artifact_gib_months", unit_amount="0.085"),
    )


_ARTIFACTS = Charge("artifacts", "artifact_gib_months", unit_amount="0.10")

PLANS = (
    Plan(
        "free",
        "Free",
        (
            Version(
                instant("2026-04-22T00:00:00Z"),
                (
                    Charge(
                        "compute_4gb",
                        "sandbox_seconds",
                        unit_amount="0.000005787037037",
                        memory_mib=4096,
                        own_event="sandbox_compute_free_4gb",
                    ),
                ),
                included_amount="5.00",
                max_concurrent=1,
                allowed_memory_mib=(4096,),
            ),
        ),
    ),
    Plan(
        "pro",
        "Pro",
        tuple(
            Version(
                instant(f"{day}T00:00:00Z"),
                (*_size_charges(rates), _ARTIFACTS),
                max_concurrent=5,
                allowed_memory_mib=tuple(rates),
            )
            for day, rates in PUBLISHED_RATES.items()
        ),
    ),
    Plan(
        "pro_eur",
        "Pro (EUR)",
        (
            Version(
                instant("2026-04-22T00:00:00Z"),
                _size_charges(EURO_RATES),
                currency="eur",
                max_concurrent=5,
                allowed_memory_mib=tuple(EURO_RATES),
            ),
        ),
    ),
    Plan(
        "enterprise",
        "Enterprise",
        (
            Version(
                instant("2026-01-01T00:00:00Z"),
                _contract(
                    ("0.000021", "0.0000175", "0.000014"), ("0.00000675", "0.0000055", "0.0000045")
                ),
                base_amount="500.00",
                included_amount="50.00",
            ),
            Version(
                CONTRACT_CHANGE,
                _contract(
                    ("0.0000195", "0.0000165", "0.000014"), ("0.0000062", "0.0000052", "0.0000045")
                ),
                published_at=instant("2026-08-01T00:00:00Z"),
                base_amount="500.00",
                included_amount="50.00",
            ),
        ),
    ),
    Plan(
        "partner",
        "Partner",
        (
            Version(
                instant("2026-01-01T00:00:00Z"),
                (
                    Charge("cpu", "sandbox_cpu_core_seconds", unit_amount="0.000014"),
                    Charge("memory", "sandbox_ram_gibi_seconds", unit_amount="0.0000045"),
                    Charge("disk", "sandbox_ssd_gibi_seconds", unit_amount="0.00000003"),
                    Charge("tokens", "agent_tokens", unit_amount="0.000004"),
                    Charge("storage", "session_storage", unit_amount="0.00000001"),
                ),
                included_amount="500.00",
            ),
        ),
        in_stripe=False,
    ),
)


def plan(plan_id: str) -> Plan:
    return next(p for p in PLANS if p.plan_id == plan_id)


def write_pricebook(landing: Landing) -> None:
    """Write pricebook/meters.yaml and pricebook/plans.yaml."""
    for name, render in (("meters", _meters_yaml), ("plans", _plans_yaml)):
        landing.add(f"pricebook/{name}.yaml", render(), None)


def _meters_yaml() -> str:
    lines = [
        "# What is measured. Charges that split a meter by size have their own Stripe meter.",
        "meters:",
    ]
    for meter in METERS:
        lines += [f"  - meter_id: {meter.meter_id}", f"    source: {meter.source}"]
        lines += [f"    measure: {meter.measure}"] if meter.measure else []
        if meter.event_type:
            lines += [f"    event_type: {meter.event_type}", "    aggregation: sum"]
            lines += [f"    value: {meter.value}"]
        lines += [f"    unit: {meter.unit}"]
        if meter.stripe_event_name:
            lines += [f"    stripe_event_name: {meter.stripe_event_name}"]
    return "\n".join(lines) + "\n"


def _plans_yaml() -> str:
    lines = [
        "# The version in force when the usage happened rates it. Rates are per unit of the meter.",
        "plans:",
    ]
    for each in PLANS:
        lines += [f"  - plan_id: {each.plan_id}", f"    name: {each.name}", "    versions:"]
        for version in each.versions:
            lines += _version_yaml(version)
    return "\n".join(lines) + "\n"


def _version_yaml(version: Version) -> list[str]:
    lines = [f"      - valid_from: {version.name}"]
    if version.published_at is not None:
        lines.append(f"        published_at: {rfc3339(version.published_at)}")
    lines += [
        f"        currency: {version.currency}",
        "        interval: month",
        f'        base_amount: "{version.base_amount}"',
    ]
    if version.included_amount != "0":
        lines.append(f'        included_amount: "{version.included_amount}"')
    limits = f"max_concurrent_sandboxes: {version.max_concurrent}"
    if version.allowed_memory_mib:
        sizes = ", ".join(str(size) for size in sorted(version.allowed_memory_mib))
        limits += f", allowed_memory_mib: [{sizes}]"
    lines += [
        f"        limits: {{{limits}}}",
        "        alerts_percent: [50, 80, 100, 120]",
        "        charges:",
    ]
    for charge in version.charges:
        lines += _charge_yaml(charge)
    return lines


def _charge_yaml(charge: Charge) -> list[str]:
    lines = [
        f"          - charge_key: {charge.charge_key}",
        f"            meter_id: {charge.meter_id}",
    ]
    if charge.memory_mib is not None:
        lines.append(f"            where: {{memory_mib: {charge.memory_mib}}}")
    if charge.own_event:
        lines.append(f"            stripe_event_name: {charge.own_event}")
    lines.append(f"            model: {charge.model}")
    if charge.model == "standard":
        return [*lines, f'            properties: {{unit_amount: "{charge.unit_amount}"}}']
    lines += ["            properties:", "              tiers:"]
    for tier in charge.tiers:
        up_to = "null" if tier.up_to is None else f'"{tier.up_to}"'
        amounts = f'unit_amount: "{tier.unit_amount}", flat_amount: "{tier.flat_amount}"'
        lines.append(f"                - {{up_to: {up_to}, {amounts}}}")
    return lines
