"""The HTTP side: authentication, idempotency, faults, hooks, and the server object."""

import contextlib
import json
import logging
import signal
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from dagster_project.stripe.server import billing, catalogue, metering
from dagster_project.stripe.server.calls import Call
from dagster_project.stripe.server.errors import ApiError, server_error
from dagster_project.stripe.server.faults import Fault, Faults
from dagster_project.stripe.server.forms import decode
from dagster_project.stripe.server.jsontext import dumps, loads
from dagster_project.stripe.server.routes import find
from dagster_project.stripe.server.store import MeterEvent, Store

API_KEY = "sk_test_local"
_KEY_PREFIXES = ("sk_test_", "rk_test_")
_IDEMPOTENCY_SECONDS = 86_400

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reply:
    """A status, a JSON body and extra headers; `drop` closes the connection instead."""

    status: int
    body: str
    headers: dict[str, str]
    drop: bool = False


_DROP = Reply(0, "", {}, drop=True)


class StripeServer:
    """A running server on 127.0.0.1; use it as a context manager.

    `port` 0 takes a free one. `now` fixes its clock (None: the real one). `state` is a file that
    keeps everything across restarts. `customers` exist from the start; with `any_customer` every
    customer id exists. `summary_lag` and `error_lag` are seconds until events show in summaries
    and error reports appear.
    """

    def __init__(
        self,
        port: int = 0,
        now: datetime | None = None,
        state: Path | None = None,
        faults: Iterable[Fault] = (),
        customers: Iterable[str] = (),
        *,
        any_customer: bool = False,
        summary_lag: int = 0,
        error_lag: int = 0,
    ) -> None:
        self.store = Store(state)
        self.faults = Faults()
        for fault in faults:
            self.faults.add(fault)
        self.requests: list[tuple[str, str]] = []
        self.stopping = threading.Event()
        self._now = None if now is None else int(now.timestamp())
        self._any_customer = any_customer
        self._summary_lag = summary_lag
        self._error_lag = error_lag
        self._running: set[str] = set()
        self._lock = threading.Lock()
        self.add_customers(customers)
        self._http = _Listener(("127.0.0.1", port), self)
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._http.server_address[1])

    @property
    def url(self) -> str:
        """The address for `STRIPE_API_BASE`."""
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        """The variables that point a client at this server."""
        return {"STRIPE_API_BASE": self.url, "STRIPE_SECRET_KEY": API_KEY}

    def start(self) -> Self:
        """Answer requests in the background."""
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop answering and let go of everything."""
        self.stopping.set()
        if self._thread is not None:
            self._http.shutdown()
            self._thread.join()
            self._thread = None
        self._http.server_close()
        self.store.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def now(self) -> int:
        """Its clock in unix seconds."""
        return int(time.time()) if self._now is None else self._now

    def set_now(self, now: datetime) -> None:
        """Fix its clock."""
        self._now = int(now.timestamp())

    def fault(self, kind: Any, **options: Any) -> None:
        """Misbehave once (see `Fault`)."""
        self.faults.add(Fault(kind, **options))

    def add_customers(self, customers: Iterable[str]) -> None:
        """Let customers with these ids exist."""
        with self.store.transaction():
            for customer_id in customers:
                if self.store.get("customer", customer_id) is None:
                    self.store.put("customer", catalogue.customer(customer_id, self.now(), {}))

    def add_invoice(self, invoice: dict[str, Any]) -> dict[str, Any]:
        """Put an invoice in (see `put_invoice`)."""
        with self.store.transaction():
            return billing.put_invoice(self.store, invoice, self.now())

    def add_object(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        """Put in an object that is only listed here, such as a `subscription`."""
        if kind not in billing.PLAIN_LISTS.values() or "id" not in body:
            raise ValueError(f"{kind}: not one of {', '.join(billing.PLAIN_LISTS.values())}")
        with self.store.transaction():
            return self.store.put(kind, {"object": kind, "created": self.now(), **body})

    def meter_events(self) -> list[MeterEvent]:
        """Every meter event it took, in order."""
        return self.store.events()

    def totals(self) -> dict[tuple[str, str], Decimal]:
        """The exact sum of counted events by customer and event name."""
        found: dict[tuple[str, str], list[MeterEvent]] = {}
        for event in self.meter_events():
            if event.counted:
                found.setdefault((event.customer, event.event_name), []).append(event)
        return {key: metering.aggregate(events, "sum") for key, events in found.items()}

    def reply(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Reply:
        """The answer to one request."""
        parts = urlsplit(target)
        path = unquote(parts.path)
        if path.startswith("/_"):
            return self._hook(method, path, body)
        with self._lock:
            self.requests.append((method, path))
        fault = self.faults.take(method, path)
        try:
            _authenticate(headers.get("authorization", ""))
            if fault is not None and fault.kind == "rate_limit_429":
                raise _rate_limit()
            return self._keyed(method, path, parts.query, headers, body, fault)
        except ApiError as error:
            return _error_reply(error)

    def _keyed(
        self,
        method: str,
        path: str,
        query: str,
        headers: dict[str, str],
        body: bytes,
        fault: Fault | None,
    ) -> Reply:
        """Idempotency around the execution; 429 and 401 come before it."""
        key = headers.get("idempotency-key") if method == "POST" else None
        if key is not None and not 1 <= len(key) <= 255:
            raise ApiError(400, "Idempotency keys must be 1 to 255 characters long.")
        fingerprint = sha256(f"{method} {path} ".encode() + body).hexdigest()
        with self._lock:
            if key is not None and (
                key in self._running or (fault is not None and fault.kind == "conflict_409")
            ):
                raise _conflict()
            if key is not None:
                self._running.add(key)
        try:
            kept = self.store.remembered(key, self.now() - _IDEMPOTENCY_SECONDS) if key else None
            if key is not None and kept is not None:
                if kept[0] != fingerprint:
                    raise _other_params(key)
                return self._misbehave(
                    Reply(kept[1], kept[2], {"Idempotent-Replayed": "true"}), fault
                )
            text = body.decode() if method == "POST" else query
            return self._execute(method, path, text, key, fingerprint, fault)
        finally:
            with self._lock:
                self._running.discard(key or "")

    def _execute(
        self,
        method: str,
        path: str,
        text: str,
        key: str | None,
        fingerprint: str,
        fault: Fault | None,
    ) -> Reply:
        kind = fault.kind if fault else ""
        if fault is not None and kind.endswith("_before"):
            self.stopping.wait(_patience(fault))
            if kind in ("drop_before", "hang_before"):
                return _DROP
        try:
            with self.store.transaction():
                if kind == "error_500_before":
                    raise server_error()
                status, answer = 200, dumps(self._route(method, path, text, key))
                if kind == "error_500_after":
                    status, answer = 500, dumps(server_error().body())
                if key is not None:
                    self.store.remember(key, fingerprint, status, answer, self.now())
        except ApiError as error:
            if error.stored and key is not None:
                with self.store.transaction():
                    answer = dumps(error.body())
                    self.store.remember(key, fingerprint, error.status, answer, self.now())
            raise
        return self._misbehave(Reply(status, answer, {}), fault)

    def _misbehave(self, reply: Reply, fault: Fault | None) -> Reply:
        """What a fault does to an answer whose effect is committed."""
        if fault is None or not fault.kind.endswith("_after"):
            return reply
        self.stopping.wait(_patience(fault))
        return _DROP if fault.kind in ("drop_after", "hang_after") else reply

    def _route(self, method: str, path: str, text: str, key: str | None) -> dict[str, Any]:
        found = find(method, path)
        if found is None:
            raise ApiError(404, f"Unrecognized request URL ({method}: {path}).")
        try:
            params = decode(text)
        except ValueError as error:
            raise ApiError(400, f"Invalid form encoding: {error}") from error
        handler, ids = found
        call = Call(
            store=self.store,
            path=path,
            params=params,
            now=self.now(),
            idempotency_key=key,
            any_customer=self._any_customer,
            error_lag=self._error_lag,
            summary_lag=self._summary_lag,
        )
        return handler(call, *ids)

    def _hook(self, method: str, path: str, body: bytes) -> Reply:
        """What tests in other processes use; JSON in, JSON out."""
        try:
            given: Any = loads(body) if body else {}
            return Reply(200, dumps(self._hooked(method, path, given)), {})
        except (ValueError, KeyError, TypeError) as error:
            return _error_reply(ApiError(400, f"{path}: {error}"))

    def _hooked(self, method: str, path: str, given: Any) -> Any:
        match method, path:
            case "POST", "/_faults":
                self.faults.add(Fault(**given))
                return {"waiting": len(self.faults.waiting())}
            case "DELETE", "/_faults":
                self.faults.clear()
                return {"waiting": 0}
            case "POST", "/_clock":
                self.set_now(datetime.fromisoformat(given["now"]))
                return {"now": self.now()}
            case "POST", "/_customers":
                self.add_customers(given["ids"])
                return {"added": len(given["ids"])}
            case "POST", "/_invoices":
                return self.add_invoice(given)
            case "POST", "/_objects":
                return self.add_object(given["kind"], given["object"])
            case "GET", "/_stats":
                totals = [
                    {"customer": customer, "event_name": name, "value": str(value)}
                    for (customer, name), value in sorted(self.totals().items())
                ]
                return {
                    "meter_events": len(self.meter_events()),
                    "requests": len(self.requests),
                    "now": self.now(),
                    "totals": totals,
                }
        raise KeyError(f"no such hook: {method} {path}")


def serve(
    port: int,
    now: datetime | None = None,
    state: Path | None = None,
    customers: Iterable[str] = (),
    any_customer: bool = False,
) -> None:
    """Run the server until SIGINT or SIGTERM; prints one line once it listens.

    Must be called from the main thread. `OSError` when the port is taken.
    """
    server = StripeServer(port, now, state, customers=customers, any_customer=any_customer)
    asked_to_stop = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: asked_to_stop.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        with server:
            print(f"listening on {server.url}", flush=True)
            asked_to_stop.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    # A handler that hangs on purpose must not keep the server from stopping.
    block_on_close = False

    def __init__(self, address: tuple[str, int], owner: StripeServer) -> None:
        self.owner = owner
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """A client that went away is no news; anything else is logged with its trace."""
        gone = isinstance(sys.exc_info()[1], ConnectionError) or self.owner.stopping.is_set()
        level = logging.DEBUG if gone else logging.ERROR
        _log.log(level, "request from %s failed", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body leave in two writes; without this each answer would wait for the client.
    disable_nagle_algorithm = True
    server: _Listener

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        headers = {name.lower(): value for name, value in self.headers.items()}
        owner = self.server.owner
        reply = owner.reply(self.command, self.path, headers, body)
        if reply.drop:
            self.close_connection = True
            return
        data = reply.body.encode()
        number = sha256(f"{id(self)}{time.monotonic_ns()}".encode()).hexdigest()[:14]
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.send_response(reply.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Request-Id", f"req_{number}")
            for name in ("stripe-version", "idempotency-key"):
                if name in headers:
                    self.send_header(name.title(), headers[name])
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - names of the base class

    def log_message(self, format: str, *args: Any) -> None:
        _log.debug(format, *args)


def _authenticate(authorization: str) -> None:
    scheme, _, key = authorization.partition(" ")
    if scheme != "Bearer" or not key:
        raise ApiError(
            401,
            "You did not provide an API key. You need to provide your API key in the Authorization "
            "header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
        )
    if not key.startswith(_KEY_PREFIXES):
        raise ApiError(
            401, f"Invalid API Key provided: {key[:8]}****", kind="invalid_request_error"
        )


def _patience(fault: Fault) -> float | None:
    return None if fault.kind.startswith("hang") and not fault.seconds else fault.seconds


def _rate_limit() -> ApiError:
    return ApiError(
        429,
        "Request rate limit exceeded.",
        kind="invalid_request_error",
        code="rate_limit",
        headers={"Retry-After": "0"},
    )


def _conflict() -> ApiError:
    return ApiError(
        409,
        "There is currently another in-progress request using this Stripe Idempotency Key. Please "
        "try again later.",
        kind="idempotency_error",
        code="idempotency_key_in_use",
    )


def _other_params(key: str) -> ApiError:
    return ApiError(
        400,
        f"Keys for idempotent requests can only be used with the same parameters they were first "
        f"used with. Try using a key other than '{key}' if you meant to execute a different "
        "request.",
        kind="idempotency_error",
    )


def _error_reply(error: ApiError) -> Reply:
    return Reply(error.status, json.dumps(error.body()), error.headers)
