"""From files in the landing zone to the raw tables of the warehouse.

Nothing here knows about orchestration: every function takes a connection and settings, and can be
called from a test, a notebook or a job alike.
"""
