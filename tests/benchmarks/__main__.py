"""`make bench`: how fast and how large, as ratios measured in one run.

A million lifecycle events are generated in landing-zone form and rated; beside it, in turns, the
bare SQL shapes do the same on the same files and must give the same figures. Then a small late file
arrives, then nothing does. Exit code 1 when two things that must be equal are not; what is slow is
only said.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from dagster_project.lib.dbt_project import read_manifest
from dagster_project.lib.rerating import rating_models
from tests.benchmarks.equality import compare
from tests.benchmarks.events import write_events
from tests.benchmarks.landing import write_reference_files
from tests.benchmarks.late import write_late_events
from tests.benchmarks.measure import Cost, run, run_module, spread
from tests.benchmarks.rating import write_rating_zone

NOW = "2026-09-02T12:00:00Z"
AN_HOUR_LATER = "2026-09-02T13:00:00Z"
CLOCKS = {"same clock": NOW, "an hour later": AN_HOUR_LATER}
LATE_RECORDS = 1000

MAX_RATIO = 2.0
MAX_PEAK_MIB = 1024.0
MAX_LATE_SHARE = 0.20
MAX_NOTHING_NEW_SECONDS = 25.0
MAX_NDJSON_RATIO = 2.5
# What the fixed cost of the models is measured on: next to nothing.
FIXED_EVENTS = 1000
FIXED_ACCOUNTS = 10
FIXED_LATE_RECORDS = 100

KINDS = (("database_cpu_seconds", "CPU"), ("database_seconds", "wall"))
RATED_CHARGES = 100_000
MAX_RATING_SECONDS = 2.0
SMALL_FILES = 10_000
SMALL_FILE_RECORDS = 10


@dataclass
class Report:
    """The lines of the table, printed as they are known."""

    failed: list[str] = field(default_factory=list)

    def title(self) -> None:
        self._line("what", "measured", "target", "ok")
        self._line("-" * 50, "-" * 30, "-" * 10, "--")

    def fact(self, what: str, measured: str) -> None:
        self._line(what, measured, "", "")

    def target(self, what: str, measured: str, limit: str, *, met: bool) -> None:
        self._line(what, measured, limit, "yes" if met else "NO")

    def equal(self, what: str, compared: int, different: int, things: str = "rows") -> None:
        measured = f"{compared} {things}, {different} different"
        self._line(what, measured, "0", "yes" if not different else "NO")
        if different:
            self.failed.append(what)

    def _line(self, what: str, measured: str, target: str, ok: str) -> None:
        print(f"{what:<50}  {measured:<30}  {target:<10}  {ok}".rstrip(), flush=True)


@dataclass(frozen=True)
class Product:
    """The product on one landing zone and home, each step a process of its own."""

    landing: Path
    home: Path
    now: str = NOW

    @property
    def environment(self) -> dict[str, str]:
        return {
            "METERHOUSE_LANDING": str(self.landing),
            "METERHOUSE_HOME": str(self.home),
            "METERHOUSE_NOW": self.now,
            "METERHOUSE_LEDGER_URL": "",
        }

    def step(self, name: str, run_id: str, *options: str) -> Cost:
        return run_module("step", name, run_id, *options, environment=self.environment)

    def command(self, *arguments: str) -> Cost:
        program = [sys.executable, "-m", "dagster_project.cli", *arguments, "--json"]
        return run(program, self.environment)


@dataclass(frozen=True)
class Build:
    """One build: what its models and its tests took in the database."""

    cost: Cost

    def seconds(self, kind: str = "database_seconds", *, tests: bool = False) -> float:
        return sum(float(node[kind]) for node in self.nodes if node["is_test"] == tests)

    @property
    def cpu(self) -> float:
        return self.seconds("database_cpu_seconds")

    @property
    def nodes(self) -> list[dict[str, Any]]:
        nodes: list[dict[str, Any]] = self.cost.answer["nodes"]
        return nodes

    @property
    def overhead(self) -> float:
        """Wall seconds of the process outside of the database."""
        return self.cost.seconds - self.seconds() - self.seconds(tests=True)


@dataclass(frozen=True)
class FixedCost:
    """What the models take with next to no data, by kind of seconds: each build's median;
    of a late file by clock.

    Every model costs some milliseconds to plan, to make and to commit however little there is to
    do. That is the number of the models, not the data: it is the same at ten thousand events and at
    ten million, so a ratio at one size says something about others only without it. A run pays
    it all the same, so the ratios with it are printed beside.
    """

    full: dict[str, float]
    late: dict[str, dict[str, float]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure everything and print the table; 1 when something that must be equal is not."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3, help="times that each side is measured")
    options = parser.parse_args(arguments)
    report = Report()
    with tempfile.TemporaryDirectory(prefix="meterhouse-bench-") as folder:
        _measure(Path(folder), options.events, options.rounds, report)
    if report.failed:
        print(f"not equal: {', '.join(report.failed)}", file=sys.stderr)
    return 1 if report.failed else 0


def _measure(work: Path, events: int, rounds: int, report: Report) -> None:
    parquet, ndjson = work / "parquet", work / "ndjson"
    told = write_events(
        events, parquet / "e2b" / "events.parquet", ndjson / "e2b" / "events.ndjson"
    )
    for landing in (parquet, ndjson):
        write_reference_files(landing)
    report.title()
    _rating(work, report)
    report.fact("events", f"{told}")
    fixed = _fixed_cost(work / "fixed", rounds, report)
    built = _against_bare(work, parquet, rounds, fixed, report)
    _late_file(built, fixed, report)
    _nothing_new(built, report)
    _ndjson(work, ndjson, report)


def _fixed_cost(work: Path, rounds: int, report: Report) -> FixedCost:
    """The same price book and plan, ten accounts and a thousand events; then a hundred records.

    Not all of the accounts: their statements are data too.
    """
    landing = work / "parquet"
    events, late = landing / "e2b" / "events.parquet", landing / "e2b" / "late.parquet"
    write_events(FIXED_EVENTS, events)
    write_reference_files(landing, FIXED_ACCOUNTS)
    loaded = Product(landing, work / "home")
    loaded.step("load", "full")
    products = [Product(landing, work / f"home-{number}") for number in range(rounds)]
    full: list[Build] = []
    for product in products:
        shutil.copytree(loaded.home, product.home)
        full.append(Build(product.step("build", "full")))
    write_late_events(events, late, FIXED_LATE_RECORDS)
    increments: dict[str, list[Build]] = {clock: [] for clock in CLOCKS}
    for product in products:
        for clock, now in CLOCKS.items():
            copy = Product(landing, work / "home-late", now)
            shutil.copytree(product.home, copy.home, symlinks=True)
            copy.step("load", "late")
            increments[clock].append(Build(copy.step("build", "late")))
            shutil.rmtree(copy.home)
    shutil.rmtree(work)
    measured = {"full": full} | {f"late file, {clock}": increments[clock] for clock in CLOCKS}
    for name, builds in measured.items():
        spent = spread([build.cpu for build in builds])
        report.fact(f"fixed cost of the models, {name}, CPU s", spent)
    return FixedCost(
        _medians(full), {clock: _medians(builds) for clock, builds in increments.items()}
    )


def _medians(builds: Sequence[Build]) -> dict[str, float]:
    return {kind: median(build.seconds(kind) for build in builds) for kind, _ in KINDS}


def _against_bare(
    work: Path, landing: Path, rounds: int, fixed: FixedCost, report: Report
) -> Product:
    """Bare shapes and models in turns; gives the product as the last round left it, published."""
    loaded = Product(landing, work / "home-loaded")
    load = loaded.step("load", "full")
    bare_runs: list[Cost] = []
    builds: list[Build] = []
    built = loaded
    for number in range(rounds):
        database = work / f"bare-{number}.duckdb"
        bare_runs.append(run_module("bare", database, landing))
        if number:
            shutil.rmtree(built.home)
        built = Product(landing, work / f"home-{number}")
        shutil.copytree(loaded.home, built.home)
        builds.append(Build(built.step("build", "full")))
        if number < rounds - 1:
            database.unlink()
    published = built.step("publish", "full")
    for name, (rows, different) in compare(database, built.home / "marts.duckdb").items():
        report.equal(f"{name}: bare shapes and marts", rows, different)
    database.unlink()
    shutil.rmtree(loaded.home)

    bare_cpu = [_bare_seconds(each, "cpu_seconds") for each in bare_runs]
    bare_wall = [_bare_seconds(each, "seconds") for each in bare_runs]
    for (kind, name), bare_spent in zip(KINDS, (bare_cpu, bare_wall), strict=True):
        spent = list(zip((build.seconds(kind) for build in builds), bare_spent, strict=True))
        report.fact(f"models to bare shapes, {name}", spread([ours / bare for ours, bare in spent]))
        less = [(ours - fixed.full[kind]) / bare for ours, bare in spent]
        report.target(
            f"  less the fixed cost of the models, {name}",
            spread(less),
            f"<= {MAX_RATIO:g}",
            met=median(less) <= MAX_RATIO,
        )
    report.fact("  bare shapes, CPU s", spread(bare_cpu))
    report.fact("  models, CPU s", spread([build.cpu for build in builds]))
    report.fact("  bare shapes, wall s", spread(bare_wall))
    report.fact("  models, wall s", spread([build.seconds() for build in builds]))
    fastest = min(builds, key=lambda build: build.cpu)
    _print_shapes(bare_runs, report)
    _print_top(fastest, report)
    peaks = {
        "load": load.answer["peak_mib"],
        "build": max(build.cost.answer["peak_mib"] for build in builds),
        "publish": published.answer["peak_mib"],
    }
    for step, peak in peaks.items():
        met = peak <= MAX_PEAK_MIB
        report.target(f"peak memory of {step}, MiB", f"{peak:.0f}", f"<= {MAX_PEAK_MIB:g}", met=met)
    report.fact("  bare shapes, MiB", f"{max(each.answer['peak_mib'] for each in bare_runs):.0f}")
    report.fact("load Parquet, CPU s (wall s)", f"{load.cpu_seconds:.1f} ({load.seconds:.1f})")
    tests = [build.seconds("database_cpu_seconds", tests=True) for build in builds]
    report.fact("tests of the data in the database, CPU s", spread(tests))
    report.fact("start-up, dbt and Python of a build, wall s", spread([b.overhead for b in builds]))
    report.fact("publish, CPU s (wall s)", f"{published.cpu_seconds:.1f} ({published.seconds:.1f})")
    return built


def _bare_seconds(cost: Cost, kind: str) -> float:
    return sum(float(shape[kind]) for shape in cost.answer["shapes"].values())


def _print_shapes(runs: Sequence[Cost], report: Report) -> None:
    for name in runs[0].answer["shapes"]:
        least = min(each.answer["shapes"][name]["cpu_seconds"] for each in runs)
        report.fact(f"  bare: {name}, CPU s", f"{least:.2f}")


def _print_top(build: Build, report: Report, count: int = 10) -> None:
    models = [node for node in build.nodes if not node["is_test"]]
    models.sort(key=lambda node: -float(node["database_cpu_seconds"]))
    for node in models[:count]:
        cpu, wall = node["database_cpu_seconds"], node["database_seconds"]
        report.fact(f"  model: {node['name']}, CPU s (wall s)", f"{cpu:.2f} ({wall:.2f})")
    rest = models[count:]
    cpu = sum(node["database_cpu_seconds"] for node in rest)
    report.fact(f"  {len(rest)} other models, CPU s", f"{cpu:.2f}")


def _rating(work: Path, report: Report) -> None:
    """The models that the price book decides, on as many charges, in a build of everything."""
    landing = work / "rating"
    charges = write_rating_zone(landing, RATED_CHARGES)
    product = Product(landing, work / "home-rating")
    product.step("load", "full")
    built = Build(product.step("build", "full"))
    rated = set(rating_models(read_manifest()).built)
    nodes = [node for node in built.nodes if node["name"] in rated]
    cpu = sum(float(node["database_cpu_seconds"]) for node in nodes)
    wall = sum(float(node["database_seconds"]) for node in nodes)
    report.target(
        f"rating {charges} charges, CPU s (wall s)",
        f"{cpu:.2f} ({wall:.2f})",
        f"<= {MAX_RATING_SECONDS:g}",
        met=cpu <= MAX_RATING_SECONDS,
    )
    for node in sorted(nodes, key=lambda node: -float(node["database_cpu_seconds"]))[:5]:
        report.fact(f"  model: {node['name']}, CPU s", f"{node['database_cpu_seconds']:.2f}")
    shutil.rmtree(landing)
    shutil.rmtree(product.home)


def _late_file(built: Product, fixed: FixedCost, report: Report) -> None:
    """One new file, half of it weeks late: a build with the same clock, one an hour later, and all.

    An hour later the models that rate have more to do: what statements say depends on the clock.
    """
    events = built.landing / "e2b" / "events.parquet"
    records = write_late_events(events, built.landing / "e2b" / "late.parquet", LATE_RECORDS)
    copy = Product(built.landing, built.home.with_name("home-same-clock"))
    shutil.copytree(built.home, copy.home, symlinks=True)
    copy.step("load", "late")
    same_clock = Build(copy.step("build", "late"))
    shutil.rmtree(copy.home)

    later = Product(built.landing, built.home, AN_HOUR_LATER)
    later.step("load", "late")
    an_hour_later = Build(later.step("build", "late"))
    incremental = later.step("publish", "late").answer["tables"]
    later.step("load", "refresh", "--full-refresh")
    full = Build(later.step("build", "refresh"))
    refreshed = later.step("publish", "refresh").answer["tables"]
    differing = sum(
        incremental.get(name) != refreshed.get(name) for name in incremental | refreshed
    )
    report.equal("marts after the late file, full refresh", len(refreshed), differing, "tables")
    for clock, build in zip(CLOCKS, (same_clock, an_hour_later), strict=True):
        for kind, name in KINDS:
            spent, whole = build.seconds(kind), full.seconds(kind)
            report.fact(
                f"models after {records} late records, {clock}, {name}",
                f"{spent / whole:.1%} of full ({spent:.2f} s)",
            )
            spent, whole = spent - fixed.late[clock][kind], whole - fixed.full[kind]
            share = spent / whole
            report.target(
                f"  less the fixed cost of the models, {name}",
                f"{share:.1%} of full ({spent:.2f} s)",
                f"<= {MAX_LATE_SHARE:.0%}",
                met=share <= MAX_LATE_SHARE,
            )
        _print_top(build, report, 5)


def _nothing_new(built: Product, report: Report) -> None:
    """`meterhouse run` as a user calls it: once to settle, then with nothing new."""
    later = Product(built.landing, built.home, AN_HOUR_LATER)
    later.command("run")
    runs = [later.command("run") for _ in range(3)]
    seconds = [each.seconds for each in runs]
    report.target(
        "meterhouse run with nothing new, wall s",
        spread(seconds),
        f"<= {MAX_NOTHING_NEW_SECONDS:g}",
        met=median(seconds) <= MAX_NOTHING_NEW_SECONDS,
    )
    report.fact(
        "meterhouse run with nothing new, CPU s", spread([each.cpu_seconds for each in runs])
    )


def _ndjson(work: Path, landing: Path, report: Report) -> None:
    """Loading and billing captures beside the least that types them; then many small files."""
    product = Product(landing, work / "home-ndjson")
    captures = landing / "e2b" / "events.ndjson"
    load = product.step("load", "full")
    bare = run_module("typed_json", work / "json.duckdb", captures)
    built = Build(product.step("build", "full"))
    spent, least = load.answer["cpu_seconds"], bare.answer["cpu_seconds"]
    report.fact("load NDJSON to bare typed read_json, CPU", f"{spent / least:.1f} ({spent:.1f} s)")
    report.fact("  bare typed read_json, CPU s", f"{least:.1f}")
    whole = (spent + built.cpu) / least
    report.target(
        "load NDJSON and models to bare typed read_json, CPU",
        f"{whole:.1f} ({spent + built.cpu:.1f} s)",
        f"<= {MAX_NDJSON_RATIO:g}",
        met=whole <= MAX_NDJSON_RATIO,
    )
    peak = load.answer["peak_mib"]
    report.target(
        "  peak memory of load, MiB",
        f"{peak:.0f}",
        f"<= {MAX_PEAK_MIB:g}",
        met=peak <= MAX_PEAK_MIB,
    )
    size = captures.stat().st_size
    stored = (product.home / "warehouse.duckdb").stat().st_size
    report.fact("  warehouse to its input, bytes", f"{stored / size:.2f}")
    shutil.rmtree(product.home)

    small = work / "small"
    write_reference_files(small)
    files = _cut(captures, small / "e2b", SMALL_FILES, SMALL_FILE_RECORDS)
    many = Product(small, work / "home-small").step("load", "full").answer
    report.fact(
        f"load {files} small files, CPU s (wall s)",
        f"{many['cpu_seconds']:.1f} ({many['seconds']:.1f})",
    )


def _cut(captures: Path, folder: Path, files: int, records: int) -> int:
    """Write the first captures as small files of so many records each; returns how many files."""
    folder.mkdir(parents=True)
    with captures.open() as lines:
        for number in range(files):
            text = "".join(islice(lines, records))
            if not text:
                return number
            (folder / f"{number:06}.ndjson").write_text(text)
    return files


if __name__ == "__main__":
    sys.exit(main())
