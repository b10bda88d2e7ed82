"""Orchestration: the Dagster definitions, the command line and the write side of the outside world."""
