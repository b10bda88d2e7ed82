"""Dumps of S3's ListObjectsV2: one document, or the pages of a listing one after another.

A listing counts whole or not at all: one that is cut off, or holds one entry that cannot be
counted, would be a level that is too low.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import duckdb

from ingest.quarantine import BadRecord
from ingest.reading import json_batches
from ingest.records import Loaded
from ingest.sources.gauges import MAX_BYTES
from ingest.sources.storage.samples import (
    Sample,
    Tally,
    check_prefix,
    insert_sample,
    project_of,
)
from ingest.values import is_absent, parse_json, read_text, read_time, read_whole, shown

Page = Mapping[str, Any]


def load_listings(con: duckdb.DuckDBPyConnection, path: Path, load_seq: int) -> Loaded:
    """Append the samples of one file of `storage/listings/`, inside the caller's transaction.

    A listing that cannot be counted is one bad record. Raises Unreadable when the file as a whole
    cannot be read.
    """
    loaded = Loaded()
    for listing in _listings(path, loaded):
        try:
            sample, rows = read_listing(listing.pages)
        except ValueError as error:
            loaded.bad.append(BadRecord(listing.number, str(error), listing.text))
            continue
        loaded.accepted += insert_sample(con, load_seq, loaded.accepted + 1, sample, rows)
    loaded.bad.sort(key=lambda record: record.record_number or 0)
    return loaded


# --- From documents to listings ---------------------------------------------------------------


@dataclass
class _Listing:
    """The pages of one listing, with the number and the text of the document it begins in."""

    number: int
    text: str
    pages: list[Page] = field(default_factory=list)


def _listings(path: Path, loaded: Loaded) -> Iterator[_Listing]:
    """The listings of a file; what is no document of one goes to `loaded.bad`."""
    current: _Listing | None = None
    for batch in json_batches(path):
        loaded.bad += batch.bad
        for number, text in zip(batch.numbers, batch.texts, strict=True):
            try:
                pages = _pages(text)
            except ValueError as error:
                loaded.bad.append(BadRecord(number, str(error), text))
                continue
            if current is None or not _goes_on(current.pages, pages[0]):
                if current is not None:
                    yield current
                current = _Listing(number, text)
            current.pages += pages
    if current is not None:
        yield current


def _pages(text: str) -> list[Page]:
    """The pages of one document: itself, or those under `pages`, with what it says for them all."""
    try:
        document = parse_json(text)
    except ValueError as error:
        raise ValueError(f"record {error}") from error
    if not isinstance(document, dict):
        raise ValueError("record is not a JSON object")
    if "pages" not in document:
        return [document]
    pages = document.pop("pages")
    if not isinstance(pages, list) or not all(isinstance(page, dict) for page in pages):
        raise ValueError("pages is not a list of objects")
    return [document | page for page in pages] or [document]


def _goes_on(pages: list[Page], page: Page) -> bool:
    """Whether a page belongs to the listing of the pages before it.

    It does when it names the token they ended with, when it does not say of when it is, and when
    they are cut off and it is of the same time; never when it is of another bucket or prefix.
    """
    first, last = pages[0], pages[-1]
    for names in (("bucket", "Name"), ("prefix", "Prefix")):
        mine = next((page[name] for name in names if name in page), None)
        theirs = next((first[name] for name in names if name in first), None)
        if mine is not None and mine != theirs:
            return False
    given = page.get("ContinuationToken")
    if not is_absent(given) and given == last.get("NextContinuationToken"):
        return True
    if "sampled_at" not in page:
        return True
    return last.get("IsTruncated") is True and page["sampled_at"] == first.get("sampled_at")


# --- From a listing to a sample ---------------------------------------------------------------


def read_listing(pages: list[Page]) -> tuple[Sample, list[dict[str, Any]]]:
    """The sample of a whole listing and its rows by project prefix, sizes in bytes.

    Raises ValueError with the reason when the listing is not complete or an entry is not clear.
    """
    sampled_at = _time(pages, "sampled_at", required=True)
    assert sampled_at is not None
    bucket = _said(pages, "bucket", "Name")
    prefix = _prefix(pages)
    _check_complete(pages)
    check_prefix(prefix)
    seen: set[str] = set()
    tally = Tally()
    for page in pages:
        is_encoded = _is_encoded(page)
        contents = page.get("Contents")
        if contents is not None and not isinstance(contents, list):
            raise ValueError("Contents is not a list")
        for entry in contents or ():
            key, size = _entry(entry, is_encoded)
            if not key.startswith(prefix):
                raise ValueError(f"key {shown(key)} is not under the prefix {shown(prefix)}")
            if key in seen:
                raise ValueError(f"key {shown(key)} is listed twice")
            seen.add(key)
            tally.add(project_of(key), 1, size)
    fetched_at = _time(pages, "fetched_at", required=False)
    sample = Sample("listing", sampled_at, fetched_at, bucket, prefix, prefix)
    return sample, tally.rows(prefix)


def _check_complete(pages: list[Page]) -> None:
    first, last = pages[0], pages[-1]
    for name in ("complete", "IsTruncated"):
        for page in pages:
            if name in page and not isinstance(page[name], bool):
                raise ValueError(f"{name} must be true or false, not {shown(page[name])}")
    if last.get("IsTruncated") is True:
        raise ValueError("the listing breaks off: IsTruncated is true on its last page")
    if any(page.get("complete") is False for page in pages):
        raise ValueError("the listing is not complete: it says so itself")
    if "IsTruncated" not in last and not any(page.get("complete") is True for page in pages):
        raise ValueError("nothing says that the listing is complete: neither complete, IsTruncated")
    for before, after in pairwise(pages):
        ended, given = before.get("NextContinuationToken"), after.get("ContinuationToken")
        if before.get("IsTruncated") is False:
            raise ValueError("a page follows the last one of the listing (IsTruncated is false)")
        if not is_absent(ended) and not is_absent(given) and ended != given:
            raise ValueError("the listing lacks pages: a ContinuationToken is not the one before")
    if not is_absent(first.get("ContinuationToken")):
        raise ValueError("the listing lacks its first pages: it begins with a ContinuationToken")
    if not is_absent(first.get("StartAfter")):
        raise ValueError("the listing begins after a key: it has StartAfter")
    for page in pages:
        if page.get("CommonPrefixes"):
            raise ValueError("the listing leaves out what its CommonPrefixes hold: no delimiter")
        count = page.get("KeyCount")
        if count is not None and count != len(page.get("Contents") or ()):
            raise ValueError(f"KeyCount is {shown(count)}, another number of keys is there")


def _entry(entry: object, is_encoded: bool) -> tuple[str, int]:
    if not isinstance(entry, dict):
        raise ValueError(f"an entry of Contents is not an object: {shown(entry)}")
    key = entry.get("Key")
    try:
        key = read_text(key)
    except ValueError as error:
        raise ValueError(f"Key of an entry of Contents {error}") from error
    if is_absent(entry.get("Size")):
        raise ValueError(f"Size of {shown(key)} is missing")
    try:
        size = read_whole(entry["Size"], 0, MAX_BYTES)
    except ValueError as error:
        raise ValueError(f"Size of {shown(key)} {error}") from error
    return unquote_plus(key) if is_encoded else key, size


def _prefix(pages: list[Page]) -> str:
    """What was listed; the lower-case name is the file's own and never encoded."""
    page = pages[0]
    name = "prefix" if "prefix" in page else "Prefix"
    value = page.get(name)
    if not isinstance(value, str) or (value and read_text(value) != value):
        raise ValueError("prefix is missing: it tells what the listing covers ('': the bucket)")
    return unquote_plus(value) if name == "Prefix" and _is_encoded(page) else value


def _is_encoded(page: Page) -> bool:
    return page.get("EncodingType") == "url"


def _said(pages: list[Page], *names: str) -> str:
    """The text under the first of the names that the first page has."""
    value = next((pages[0][name] for name in names if not is_absent(pages[0].get(name))), None)
    try:
        return read_text(value)
    except ValueError as error:
        raise ValueError(f"{names[0]} {error}") from error


def _time(pages: list[Page], name: str, required: bool) -> datetime | None:
    value = pages[0].get(name)
    if is_absent(value) and not required:
        return None
    try:
        return read_time(value)
    except ValueError as error:
        raise ValueError(f"{name} {error}") from error
