"""Every suite, in the order in which they run: the one list of them."""

from __future__ import annotations

from ingest.expectations import (
    cloudevents,
    daytona,
    e2b,
    focus,
    gauges,
    opencomputer,
    storage,
    vercel,
)

SUITES = (
    e2b.SUITE,
    opencomputer.SUITE,
    daytona.PERIODS,
    daytona.POLLS,
    vercel.SUITE,
    gauges.SUITE,
    storage.SUITE,
    cloudevents.SUITE,
    focus.SUITE,
)
