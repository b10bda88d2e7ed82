"""Approvals, pushes to Stripe and reconciliation, by billing month."""
