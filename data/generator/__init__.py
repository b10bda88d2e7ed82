"""Seeded generator of the sample month of Cobalt Run, an invented small company that rents out
sandboxes.

`python -m data.generator --out data/sample --seed 20260902` writes a landing zone. What the
simulation knows to be true (exact usage, records per file, the differences planted in the Stripe
export) goes to a file beside it, so that the sample can contradict the software that reads it.
"""
