"""Listing a live bucket, against a small server that answers ListObjectsV2 in pages."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlsplit
from xml.sax.saxutils import escape

import pytest
from filelock import FileLock
from ingest_zone import Zone

from ingest.errors import MeterhouseError, UsageError
from ingest.s3_lister import list_bucket

pytestmark = pytest.mark.unit

OBJECTS = {
    "mounts/p 1/m/a b.bin": 5,
    "mounts/p 1/m/a+b.bin": 6,
    "mounts/p2/m/ä": 2**40,
    "mounts/p2/m/z&<": 1,
    "other/x": 7,
}
PAGE = 2


class Bucket:
    """The server: what it holds, what it was asked, and what it shall answer wrongly."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        # Statuses to answer with before the next good answer.
        self.failures: list[int] = []
        self.cut_after: int | None = None
        bucket = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                bucket.answer(self)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(request.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.asked.append(query | {"path": parts.path})
        is_cut = self.cut_after is not None and len(self.asked) > self.cut_after
        status = self.failures.pop(0) if self.failures else 500 if is_cut else 200
        body = self._page(query) if status == 200 else "<Error><Code>Oops</Code></Error>"
        content = body.encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/xml")
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    def _page(self, query: dict[str, str]) -> str:
        prefix = query.get("prefix", "")
        keys = sorted(key for key in OBJECTS if key.startswith(prefix))
        start = int(query.get("continuation-token", "token-0").removeprefix("token-"))
        end = start + PAGE
        entries = "".join(
            f"<Contents><Key>{escape(quote_plus(key))}</Key><Size>{OBJECTS[key]}</Size>"
            "<LastModified>2026-08-01T09:00:00.000Z</LastModified><ETag>&quot;9b&quot;</ETag>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
            for key in keys[start:end]
        )
        more = end < len(keys)
        token = f"<NextContinuationToken>token-{end}</NextContinuationToken>" if more else ""
        return (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>b1</Name><Prefix>{escape(prefix)}</Prefix><EncodingType>url</EncodingType>"
            f"<KeyCount>{len(keys[start:end])}</KeyCount><MaxKeys>{PAGE}</MaxKeys>"
            f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>{token}{entries}"
            "</ListBucketResult>"
        )


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "someone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing-secret")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    for name in ("HTTP_PROXY", "http_proxy", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    made = Bucket()
    yield made
    made.close()


def left(zone: Zone) -> list[str]:
    """The files of the landing zone, the lock left out."""
    files = [path for path in zone.landing.rglob("*") if path.is_file()]
    return [path.name for path in files if path.name != ".lister.lock"]


def test_a_bucket_is_listed_page_by_page(zone: Zone, bucket: Bucket) -> None:
    listed = list_bucket(zone.settings, "b1", "mounts/", bucket.url)
    assert (listed.objects, listed.bytes, listed.pages) == (4, 5 + 6 + 2**40 + 1, 2)
    assert [query.get("continuation-token") for query in bucket.asked] == [None, "token-2"]
    assert {query["path"] for query in bucket.asked} == {"/b1"}
    assert zone.load().records == 3
    assert zone.reasons() == []
    rows = zone.rows("select project_id, objects, bytes from raw.storage_samples order by 1")
    assert [tuple(row.values()) for row in rows] == [
        ("p 1", 2, 11),
        ("p2", 2, 2**40 + 1),
        (None, 0, 0),
    ]
    content = (zone.landing / listed.file).read_text()
    assert "someone" not in content
    assert "nothing-secret" not in content
    assert json.loads(content)["complete"] is True


def test_an_empty_prefix_is_a_whole_listing_too(zone: Zone, bucket: Bucket) -> None:
    listed = list_bucket(zone.settings, "b1", "nothing/", bucket.url)
    assert (listed.objects, listed.pages) == (0, 1)
    zone.load()
    assert zone.rows("select objects from raw.storage_samples") == [{"objects": 0}]


def test_a_failure_that_passes_is_retried(zone: Zone, bucket: Bucket) -> None:
    bucket.failures = [503, 500]
    assert list_bucket(zone.settings, "b1", "", bucket.url).objects == 5
    assert len(bucket.asked) == 3 + 2  # three pages, and two answers that were none


def test_a_listing_that_breaks_off_leaves_nothing(zone: Zone, bucket: Bucket) -> None:
    bucket.cut_after = 1
    with pytest.raises(MeterhouseError, match="bucket b1 broke off and was not kept"):
        list_bucket(zone.settings, "b1", "", bucket.url)
    assert left(zone) == []


def test_one_lister_at_a_time(zone: Zone, bucket: Bucket) -> None:
    folder = zone.landing / "storage/listings"
    folder.mkdir(parents=True)
    with (
        FileLock(folder / ".lister.lock"),
        pytest.raises(UsageError, match=r"another listing into .* is under way"),
    ):
        list_bucket(zone.settings, "b1", "", bucket.url)
    assert bucket.asked == []
    assert list_bucket(zone.settings, "b1", "", bucket.url).objects == 5
    # What was written is never written over, not even under a clock that stands still.
    with pytest.raises(UsageError, match="one listing an instant"):
        list_bucket(zone.settings, "b1", "", bucket.url)


def test_what_cannot_be_listed_is_said_before_anything_is_asked(
    zone: Zone, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="is only a part of 'mounts/p1/'"):
        list_bucket(zone.settings, "b1", "mounts/p1/m1/", bucket.url)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(UsageError, match="AWS_SECRET_ACCESS_KEY not set"):
        list_bucket(zone.settings, "b1", "", bucket.url)
    assert bucket.asked == []
    assert left(zone) == []
