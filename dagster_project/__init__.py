"""Orchestration: Dagster definitions, the command line, and all that writes to the outside."""
