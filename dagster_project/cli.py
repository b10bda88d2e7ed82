"""The command line. Every command that writes is a Dagster job, run in this process.

Heavy imports happen inside the commands: `--help`, `status` and bad usage answer at once.
"""

import contextlib
import functools
import json
import logging
import os
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from dagster_project.lib.paths import HomeLayout
from dagster_project.lib.progress import Progress, installed
from ingest.errors import CheckFailed, MeterhouseError, UsageError
from ingest.settings import Settings

_PERIOD = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
_FIRST_PERIOD = "2020-01"

Command = Callable[..., None]
Answer = tuple[dict[str, Any], list[str]]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="meterhouse", prog_name="meterhouse")
def cli() -> None:
    """Meterhouse: from provider records to approved, explained charges.

    METERHOUSE_NOW sets the clock of every command. Exit codes: 0 done; 1 a check stopped the run
    or a push is incomplete; 2 bad usage, configuration or input.
    """


@cli.group("storage")
def storage_group() -> None:
    """Sample object storage."""


def command(name: str, group: click.Group = cli) -> Callable[[Callable[..., Answer]], Command]:
    """Make a function a command with the shared options; it returns data and lines to print.

    The function is given `settings`, `progress` and its own options.
    """

    def decorate(function: Callable[..., Answer]) -> Command:
        @group.command(name)
        @click.option(
            "--landing",
            metavar="DIR",
            envvar="METERHOUSE_LANDING",
            show_envvar=True,
            help="Folder of incoming files.  [default: data/sample]",
        )
        @click.option(
            "--home",
            metavar="DIR",
            envvar="METERHOUSE_HOME",
            show_envvar=True,
            help="Folder of everything that is kept.  [default: .meterhouse]",
        )
        @click.option(
            "--json", "as_json", is_flag=True, help="Print one JSON object, nothing else."
        )
        @functools.wraps(function)
        def run(landing: str | None, home: str | None, as_json: bool, **options: Any) -> None:
            sys.exit(_run(name, function, landing, home, as_json, options))

        return run

    return decorate


@command("run")
@click.option("--as-of", metavar="TIMESTAMP", help="Use only what was known by then.  [the clock]")
@click.option("--full-refresh", is_flag=True, help="Build every model again.")
def run_command(
    settings: Settings, _progress: Progress, as_of: str | None, full_refresh: bool
) -> Answer:
    """Load what is new, build, check, publish the marts, write the reports."""
    if as_of is not None:
        _moment(as_of, "--as-of")
    _execute(settings, "run", {"raw": {"as_of": as_of, "full_refresh": full_refresh}})
    return _summary(settings)


@command("approve")
@click.option("--period", required=True, metavar="YYYY-MM", help="The billing month.")
@click.option("--by", required=True, metavar="NAME", help="Who approves.")
@click.option("--account", "accounts", multiple=True, metavar="A", help="Only these.  [all]")
@click.option("--note", metavar="TEXT", help="Kept with the approval.")
def approve_command(
    settings: Settings,
    progress: Progress,
    period: str,
    by: str,
    accounts: tuple[str, ...],
    note: str | None,
) -> Answer:
    """Record the approval of the closed statements of a month."""
    key = _period(period)
    if not by.strip():
        raise UsageError("--by is empty; give the name of the person who approves")
    _published(settings)
    config = {"by": by, "accounts": list(accounts), "note": note}
    _execute(settings, "approve", {"approvals": config}, (key, key))
    return progress.answer["answers"][0], progress.answer["lines"]


@command("push")
@click.option("--period", metavar="YYYY-MM", help="The billing month.  [every approved one]")
@click.option("--dry-run", is_flag=True, help="Only say what would be sent.")
@click.option(
    "--create-meters/--no-create-meters",
    default=None,
    help="First create the meters that Stripe lacks.  [only on a local server]",
)
def push_command(
    settings: Settings,
    progress: Progress,
    period: str | None,
    dry_run: bool,
    create_meters: bool | None,
) -> Answer:
    """Send approved totals to Stripe, exactly once."""
    key = _period(period) if period else None
    _published(settings)
    config = {"dry_run": dry_run, "create_meters": create_meters, "every_period": key is None}
    partitions = (key, key) if key else _all_periods(settings)
    try:
        _execute(settings, "push", {"stripe_pushes": config}, partitions)
    except MeterhouseError as error:
        if "answers" in progress.answer:
            answer = progress.answer
            raise _AnsweredError(error, answer["answers"][0], answer["lines"]) from error
        raise
    return progress.answer["answers"][0], progress.answer["lines"]


@command("reconcile")
@click.option("--period", metavar="YYYY-MM", help="The billing month.  [every one]")
def reconcile_command(settings: Settings, progress: Progress, period: str | None) -> Answer:
    """Run, then compare provider, warehouse, Stripe meter and Stripe invoice."""
    key = _period(period) if period else None
    _execute(settings, "reconcile", partitions=(key, key) if key else _all_periods(settings))
    from reports.summary import discrepancy_lines

    found = progress.answer["discrepancies"]
    where = HomeLayout(settings.home).reports
    lines = [f"Discrepancies{f' of {period}' if period else ''}: {len(found)}"]
    lines += [*discrepancy_lines(found), f"Reports: {where}/reconciliation_*.json"]
    return {"period": period, "discrepancies": found, "reports": str(where)}, lines


@command("whatif")
@click.option(
    "--pricebook", required=True, metavar="DIR", help="Folder with the other price book's YAML."
)
@click.option("--period", required=True, metavar="YYYY-MM", help="The billing month.")
def whatif_command(settings: Settings, progress: Progress, pricebook: str, period: str) -> Answer:
    """Rate a month under another price book and list what differs."""
    from dagster_project.lib.billing import published_periods
    from dagster_project.lib.rerating import read_pricebook

    key = _period(period)
    folder = Path(pricebook).absolute()
    _published(settings)
    # Asked before Dagster starts, which takes seconds.
    read_pricebook(folder)
    periods = published_periods(settings)
    if key not in periods:
        told = f"from {periods[0]} to {periods[-1]}" if periods else "not there at all"
        raise UsageError(f"--period: no statement of {key}; the published ones are {told}")
    _execute(settings, "whatif", {"whatif_report": {"pricebook": str(folder)}}, (key, key))
    return progress.answer["answers"][0], progress.answer["lines"]


@command("export")
@click.argument("what", type=click.Choice(["usage", "charges"]))
@click.option("--from", "from_date", required=True, metavar="DATE", help="First day, UTC.")
@click.option("--to", "to_date", required=True, metavar="DATE", help="Day after the last, UTC.")
@click.option("--account", metavar="A", help="Only this account.  [all]")
@click.option("--format", "format_", type=click.Choice(["csv", "parquet"]), default="csv")
@click.option("--excel", is_flag=True, help="Begin the CSV with a byte order mark.")
@click.option("--out", required=True, metavar="DIR", help="Folder to write to.")
def export_command(
    settings: Settings,
    progress: Progress,
    what: str,
    from_date: str,
    to_date: str,
    account: str | None,
    format_: str,
    excel: bool,
    out: str,
) -> Answer:
    """Write usage or charges of a window of days as files with a manifest."""
    from reports.exports.export import Request

    first, end = _day(from_date, "--from"), _day(to_date, "--to")
    folder = Path(out).resolve()
    kind = "parquet" if format_ == "parquet" else "csv"
    Request(what, first, end, folder, account, kind, excel).check()
    _published(settings)
    config = {
        "from_date": first.isoformat(),
        "to_date": end.isoformat(),
        "account": account,
        "format": format_,
        "excel": excel,
        "out": str(folder),
    }
    partitions = _day_partitions(first, end, settings.now)
    _execute(settings, f"export_{what}", {f"{what}_export": config}, partitions)
    manifest = progress.answer
    file = manifest["files"][0]
    lines = [
        f"{file['rows']} rows, {file['bytes']} bytes: {folder / file['path']}",
        f"status {manifest['status']}, sha256 {file['sha256']}, manifest {folder}/manifest.json",
    ]
    return manifest, lines


@command("status")
def status_command(settings: Settings, _progress: Progress) -> Answer:
    """Say what is loaded, built, approved, pushed and failing."""
    from dagster_project.lib.status import read_status, status_lines

    found = read_status(settings)
    return found, list(status_lines(found))


@command("list", storage_group)
@click.option("--bucket", required=True, metavar="NAME", help="The bucket to list.")
@click.option("--prefix", default="", metavar="TEXT", help="Only keys below it.  [all]")
@click.option("--endpoint-url", metavar="URL", help="A server that speaks S3.  [Amazon S3]")
def storage_list_command(
    settings: Settings, _progress: Progress, bucket: str, prefix: str, endpoint_url: str | None
) -> Answer:
    """List a bucket into the landing zone; the next run counts it."""
    from ingest.s3_lister import list_bucket

    listed = list_bucket(settings, bucket, prefix, endpoint_url)
    lines = [f"{listed.objects} objects, {listed.bytes} bytes: {settings.landing / listed.file}"]
    return vars(listed), lines


@cli.command("stripe-server")
@click.option("--port", type=click.IntRange(0, 65535), required=True, help="0: any free port.")
@click.option("--now", metavar="TIMESTAMP", help="The server's clock.  [the clock]")
@click.option("--state", metavar="FILE", help="Keep its objects here.  [in memory]")
@click.option(
    "--customer", "customers", multiple=True, metavar="ID", help="Only these exist.  [any]"
)
def stripe_server_command(
    port: int, now: str | None, state: str | None, customers: tuple[str, ...]
) -> None:
    """Serve, on this machine only, a server that behaves as Stripe does."""
    with _errors_as_exit_codes("stripe-server"):
        from dagster_project.stripe.server import serve

        moment = _moment(now, "--now") if now else None
        serve(
            port,
            now=moment,
            state=Path(state) if state else None,
            customers=customers,
            any_customer=not customers,
        )


def main() -> None:
    """Entry point of the `meterhouse` script."""
    warnings.simplefilter("ignore")
    # What Dagster and dbt log is in their own files; people get our lines.
    logging.lastResort = None
    logging.getLogger("dagster").propagate = False
    os.environ.setdefault("DO_NOT_TRACK", "1")
    code = _exit_code()
    sys.stdout.flush()
    sys.stderr.flush()
    # DuckDB's binding complains on standard error about objects that outlive it while the
    # interpreter is taken down. All that we have to say is said by now.
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    sys.exit(code)


def _exit_code() -> int:
    try:
        cli.main(standalone_mode=False, prog_name="meterhouse")
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 1
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        # click's own report is several lines; the promise is one, and where to read on.
        place = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else ""
        what = error.format_message().rstrip(".")
        _complain(f"{what}; see `{place or 'meterhouse'} --help`")
        return 2
    except (click.Abort, KeyboardInterrupt):
        _complain("interrupted")
        return 1
    return 0


class _AnsweredError(MeterhouseError):
    """A failure of a command that nevertheless has something to show."""

    def __init__(self, error: MeterhouseError, data: dict[str, Any], lines: list[str]) -> None:
        super().__init__(str(error))
        self.exit_code = error.exit_code
        self.data = data
        self.lines = lines


def _run(
    name: str,
    function: Callable[..., Answer],
    landing: str | None,
    home: str | None,
    as_json: bool,
    options: Mapping[str, Any],
) -> int:
    settings: Settings | None = None
    try:
        found = Settings.from_environment(landing=landing, home=home)
        # dbt, Dagster and their worker threads may stand elsewhere: absolute paths for everybody.
        settings = replace(found, landing=found.landing.resolve(), home=found.home.resolve())
        os.environ["METERHOUSE_LANDING"] = str(settings.landing)
        os.environ["METERHOUSE_HOME"] = str(settings.home)
        with _display(as_json) as progress, installed(progress):
            data, lines = function(settings, progress, **options)
    except _AnsweredError as error:
        _print(error.data | {"error": str(error)}, error.lines, as_json)
        _complain(str(error))
        return error.exit_code
    except MeterhouseError as error:
        return _fail(str(error), error.exit_code, as_json)
    except KeyboardInterrupt:
        return _fail("interrupted; run again to continue", 1, as_json)
    except Exception as error:  # noqa: BLE001 - the last line of defence: one line, details in a file
        return _fail(_unexpected(name, settings, error), 1, as_json)
    _print(data, lines, as_json)
    return 0


@contextmanager
def _errors_as_exit_codes(name: str) -> Iterator[None]:
    try:
        yield
    except MeterhouseError as error:
        _complain(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(0)
    except OSError as error:
        _complain(f"{name}: {error}")
        sys.exit(2)


@contextmanager
def _display(as_json: bool) -> Iterator[Progress]:
    """A progress display on a terminal, a line a stage otherwise, nothing with --json."""
    if as_json:
        yield Progress()
    elif not sys.stderr.isatty():
        yield Progress(show=_show_stage)
    else:
        from rich.console import Console

        with Console(stderr=True).status("starting") as status:
            yield Progress(
                show=lambda stage, detail: status.update(f"{stage} {detail}".strip()[:100])
            )


def _show_stage(stage: str, detail: str) -> None:
    if not detail:
        click.echo(f"{stage} ...")
    elif stage == "wait":
        click.echo(f"waiting {detail}")


def _execute(
    settings: Settings,
    job: str,
    ops: Mapping[str, Mapping[str, Any]] | None = None,
    partitions: tuple[str, str] | None = None,
) -> None:
    from dagster_project.lib.dbt_project import prepare_manifest
    from dagster_project.lib.instance import execute_job, open_instance
    from dagster_project.lib.progress import current

    if not settings.home.exists():
        settings.home.mkdir(parents=True)
    with current().stage("start"):
        prepare_manifest()
        from dagster_project.definitions import defs
    with open_instance(HomeLayout(settings.home)) as instance:
        failed = execute_job(instance, defs.resolve_job_def(job), ops=ops, partitions=partitions)
    if failed is None:
        return
    error = current().failure
    if isinstance(error, MeterhouseError | KeyboardInterrupt):
        raise error
    if error is not None:
        raise RuntimeError(f"{type(error).__name__}: {error}") from error
    raise CheckFailed(failed)


def _summary(settings: Settings) -> Answer:
    from dagster_project.lib import run_report
    from reports.summary import summary_lines

    found = run_report.read(settings)
    return found, list(summary_lines(found))


def _published(settings: Settings) -> None:
    path = HomeLayout(settings.home).marts_database
    if not path.exists():
        raise UsageError(f"no published marts at {path}; run `meterhouse run` first")


def _period(text: str) -> str:
    if not _PERIOD.fullmatch(text) or text < _FIRST_PERIOD:
        raise UsageError(f"--period: {text!r} is not a month; write it like 2026-08")
    return text


def _all_periods(settings: Settings) -> tuple[str, str]:
    from dagster_project.lib.billing import published_periods

    periods = [*published_periods(settings), settings.now.strftime("%Y-%m")]
    return max(min(periods), _FIRST_PERIOD), max(periods)


def _day(text: str, option: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{option}: {text!r} is not a date; write it like 2026-08-01") from error


def _day_partitions(first: date, end: date, now: datetime) -> tuple[str, str]:
    """The days of a window that are partitions; the nearest one when none is."""
    last_known = max(now, datetime.now(UTC)).date()
    first_known = date(2020, 1, 1)
    start = min(max(first, first_known), last_known)
    stop = max(min(end - timedelta(days=1), last_known), start)
    return start.isoformat(), stop.isoformat()


def _moment(text: str, option: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"{option}: {text!r} is not an ISO-8601 time; write it like 2026-09-01T00:00:00Z"
        ) from error
    if moment.tzinfo is None:
        raise UsageError(f"{option}: {text!r} has no zone; write it like 2026-09-01T00:00:00Z")
    return moment.astimezone(UTC)


def _print(data: Mapping[str, Any], lines: list[str], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(data, ensure_ascii=False))
    else:
        click.echo("\n".join(lines))


def _fail(message: str, exit_code: int, as_json: bool) -> int:
    if as_json:
        click.echo(json.dumps({"error": message, "exit_code": exit_code}, ensure_ascii=False))
    _complain(message)
    return exit_code


def _complain(message: str) -> None:
    click.echo(f"meterhouse: {' '.join(message.split())}", err=True)


def _unexpected(name: str, settings: Settings | None, error: Exception) -> str:
    what = f"{name}: unexpected {type(error).__name__}: {error}"
    if settings is None:
        return what
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    log = HomeLayout(settings.home).logs / f"{stamp}-{name}-{os.getpid()}.log"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    except OSError as failure:
        return f"{what} (and the log could not be written: {failure})"
    return f"{what}; the whole story is in {log}"


if __name__ == "__main__":
    main()
