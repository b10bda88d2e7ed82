"""Publish the marts: one DuckDB file and Parquet files that readers never see half-written.

Everything is built beside its place and put there by one rename. A reader that has the old file
open keeps reading the old content; the next one opens the new. `marts` is a symbolic link to the
folder of the publication in force, because a folder cannot be replaced by one rename.
"""

import os
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from dagster_project.lib.tables import TableDigest, column_names, table_digest
from reports.marts import open_database, open_marts, sql_text

# A file name says where content came from, not what it is: content_sha256 identifies it.
_NOT_DIGESTED = {"fct_row_dispositions": frozenset({"file"})}
# When and in which run something was checked or loaded changes with every run, its outcome not.
_NOT_COMPARED = {
    "loads": frozenset({"load_seq", "loaded_at"}),
    "quarantine": frozenset({"load_seq"}),
    "check_results": frozenset({"run_id", "checked_at"}),
}
_OPS_TABLES = ("loads", "quarantine", "approvals", "pushes", "check_results")
# Beyond this many rows a table keeps its stored order: sorting would cost more than the build.
_SORT_LIMIT = 1_000_000
_KEPT_FOLDERS = 2


@dataclass(frozen=True)
class Publication:
    """What stands published.

    tables: rows and digest of each mart. changed: whether this call replaced anything.
    """

    database: Path
    folder: Path
    tables: dict[str, TableDigest]
    changed: bool


@dataclass(frozen=True)
class Build:
    """The build that a publication shows: `as_of` is its clock, in UTC."""

    build_seq: int
    run_id: str
    as_of: datetime
    pricebook_digest: str


def publish(warehouse: Path, database: Path, folder: Path, build: Build) -> Publication:
    """Copy the schemas marts and ops of `warehouse` to `database` and the marts to Parquet.

    Does nothing when every table equals what is published already. The caller has made sure that
    the checks passed and that nobody writes the warehouse meanwhile.
    """
    with open_database(warehouse, read_only=True) as source:
        marts = mart_digests(source)
        ops = {
            name: table_digest(source, f"ops.{name}", _NOT_COMPARED.get(name, frozenset()))
            for name in _OPS_TABLES
        }
    if folder.exists() and _published_digests(database) == _digest_rows(marts, ops):
        return Publication(database, folder, marts, changed=False)
    temporary = database.with_name(f".{database.name}.{os.getpid()}.tmp")
    try:
        _build_database(temporary, warehouse, marts, ops, build)
        parquet = _write_parquet(temporary, folder, list(marts), build.build_seq)
        _point_to(folder, parquet)
        temporary.replace(database)
    finally:
        temporary.unlink(missing_ok=True)
        temporary.with_name(temporary.name + ".wal").unlink(missing_ok=True)
    _remove_old(folder)
    return Publication(database, folder, marts, changed=True)


def mart_digests(con: duckdb.DuckDBPyConnection) -> dict[str, TableDigest]:
    """Rows and digest of every table of the schema marts of an open database, by name."""
    return {
        name: table_digest(con, f"marts.{name}", _NOT_DIGESTED.get(name, frozenset()))
        for name in mart_names(con)
    }


def mart_names(con: duckdb.DuckDBPyConnection) -> list[str]:
    """The tables of the schema marts of an open database, sorted."""
    rows = con.execute(
        """
        select table_name from information_schema.tables
        where table_catalog = current_database() and table_schema = 'marts' order by table_name
        """
    ).fetchall()
    return [row[0] for row in rows]


def read_publication(database: Path, folder: Path) -> Publication:
    """What is published now; UsageError when nothing is."""
    with open_marts(database) as con:
        rows = con.execute(
            "select table_name, row_count, digest from ops.publication where schema_name = 'marts'"
        ).fetchall()
    tables = {name: TableDigest(count, digest) for name, count, digest in rows}
    return Publication(database, folder, tables, changed=False)


def _digest_rows(
    marts: dict[str, TableDigest], ops: dict[str, TableDigest]
) -> list[tuple[str, str, int, str]]:
    both = (("marts", marts), ("ops", ops))
    return sorted(
        (schema, name, found.rows, found.digest)
        for schema, tables in both
        for name, found in tables.items()
    )


def _published_digests(database: Path) -> list[tuple[str, str, int, str]]:
    if not database.exists():
        return []
    with open_marts(database) as con:
        return con.execute(
            """
            select schema_name, table_name, row_count, digest
            from ops.publication order by schema_name, table_name
            """
        ).fetchall()


def _build_database(
    path: Path,
    warehouse: Path,
    marts: dict[str, TableDigest],
    ops: dict[str, TableDigest],
    build: Build,
) -> None:
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_database(path, read_only=False) as con:
        con.execute(f"attach {sql_text(warehouse)} as warehouse (read_only)")
        con.execute("create schema marts")
        con.execute("create schema ops")
        for name, found in marts.items():
            _copy_table(con, f"marts.{name}", sort=found.rows <= _SORT_LIMIT)
        for name in ops:
            _copy_table(con, f"ops.{name}", sort=True)
        _copy_comments(con)
        con.execute(
            """
            create table ops.publication (
                schema_name VARCHAR, table_name VARCHAR, row_count BIGINT, digest VARCHAR)
            """
        )
        con.executemany("insert into ops.publication values (?, ?, ?, ?)", _digest_rows(marts, ops))
        con.execute(
            """
            create table ops.build as
            select ?::integer as build_seq, ? as run_id, ?::timestamptz as as_of,
                   ? as pricebook_digest
            """,
            [build.build_seq, build.run_id, build.as_of, build.pricebook_digest],
        )
        con.execute("checkpoint published")


def _copy_table(con: duckdb.DuckDBPyConnection, table: str, *, sort: bool) -> None:
    order = "order by all" if sort else ""
    con.execute(f"create table {table} as select * from warehouse.{table} {order}")


def _copy_comments(con: duckdb.DuckDBPyConnection) -> None:
    """Give the copied columns the comments of the warehouse's."""
    # Asked once: every question about columns looks at all of the catalog.
    comments = con.execute(
        """
        select schema_name, table_name, column_name, told.comment
        from duckdb_columns() as told
        semi join (
            select schema_name, table_name from duckdb_tables() where database_name = 'published'
        ) as copied using (schema_name, table_name)
        where told.database_name = 'warehouse' and told.comment is not null
        """
    ).fetchall()
    for schema, table, column, comment in comments:
        con.execute(f'comment on column {schema}.{table}."{column}" is {sql_text(comment)}')


def _write_parquet(database: Path, folder: Path, marts: list[str], build_seq: int) -> Path:
    target = folder.with_name(f".{folder.name}-{build_seq:08d}-{os.getpid()}")
    if target.exists():
        shutil.rmtree(target)
    target.mkdir(parents=True)
    with open_marts(database) as con:
        for name in marts:
            # Parquet has no integer of 128 bits; DuckDB would write such a column as a float.
            wide = [
                column
                for column, type_ in zip(
                    column_names(con, f"marts.{name}"), _types(con, name), strict=True
                )
                if type_ in {"HUGEINT", "UHUGEINT"}
            ]
            casts = ", ".join(f'"{column}"::decimal(38, 0) as "{column}"' for column in wide)
            columns = f"* replace ({casts})" if wide else "*"
            con.execute(
                f"copy (select {columns} from marts.{name}) to "
                f"{sql_text(target / f'{name}.parquet')} (format parquet, compression zstd)"
            )
    return target


def _types(con: duckdb.DuckDBPyConnection, name: str) -> list[str]:
    return [row[1] for row in con.execute(f"describe marts.{name}").fetchall()]


def _point_to(folder: Path, target: Path) -> None:
    link = folder.with_name(f".{folder.name}.{os.getpid()}.link")
    link.unlink(missing_ok=True)
    link.symlink_to(target.name, target_is_directory=True)
    if folder.is_dir() and not folder.is_symlink():
        raise IsADirectoryError(
            f"{folder} is a folder of its own, not a published one; move it away and run again"
        )
    link.replace(folder)


def _remove_old(folder: Path) -> None:
    # The publication before stays: somebody may be reading its files one after the other.
    current = folder.resolve()
    others = [
        path for path in folder.parent.glob(f".{folder.name}-*-*") if path.resolve() != current
    ]
    for path in sorted(others, key=lambda path: path.stat().st_mtime)[: -(_KEPT_FOLDERS - 1)]:
        shutil.rmtree(path, ignore_errors=True)
