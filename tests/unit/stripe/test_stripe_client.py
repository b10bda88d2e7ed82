"""The client goes where it is told, says nothing of the machine, and never risks a live key."""

import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dagster_project.stripe.client import stripe_client
from dagster_project.stripe.server import StripeServer
from dagster_project.stripe.server.app import Reply
from ingest.errors import MeterhouseError, UsageError

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[3]
LOCAL = "http://127.0.0.1:1"
LIVE = "sk_live_" + "x" * 10


def test_without_a_key_there_is_no_client() -> None:
    assert stripe_client({}) is None
    assert stripe_client({"STRIPE_SECRET_KEY": " "}) is None


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"STRIPE_SECRET_KEY": "pk_test_1"}, "not a secret key"),
        ({"STRIPE_SECRET_KEY": "sk_test_1", "STRIPE_API_BASE": "http://stripe.test"}, "plain text"),
        ({"STRIPE_SECRET_KEY": "sk_test_1", "STRIPE_API_BASE": "ftp://127.0.0.1"}, "not an http"),
        ({"STRIPE_SECRET_KEY": "sk_test_1", "STRIPE_API_BASE": "localhost:1"}, "not an http"),
        ({"STRIPE_SECRET_KEY": LIVE, "STRIPE_API_BASE": LOCAL}, "a live key is never sent"),
        ({"STRIPE_SECRET_KEY": LIVE, "STRIPE_API_BASE": "https://a.test"}, "a live key is never"),
        ({"STRIPE_SECRET_KEY": "sk_test_1", "METERHOUSE_NOW": "2026-09-01T00:00:00Z"}, "clock"),
    ],
)
def test_dangerous_settings_are_refused(env: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        stripe_client(env)
    key = env["STRIPE_SECRET_KEY"]
    assert key not in str(caught.value)


def test_a_test_key_stays_on_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[str] = []
    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        seen.append(address[0])
        real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setenv("HTTP_PROXY", "http://192.0.2.1:9")
    monkeypatch.setenv("http_proxy", "http://192.0.2.1:9")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with StripeServer() as server:
        client = stripe_client(server.environment())
        assert client is not None
        client.v1.customers.create({"name": "Ada"})
        list(client.v1.billing.meters.list().auto_paging_iter())
        client.v2.core.events.list()
        with pytest.raises(MeterhouseError, match="is not expected"):
            _elsewhere(client)
    assert set(seen) == {"127.0.0.1"}
    assert list(tmp_path.iterdir()) == []


def _elsewhere(client: Any) -> None:
    client._requestor._client.request("get", "https://api.stripe.com/v1/customers", {})


def test_the_write_side_runs_without_an_orchestrator() -> None:
    code = (
        "import sys, dagster_project.stripe.push, dagster_project.stripe.server\n"
        "assert not [name for name in sys.modules if name.split('.')[0] == 'dagster']"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)


def test_headers_name_the_library_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, str]] = []
    real = StripeServer.reply

    def reply(self: StripeServer, method: str, target: str, headers: Any, body: bytes) -> Reply:
        seen.append(headers)
        return real(self, method, target, headers, body)

    monkeypatch.setattr(StripeServer, "reply", reply)
    with StripeServer() as server:
        client = stripe_client(server.environment())
        assert client is not None
        client.v1.customers.create({"name": "Ada"})
        client.v1.customers.create({"name": "Bob"})
    for headers in seen:
        assert headers["user-agent"].startswith("Stripe/v1 PythonBindings/")
        assert len(headers["user-agent"].split()) == 2
        assert "platform" not in headers["x-stripe-client-user-agent"]
        assert "x-stripe-client-telemetry" not in headers
        assert headers["stripe-version"] == "2026-10-28.endive"
