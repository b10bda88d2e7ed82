"""A local server that behaves as Stripe does, for tests and for trying the product.

It knows what the product uses of Stripe, validates requests by the SDK's own parameter types, keeps
decimals exact, and can be told to fail in the ways that networks and servers do. It listens on
127.0.0.1 only and refuses live keys.
"""

from dagster_project.stripe.server.app import StripeServer, serve
from dagster_project.stripe.server.faults import Fault

__all__ = ["Fault", "StripeServer", "serve"]
