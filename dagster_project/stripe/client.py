"""The one place where a Stripe client is made, with everything that could surprise pinned down."""

import ipaddress
import json
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
import stripe
from stripe import RequestsClient, StripeClient

from ingest.errors import MeterhouseError, UsageError

CONNECT_TIMEOUT_SECONDS = 5
READ_TIMEOUT_SECONDS = 20
MAX_NETWORK_RETRIES = 2

_DEFAULT_API = stripe.DEFAULT_API_BASE
_LIVE_PREFIXES = ("sk_live_", "rk_live_")
_KEY_PREFIXES = (*_LIVE_PREFIXES, "sk_test_", "rk_test_")


def stripe_client(
    environ: Mapping[str, str] | None = None,
    *,
    read_timeout: float = READ_TIMEOUT_SECONDS,
) -> StripeClient | None:
    """A client for `STRIPE_SECRET_KEY`, or None when that is unset: then nothing is ever sent.

    `STRIPE_API_BASE` replaces every address the client knows. `UsageError` for a key that is not
    one, plain http to another machine, a live key with another server than Stripe's own, and
    Stripe's own server with a clock set by `METERHOUSE_NOW` (its deadlines run on the real one).
    """
    env = os.environ if environ is None else environ
    key = env.get("STRIPE_SECRET_KEY", "").strip()
    if not key:
        return None
    base = env.get("STRIPE_API_BASE", "").strip().rstrip("/")
    _check(key, base, env)
    stripe.enable_telemetry = False
    addresses = [base] if base else _stripe_addresses()
    http_client = PinnedClient(
        allowed=frozenset(urlsplit(address).netloc for address in addresses),
        timeout=(CONNECT_TIMEOUT_SECONDS, read_timeout),
        direct=bool(base) and is_loopback(base),
    )
    if not base:
        return StripeClient(key, http_client=http_client, max_network_retries=MAX_NETWORK_RETRIES)
    return StripeClient(
        key,
        base_addresses={"api": base, "connect": base, "files": base, "meter_events": base},
        http_client=http_client,
        max_network_retries=MAX_NETWORK_RETRIES,
    )


def is_loopback(base: str) -> bool:
    """Whether the address can only be this machine."""
    host = urlsplit(base).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class PinnedClient(RequestsClient):
    """The SDK's HTTP client, held to known hosts and to headers that say nothing of the machine."""

    def __init__(
        self, *, allowed: frozenset[str], timeout: tuple[float, float], direct: bool
    ) -> None:
        super().__init__(timeout=timeout, session=_session(direct))
        self._allowed = allowed

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[Any, int, Mapping[str, str]]:
        """Send one request; `MeterhouseError` before any byte goes to a host not expected."""
        host = urlsplit(url).netloc
        if host not in self._allowed:
            raise MeterhouseError(f"Stripe client: {host} is not expected; check STRIPE_API_BASE")
        content, status, answered = super().request(method, url, _plain(headers), post_data)
        return content, status, answered


def _session(direct: bool) -> requests.Session:
    session = requests.Session()
    pool = requests.adapters.HTTPAdapter(pool_connections=4, pool_maxsize=16, max_retries=0)
    session.mount("https://", pool)
    session.mount("http://", pool)
    # A proxy of the environment would carry what is meant for this machine to another.
    session.trust_env = not direct
    return session


def _plain(headers: Mapping[str, str] | None) -> dict[str, str]:
    """The headers with the library's own description cut to its name and version."""
    plain = dict(headers or {})
    if "User-Agent" in plain:
        plain["User-Agent"] = " ".join(plain["User-Agent"].split(" ")[:2])
    described = plain.get("X-Stripe-Client-User-Agent")
    if described:
        kept = {
            name: value
            for name, value in json.loads(described).items()
            if name in ("bindings_version", "lang", "lang_version", "httplib")
        }
        plain["X-Stripe-Client-User-Agent"] = json.dumps(kept)
    return plain


def _stripe_addresses() -> list[str]:
    return [
        stripe.DEFAULT_API_BASE,
        stripe.DEFAULT_CONNECT_API_BASE,
        stripe.DEFAULT_UPLOAD_API_BASE,
        stripe.DEFAULT_METER_EVENTS_API_BASE,
    ]


def _check(key: str, base: str, env: Mapping[str, str]) -> None:
    if not key.startswith(_KEY_PREFIXES):
        raise UsageError(
            "STRIPE_SECRET_KEY: not a secret key; it starts with sk_test_, rk_test_, sk_live_ or "
            "rk_live_"
        )
    own = not base or base == _DEFAULT_API
    if own and env.get("METERHOUSE_NOW"):
        raise UsageError(
            "METERHOUSE_NOW: sets another clock than Stripe's, whose deadlines run on the real one;"
            " unset it, or set STRIPE_API_BASE to the local server"
        )
    if own:
        return
    parts = urlsplit(base)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"STRIPE_API_BASE: {base!r} is not an http(s) address")
    if parts.scheme == "http" and not is_loopback(base):
        raise UsageError(
            f"STRIPE_API_BASE: {base!r} would send the key in plain text to another machine; use "
            "https, or a server on 127.0.0.1"
        )
    if key.startswith(_LIVE_PREFIXES):
        raise UsageError(
            f"STRIPE_SECRET_KEY: a live key is never sent to another server than Stripe's "
            f"({base!r}); use a test key, or unset STRIPE_API_BASE"
        )
