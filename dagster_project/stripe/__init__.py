"""The write side to Stripe: the client, the push of approved totals, the meters it needs."""
