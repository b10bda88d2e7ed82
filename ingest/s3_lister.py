"""Listing a live bucket into the landing zone: a whole listing, or nothing.

Only the named endpoint (without one: S3 itself) is asked. Credentials come from the environment
and from nowhere else: no files, no metadata service.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

from ingest.errors import MeterhouseError, UsageError
from ingest.settings import Settings, current_time
from ingest.sources.storage.samples import check_prefix
from ingest.values import time_text

_FOLDER = "storage/listings"
_LOCK = ".lister.lock"
# Also the name of a folder, so nothing that leads elsewhere.
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
# What a dump keeps of an entry, in the API's own names.
_ENTRY = ("Key", "Size", "LastModified", "ETag", "StorageClass")


@dataclass(frozen=True)
class Listed:
    """A listing that was written: its path in the landing zone, and what it holds."""

    file: str
    objects: int
    bytes: int
    pages: int


def list_bucket(
    settings: Settings, bucket: str, prefix: str, endpoint_url: str | None = None
) -> Listed:
    """List a prefix of a bucket into a new file of `storage/listings/`.

    Raises UsageError when another lister is at work, when the credentials are missing, when the
    name is no bucket's or the prefix only a part of a project's; MeterhouseError when the listing
    breaks off, and then leaves no file behind.
    """
    try:
        check_prefix(prefix)
    except ValueError as error:
        raise UsageError(f"--prefix: {error}") from error
    if not _BUCKET.fullmatch(bucket):
        raise UsageError(f"--bucket: {bucket!r} is not the name of a bucket")
    client = _client(endpoint_url)
    with _one_at_a_time(settings.landing / _FOLDER):
        return _list(client, settings, bucket, prefix)


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / _LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise UsageError(
            f"another listing into {folder} is under way; wait until it ends and run again"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _client(endpoint_url: str | None) -> Any:
    import boto3
    import botocore.session
    from botocore.config import Config

    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        raise UsageError(f"{' and '.join(missing)} not set; a listing needs credentials")
    session = botocore.session.Session()
    for name in ("config_file", "credentials_file"):
        session.set_config_variable(name, os.devnull)
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    return boto3.Session(
        aws_access_key_id=os.environ[names[0]],
        aws_secret_access_key=os.environ[names[1]],
        aws_session_token=os.environ.get("AWS_SESSION_TOKEN") or None,
        region_name=region,
        botocore_session=session,
    ).client(
        "s3",
        endpoint_url=endpoint_url,
        config=Config(
            retries={"mode": "standard", "total_max_attempts": 5},
            connect_timeout=10,
            read_timeout=60,
            # "auto" would ask the machine's metadata service where it runs.
            defaults_mode="standard",
            ignore_configured_endpoint_urls=True,
            s3={"addressing_style": "path"} if endpoint_url else None,
        ),
    )


def _list(client: Any, settings: Settings, bucket: str, prefix: str) -> Listed:
    from botocore.exceptions import BotoCoreError, ClientError

    # The level is of the beginning: what was written meanwhile may or may not be in it.
    sampled_at = settings.now
    stamp = sampled_at.astimezone(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    mark = hashlib.sha256(f"{bucket}\n{prefix}".encode()).hexdigest()[:12]
    path = settings.landing / _FOLDER / bucket / f"{stamp}-{mark}.json"
    if path.exists():
        raise UsageError(f"{path} is there already: one listing an instant (is the clock set?)")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    head = {"sampled_at": time_text(sampled_at), "bucket": bucket, "prefix": prefix}
    try:
        with part.open("w", encoding="utf-8") as stream:
            counts = _write(stream, head, _pages(client, bucket, prefix))
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    except (BotoCoreError, ClientError) as error:
        raise MeterhouseError(
            f"the listing of bucket {bucket} broke off and was not kept: {error}; run again"
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return Listed(path.relative_to(settings.landing).as_posix(), *counts)


def _pages(client: Any, bucket: str, prefix: str) -> Iterator[Any]:
    page: Any = None
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield page
    if page is None or page.get("IsTruncated"):
        raise MeterhouseError(
            f"the listing of bucket {bucket} broke off and was not kept: its last page says that"
            " more follows; run again"
        )


def _write(stream: IO[str], head: dict[str, Any], pages: Iterator[Any]) -> tuple[int, int, int]:
    """Write the document entry by entry; returns objects, bytes and pages."""
    objects = size = count = 0
    stream.write(json.dumps(head, ensure_ascii=False)[:-1] + ', "Contents": [')
    for page in pages:
        count += 1
        for entry in page.get("Contents", ()):
            kept = {name: _plain(entry[name]) for name in _ENTRY if name in entry}
            stream.write((",\n" if objects else "\n") + json.dumps(kept, ensure_ascii=False))
            objects += 1
            size += entry["Size"]
    tail = {"fetched_at": time_text(max(current_time(), _moment(head))), "complete": True}
    stream.write("\n], " + json.dumps(tail)[1:] + "\n")
    return objects, size, count


def _moment(head: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(head["sampled_at"])


def _plain(value: object) -> object:
    return time_text(value) if isinstance(value, datetime) else value
