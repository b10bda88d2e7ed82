"""The price book: YAML files in, validated rows of the four raw.pricebook_* tables out.

Every error of every file is found before anything is refused, and each is one line:
`pricebook/plans.yaml:37: plans[0].versions[0].currency: what is wrong`.

`yaml_lines` reads files and keeps line numbers, `grammar` says what a mapping may hold, `checks`
what must hold between mappings, `rows` what the tables get.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import astuple, fields
from pathlib import Path

import duckdb

from ingest.errors import UsageError
from ingest.sources.pricebook.checks import check_documents
from ingest.sources.pricebook.rows import PriceBook
from ingest.sources.pricebook.yaml_lines import Document, Problem, read_document

__all__ = ["PriceBook", "insert_pricebook", "load_pricebook"]


def load_pricebook(files: list[Path], landing: Path) -> PriceBook:
    """Read and validate the files of a price book together; no files give an empty book.

    Files with the same content count once, under the first of their names.
    Raises UsageError with every error of the book, one a line, in order of file and line.
    """
    named = {_name(path, landing): path for path in files}
    documents = list(_distinct(read_document(named[name], name) for name in sorted(named)))
    book = check_documents(documents)
    problems = sorted(
        (problem for document in documents for problem in document.problems), key=Problem.sort_key
    )
    if problems:
        raise UsageError("\n".join(str(problem) for problem in problems))
    return book


def insert_pricebook(
    con: duckdb.DuckDBPyConnection, load_seq_by_file: dict[str, int], book: PriceBook
) -> None:
    """Append the book's rows to raw.pricebook_*, each under the load of its file.

    Files that the mapping does not name are left out, and so are loads whose rows are there already
    (raw is append-only, and the rows of a load depend on its file alone).
    """
    for table, rows in book.tables():
        known = {seq for (seq,) in con.execute(f"select load_seq from raw.{table}").fetchall()}
        values = [
            [load_seq_by_file[row.file], *astuple(row)]
            for row in rows
            if load_seq_by_file.get(row.file, -1) not in {-1, *known}
        ]
        if values:
            columns = ["load_seq", *(f'"{column.name}"' for column in fields(rows[0]))]
            places = ", ".join("?" * len(columns))
            con.executemany(
                f"insert into raw.{table} ({', '.join(columns)}) values ({places})", values
            )


def _distinct(documents: Iterable[Document]) -> Iterator[Document]:
    seen: set[bytes] = set()
    for document in documents:
        if document.content is None or document.content not in seen:
            yield document
        if document.content is not None:
            seen.add(document.content)


def _name(path: Path, landing: Path) -> str:
    path, landing = path.absolute(), landing.absolute()
    inside = path.is_relative_to(landing)
    return (path.relative_to(landing) if inside else path).as_posix()
